"""Keys of earlier versions with their new names: an old configuration is refused with the name to write instead."""

from __future__ import annotations

RENAMED = {
    "data.apart_from": "data.exclude_copies_of",
    "data.augmentation": "strategy.augmentation",
    "data.fold": "data.split.fold",
    "data.folds": "data.split.folds",
    "data.labels_per_class": "data.budget.labels_per_class",
    "data.left_out": "data.split.held_out_domain",
    "data.target_labels": "data.target.labels=used",
    "data.target_unlabelled": "data.target.labels=absent",
    "data.test": "data.split.test",
    "data.train_groups": "data.budget.train_groups",
    "data.validation": "data.split.validation",
    "backbone.copied": "backbone.transfer_stages",
    "backbone.frame": "backbone.store_size",
    "backbone.sizes": "backbone.candidate_sizes",
    "error_rate": "decision.max_selective_risk",
    "masked_images": "explained_images",
    "miss_cost": "decision.miss_cost",
    "ood_rate": "decision.ood_false_positive_rate",
    "prevalence": "decision.prevalence",
    "reverse_validation": "data.target.reverse_validation",
    "sensitivity": "decision.sensitivity",
    "strategy.augment": "strategy.augmentation",
    "strategy.averaging": "strategy.ema_decay",
    "strategy.balance": "strategy.sampling",
    "strategy.sure": "strategy.confidence_threshold",
    "strategy.teacher": "strategy.teacher_ema_decay",
    "threshold": "decision.threshold",
}
"""New name by old name; a new name with `=` states the value too."""

NOW_SECTIONS = {
    "data.split": "data.split.how",
    "data.target": "data.target.domain",
}
"""Keys that held a value and are sections now, with the key that takes the value."""
