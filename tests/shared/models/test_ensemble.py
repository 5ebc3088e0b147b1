"""The mean of networks: of their answers exactly, in torch and in ONNX, and of their weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from shared.models.backbones.build import build_backbone
from shared.models.ensemble import Ensemble, mean_of_answers, mean_of_weights, statistics_differ
from shared.models.network import AuxiliaryHead, Calibrated, Network, feature_width
from shared.models.onnx_export import export_onnx
from shared.models.pooling import EVIDENCE
from shared.task import Preprocessing

SIZE = 32


def _network(
    seed: int,
    *,
    layers: tuple[str, ...] = ("block2",),
    pooling: str = "avg_1x1",
    side: int | None = None,
    temperature: float = 1.0,
) -> Network:
    backbone = build_backbone("convnet_small", layers=layers, seed=seed, input_size=side)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(backbone, layers, pooling, feature_width(backbone, layers, pooling, 1, SIZE), 3)
        torch.nn.init.normal_(network.head.weight, std=2.0)
    network.temperature.fill_(temperature)
    return network.eval()


@pytest.fixture(scope="module")
def networks() -> list[Network]:
    """Of other layers, pooling, input size and temperature; the second has evidence, between features of others."""
    return [
        _network(0, temperature=0.5),
        _network(1, layers=("block1", "block2"), pooling=EVIDENCE, temperature=3.0),
        _network(2, pooling="avg_2x2", side=48),
    ]


def _images(count: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((count, 1, SIZE, SIZE), dtype=np.float32))


def _expected(networks: list[Network]) -> np.ndarray:
    with torch.inference_mode():
        logits = torch.stack([network(_images()) / network.temperature for network in networks]).mean(dim=0)
        return torch.softmax(logits, dim=1).numpy()


def test_its_probabilities_are_the_softmax_of_the_mean_of_calibrated_logits(
    networks: list[Network], tmp_path: Path
) -> None:
    ensemble = mean_of_answers(networks)
    with torch.inference_mode():
        probabilities, features = Calibrated(ensemble)(_images())
    assert np.ptp(_expected(networks)) > 0.1
    np.testing.assert_allclose(probabilities.numpy(), _expected(networks), atol=1e-5)
    assert features.shape == (5, ensemble.head.in_features)
    export_onnx(ensemble, Preprocessing(SIZE), tmp_path / "model.onnx", _images().numpy())
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"images": _images().numpy()})
    np.testing.assert_allclose(found, _expected(networks), atol=1e-5)


def test_layers_of_all_members_come_before_the_evidence_of_any(networks: list[Network]) -> None:
    with torch.inference_mode():
        features = mean_of_answers(networks).features(_images())
        own = [network.features(_images()) for network in networks]
    torch.testing.assert_close(features, torch.cat([own[0], own[1][:, :-1], own[2], own[1][:, -1:]], dim=1))


def test_it_has_no_head_but_the_joined_one(networks: list[Network]) -> None:
    ensemble = mean_of_answers(networks)
    assert len(ensemble.trunks) == 3
    assert networks[0].trunks == (networks[0],)
    assert [name for name, _ in ensemble.named_parameters() if "head" in name] == ["head.weight", "head.bias"]
    other = Ensemble(ensemble.trunks, ensemble.head.in_features, 3)
    other.load_state_dict(ensemble.state_dict())


def test_auxiliary_tasks_that_all_members_share_are_averaged_and_others_left_out() -> None:
    members = [_network(0), _network(1, pooling="avg_2x2")]
    for seed, member in enumerate(members):
        torch.manual_seed(seed)
        member.auxiliary.append(AuxiliaryHead("plane", member.head.in_features, ["axial", "coronal"]))
    members[0].auxiliary.append(AuxiliaryHead("contrast", members[0].head.in_features, ["t1", "t2"]))
    ensemble = mean_of_answers(members)
    assert [(head.task, head.classes) for head in ensemble.auxiliary_heads()] == [("plane", ("axial", "coronal"))]
    with torch.inference_mode():
        own = [member.auxiliary_heads()[0](member.features(_images())) for member in members]
        found = ensemble.auxiliary_heads()[0](ensemble.features(_images()))
    torch.testing.assert_close(found, (own[0] + own[1]) / 2, atol=1e-5, rtol=1e-5)


def test_a_mean_of_weights_is_that_of_every_tensor_with_heads_at_their_temperature() -> None:
    first, second = _network(0, temperature=0.5), _network(1, temperature=2.0)
    counter = next(name for name, tensor in first.state_dict().items() if not tensor.is_floating_point())
    first.state_dict()[counter].fill_(7)
    before = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    found = mean_of_weights([first, second])
    one, other, mean = first.state_dict(), second.state_dict(), found.state_dict()
    for name in mean:
        if name.startswith("head."):
            torch.testing.assert_close(mean[name], (one[name] / 0.5 + other[name] / 2.0) / 2)
        elif name not in ("temperature", counter) and mean[name].is_floating_point():
            torch.testing.assert_close(mean[name], (one[name] + other[name]) / 2)
    assert (float(found.temperature), int(mean[counter]), found.training) == (1.0, 7, False)
    assert all(torch.equal(tensor, one[name]) for name, tensor in before.items())


def test_on_one_backbone_both_means_are_the_same() -> None:
    first, second = _network(0, temperature=0.5), _network(0, temperature=2.0)
    torch.nn.init.normal_(second.head.weight, std=2.0, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        answers, weights = (made([first, second])(_images()) for made in (mean_of_answers, mean_of_weights))
    torch.testing.assert_close(answers, weights, atol=1e-4, rtol=1e-4)


def test_statistics_of_batch_norm_are_compared() -> None:
    first, second = _network(0), _network(1)
    assert not statistics_differ([first, second])  # as they were built
    next(buffer for name, buffer in second.named_buffers() if name.endswith("running_var")).mul_(2)
    assert statistics_differ([first, second])
