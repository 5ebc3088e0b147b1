"""The threshold of the out-of-distribution score, above which nothing is assessed; it keeps a rate in every class."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import t

from shared.evaluation.decision.ood import MAX_SCORE, Values, by_series
from shared.evaluation.inputs import first_of_each
from shared.seeding import generator

MIN_UNITS = 8
"""Independent inputs that a class needs for a threshold of its own. The prediction limit of 8 scores reaches 3.2 of
their standard deviations, that of 5 already 4.1, beyond which little is unlike. Source: docs/lab-log.md, "Abstention by
class"."""
MAX_NAMED = 5
"""Most classes that are named in a sentence."""
MAX_RATIO, MIN_SCORE = 10.0, 1e-4
"""Scores that lie below the median by more than the ratio, or below what float16 features can tell from 0, are raised
to that bound."""


def choose_rule(familiar: Values, by_class: Mapping[str, Values], rate: float) -> dict[str, Any]:
    """Chooses one threshold that inputs like validation's exceed with probability `rate` at most, in every class.

    A threshold on all inputs alone lets a rare class, or one that varies much, pay for the others: tumours that are a
    tenth of the inputs can be all of the 1% above it. What class a new input has is not known when it is judged, so the
    threshold is the largest of those of the classes and of all inputs. This is label-conditional conformal prediction
    with one score for all classes: an input lies above it where no class would accept the input.

    The price is that fewer strange inputs are found. A class with fewer than `MIN_UNITS` scores has no threshold of its
    own, and nothing holds the rate for it alone.

    Args:
        familiar: float64 [N], scores of independent inputs of validation, of all classes.
        by_class: For each class, or other kind of input that the rate must hold for, scores of its independent inputs.
        rate: Probability, over 0 and below 1.

    Returns:
        `threshold` (0 to `MAX_SCORE`), `rate`, `units` (N), `pooled` (the threshold of all inputs alone) and `classes`:
        by name the `units` (number of independent inputs) and the `threshold` of each, None where units are too few.

    Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005, section 4.5; Guan & Tibshirani, J R
    Stat Soc B 84:524, 2022, for the empty prediction set as outlier.
    """
    pooled = choose_threshold(familiar, rate)
    classes = {
        name: {"units": len(scores), "threshold": choose_threshold(scores, rate) if len(scores) >= MIN_UNITS else None}
        for name, scores in by_class.items()
    }
    own = [found["threshold"] for found in classes.values() if found["threshold"] is not None]
    return {
        "threshold": max([pooled, *own]),
        "rate": rate,
        "units": len(familiar),
        "pooled": pooled,
        "classes": classes,
    }


def rule_text(rule: Mapping[str, Any]) -> str:
    """Says in words on what a threshold was set, and which classes have too few inputs for one of their own.

    Args:
        rule: The result of `choose_rule`.
    """
    few = [f"{name} ({found['units']})" for name, found in rule["classes"].items() if found["threshold"] is None]
    text = f"set on {rule['units']} independent inputs of validation so that at most {rule['rate']:.1%} of them"
    needs = f"the {MIN_UNITS} independent inputs that a threshold of its own needs"
    if not few:
        return f"{text}, and of each class, are not assessed"
    if len(few) == len(rule["classes"]):
        return f"{text} are not assessed; no class has {needs}"
    more = f" and {len(few) - MAX_NAMED} more" if len(few) > MAX_NAMED else ""
    left_out = f"{', '.join(few[:MAX_NAMED])}{more}"
    return f"{text}, and of each class but {left_out}, are not assessed; a class left out has not {needs}"


def one_of_each(scores: Values, inputs: Sequence[Hashable], units: Sequence[int], seed: int) -> Values:
    """Draws one input of each unit and returns its score: several series of a patient are not independent.

    Args:
        scores: float64 [N], out-of-distribution scores of images.
        inputs: [N] the input (series, or image on its own) that `predict` would assess each image with.
        units: [N] number of the independent unit of each image.
        seed: Seed of the draw.

    Returns:
        float64 [units], the score of the drawn input of each unit, in the order in which inputs first occur.
    """
    of_inputs, owners = by_series(scores, inputs), np.asarray(units)[first_of_each(inputs)]
    order = generator(seed, "one input of each unit").permutation(len(of_inputs))
    chosen = order[np.unique(owners[order], return_index=True)[1]]
    return of_inputs[np.sort(chosen)]


def choose_threshold(scores: Values, rate: float) -> float:
    """Chooses the out-of-distribution threshold, which inputs like validation's exceed with probability `rate` at most.

    With enough scores it is an order statistic, which keeps the rate for any distribution of independent scores (split
    conformal prediction). Fewer than 1 / `rate` scores have no such quantile: then the threshold is the one-sided
    prediction limit of their logarithms, which assumes a normal distribution and is approximate. One score, or none,
    gives no limit: the threshold is `MAX_SCORE`, and every input is assessed.

    Args:
        scores: float64 [N], scores of independent inputs of validation.
        rate: Probability, over 0 and below 1.

    Returns:
        The threshold, 0 to `MAX_SCORE` (2).

    Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005, section 2.2; Hahn & Meeker,
    Statistical Intervals, 1991, section 4.8.
    """
    count = len(scores)
    rank = int(np.ceil((count + 1) * (1.0 - rate)))
    if rank <= count:
        return float(np.sort(scores)[rank - 1])
    if count < 2:
        return MAX_SCORE
    # copies of training images score about 0, and their logarithms would widen the spread without bound
    floor = max(float(np.median(scores)) / MAX_RATIO, MIN_SCORE)
    logarithms = np.log(np.maximum(scores, floor))
    reach = float(t.ppf(1.0 - rate, count - 1)) * np.sqrt(1.0 + 1.0 / count)
    return min(float(np.exp(logarithms.mean() + reach * logarithms.std(ddof=1))), MAX_SCORE)
