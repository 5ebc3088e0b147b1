"""Which key of a configuration a word means that is none: `seed` of `--seed 1`, `source` of `source=x.zip`."""

from __future__ import annotations

from shared.config.describe import describe
from shared.config.schema import Config

SPOKEN = {
    "augmentation": "strategy.augmentation",
    "backbone": "backbone.name",
    "batch_size": "strategy.batch_size",
    "data": "data.source",
    "dataset": "data.source",
    "domain": "data.domains",
    "epochs": "strategy.phases[].epochs",
    "image_size": "backbone.size",
    "label_smoothing": "strategy.label_smoothing",
    "learning_rate": "strategy.phases[].lr_head",
    "lr": "strategy.phases[].lr_head",
    "lr_backbone": "strategy.phases[].lr_backbone",
    "lr_head": "strategy.phases[].lr_head",
    "model": "backbone.name",
    "network": "backbone.name",
    "phases": "strategy.phases",
    "precision": "strategy.precision",
    "pretrained": "backbone.weights",
    "sampling": "strategy.sampling",
    "selection": "strategy.selection",
    "strategy": "strategy.name",
    "weight_decay": "strategy.weight_decay",
}
"""Words that are no key, or are keys of a strategy, with the key that people mean by them."""
ANY = "VALUE"


def setting_meant(word: str, value: str = "") -> str | None:
    """Writes the setting that somebody means who names a key in another way.

    Args:
        word: The name that was given: the last part of a key, or a word of `SPOKEN`.
        value: The value that was given with it; empty: none.

    Returns:
        The word to write, `key=value`; None where no key is meant.
    """
    key = key_meant(word)
    if key is None:
        return None
    held, inner, leaf = key.partition("[].")
    return f"{held}='[{{{leaf}: {value or ANY}}}]'" if inner else f"{key}={value or ANY}"


def key_meant(word: str) -> str | None:
    """Finds the full key that a word is the last part of, or stands for in `SPOKEN`.

    Args:
        word: The word.

    Returns:
        The key; of several the one that lies highest. A key within a list is written as `strategy.phases[].epochs`.
        None where there is none.
    """
    if word in SPOKEN:
        return SPOKEN[word]
    keys = [key for key, _, _ in describe(Config) if key.rpartition(".")[2] == word and ".NAME." not in key]
    return min(keys, key=lambda key: key.count("."), default=None)
