import numpy as np
import pytest

from shared.zero_shot.methods import ATTRIBUTE_MARGIN, PrincipalAxes, dap, eszsl, prototypes, ranked

SEEN = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0.5]])
UNSEEN = np.array([[0, 0, 0, 1], [1, 1, 1, 0]])


def drawn(table, each=40, seed=0):
    """Features that are a fixed linear map of attributes, with noise; their classes."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(9).normal(size=(table.shape[1], 12))
    labels = np.repeat(np.arange(len(table)), each)
    return (2 * table[labels] - 1) @ mix + random.normal(0, 0.5, (len(labels), 12)), labels


def signed(table):
    centred = table - SEEN.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("method", "prepare"),
    [(dap, lambda table: table), (eszsl, signed), (ranked, signed)],
    ids=["dap", "eszsl", "ranked"],
)
def test_classes_never_seen_are_recognised_by_their_attributes(method, prepare):
    model = method(*drawn(SEEN), prepare(SEEN), 1e-3)
    features, labels = drawn(UNSEEN, seed=1)
    found = model.scores(features, prepare(UNSEEN)).argmax(axis=1)
    assert (found == labels).mean() > 0.95
    wrong = model.scores(features, prepare(UNSEEN[::-1])).argmax(axis=1)
    assert (wrong == labels).mean() < 0.05  # the table decides, nothing else


def test_eszsl_solves_its_equation():
    features, labels = drawn(SEEN, each=7)
    signatures, penalty, balance = signed(SEEN), 0.03, 0.7
    target = np.where(labels[:, np.newaxis] == np.arange(len(SEEN)), 1.0, -1.0)
    # the equation as one linear system over all entries of V at once
    left = features.T @ features + penalty * len(features) * np.eye(features.shape[1])
    right = signatures.T @ signatures + balance * np.eye(4)
    whole = np.kron(left, right)
    direct = np.linalg.solve(whole, (features.T @ target @ signatures).ravel()).reshape(12, 4)
    np.testing.assert_allclose(eszsl(features, labels, signatures, penalty, balance).matrix.T, direct, atol=1e-6)


def test_dap_is_lamperts_rule():
    features, labels = drawn(SEEN)
    model = dap(features, labels, SEEN, 1e-2)
    odds = model.predict_attributes(features[:5])
    p = 1 / (1 + np.exp(-odds))
    prior = SEEN.clip(ATTRIBUTE_MARGIN, 1 - ATTRIBUTE_MARGIN).mean(axis=0)
    each = [(row * np.log(p / prior) + (1 - row) * np.log((1 - p) / (1 - prior))).sum(axis=1) for row in UNSEEN]
    ours = model.scores(features[:5], UNSEEN)
    np.testing.assert_allclose(ours[:, 0] - ours[:, 1], each[0] - each[1], atol=1e-9)


def test_an_attribute_that_all_seen_classes_share_decides_nothing_in_dap():
    shared = np.concatenate([SEEN, np.zeros((len(SEEN), 1))], axis=1)
    features, labels = drawn(SEEN)
    model = dap(features, labels, shared, 1e-2)
    without, having = (np.append(UNSEEN[0], value)[np.newaxis] for value in (0.0, 1.0))
    np.testing.assert_allclose(model.scores(features, having), model.scores(features, without), atol=0.05)


def test_prototypes_close_a_gap_between_print_and_hand():
    random = np.random.default_rng(0)
    printed = random.normal(size=(14, 6))
    turned = printed @ (np.eye(6) + 0.4 * random.normal(size=(6, 6))) + 3.0
    labels = np.repeat(np.arange(10), 30)
    model = prototypes(turned[labels] + random.normal(0, 0.3, (300, 6)), labels, printed[:10], 1e-3)
    truth = np.repeat(np.arange(4), 30)
    features = turned[10:][truth] + random.normal(0, 0.3, (120, 6))
    assert (model.scores(features, printed[10:]).argmax(axis=1) == truth).mean() > 0.9


def test_principal_axes_keep_distances_up_to_a_factor():
    features = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    seen = PrincipalAxes.fit(features).transform(features)
    before, after = (np.linalg.norm(x[1:] - x[0], axis=1) for x in (features, seen))
    np.testing.assert_allclose(after / before, (after / before)[0], rtol=1e-3)
