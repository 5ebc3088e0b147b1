"""Which network gives the features, and which classes it allows to be unseen; commands test the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from handwriting.task import TASK as CHARACTERS
from medtl.task import TASK as TUMOURS
from shared.config.schema import Config
from shared.errors import ConfigError, UsageError
from shared.models.restore import load_trained
from shared.pipeline.preflight import preflight
from shared.task import Task
from shared.zero_shot.features import SideInformation, extract_study_data, extractor_of, repeated_splits


def config(**backbone: object) -> Config:
    small = {"name": "convnet_small", "weights": "random", "size": 32, "layers": ["block2"], "pooling": "avg_2x2"}
    return Config.model_validate({"backbone": small | backbone})


def test_a_configuration_describes_a_network_that_has_learnt_nothing() -> None:
    extractor = extractor_of(preflight(CHARACTERS, config()))
    assert (extractor.network.layers, extractor.network.pooling, extractor.spec.size) == (("block2",), "avg_2x2", 32)
    assert (extractor.run, extractor.learnt, extractor.seen) == (None, frozenset(), None)
    extractor.check_unseen(["ka"])


def test_a_run_gives_its_network_its_preprocessing_and_what_it_learnt(tiny_run: Path) -> None:
    extractor = extractor_of(preflight(CHARACTERS, config(size=64)), tiny_run)
    network, record = load_trained(tiny_run)
    images = torch.rand(2, 1, record.preprocessing.size, record.preprocessing.size)
    with torch.inference_mode():
        np.testing.assert_array_equal(extractor.network.features(images), network.features(images))
    assert extractor.spec == record.preprocessing
    assert extractor.learnt == {"ka", "digit_0", "digit_1"}
    assert extractor.seen is not None
    assert len(extractor.seen.images)


def test_weights_of_a_run_bring_what_it_learnt(tiny_run: Path) -> None:
    extractor = extractor_of(preflight(CHARACTERS, config(weights=str(tiny_run))))
    assert extractor.run == tiny_run.name
    with pytest.raises(UsageError, match="learnt digit_0, ka, which therefore cannot be unseen"):
        extractor.check_unseen(["ka", "vowel_1", "digit_0"])
    extractor.check_unseen(["vowel_1"])


def test_a_mean_of_several_networks_is_no_extractor(ensemble_run: Path) -> None:
    with pytest.raises(UsageError, match="has several backbones; name one of its members"):
        extractor_of(preflight(CHARACTERS, config()), ensemble_run)


@pytest.mark.parametrize(("stated", "seeds"), [(None, [(0, 0), (1, 1)]), (7, [(0, 7), (1, 8)])])
def test_each_seed_splits_the_data_anew(
    stated: int | None, seeds: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = []
    monkeypatch.setattr(
        "shared.zero_shot.features.extract_study_data",
        lambda experiment, *_, **__: found.append((experiment.config.seed, experiment.config.split_seed)),
    )
    experiment = preflight(
        CHARACTERS, Config.model_validate(config().model_dump() | {"data": {"split": {"seed": stated}}})
    )
    how = {"root": tmp_path, "progress": lambda *_: None}
    list(repeated_splits(experiment, SideInformation(None), extractor_of(experiment), [], 2, **how))  # type: ignore[arg-type]
    assert found == seeds


def test_what_gives_no_features_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    def refused(kind: type[Exception], message: str, task: Task, stated: Config, *run: Path) -> None:
        with pytest.raises(kind, match=message):
            extractor_of(preflight(task, stated), *run)

    refused(ConfigError, "name the layers for zero-shot", CHARACTERS, config(layers="auto"))
    refused(UsageError, "is a run of handwriting; name one of medtl", TUMOURS, config(), tiny_run)
    refused(UsageError, "is not a run folder", CHARACTERS, config(), tmp_path)


def test_few_labels_need_a_validation_that_keeps_its_labels(tmp_path: Path) -> None:
    stated = Config.model_validate(config().model_dump() | {"data": {"budget": {"labels_per_class": 5}}})
    experiment = preflight(CHARACTERS, stated)
    nothing = SideInformation(None)  # type: ignore[arg-type]  # refused before it is read
    with pytest.raises(ConfigError, match=r"there is none: .* is folds; set labelled"):
        extract_study_data(experiment, nothing, extractor_of(experiment), root=tmp_path, progress=lambda *_: None)
