"""The threshold of the out-of-distribution score, above which nothing is assessed; it keeps a rate in every class."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binom, t

from shared.evaluation.decision.ood import MAX_SCORE, Values, by_series
from shared.evaluation.inputs import first_of_each
from shared.seeding import generator

MIN_UNITS, MIN_POSITIVE = 30, 8
"""Independent inputs that a class, and the positive event, need for a threshold of their own. The largest threshold of
many classes of few inputs lies so high that little is unlike: of inputs five standard deviations away 46 classes of 8
find 41%, of 30 95%, all inputs together 99%. The event is one, and must not be missed. Source:
`benchmarks/abstention.py`."""
CONFIDENCE = 0.95
"""Confidence that no more than the rate of positive inputs lie above the threshold: that of all bounds here."""
MAX_NAMED = 5
"""Most classes that are named in a sentence."""
MAX_RATIO, MIN_SCORE = 10.0, 1e-4
"""Scores that lie below the median by more than the ratio, or below what float16 features can tell from 0, are raised
to that bound."""


def choose_rule(
    familiar: Values, by_class: Mapping[str, Values], positive: Values | None, rate: float
) -> dict[str, Any]:
    """Chooses one threshold that inputs like validation's exceed with probability `rate` at most, in every class.

    A threshold on all inputs alone lets a rare class, or one that varies much, pay for the others: tumours that are a
    tenth of the inputs can be all of the 1% above it. What class a new input has is not known when it is judged, so the
    threshold is the largest of those of the classes and of all inputs. This is label-conditional conformal prediction
    with one score for all classes: an input lies above it where no class would accept the input.

    A class keeps the rate on average over validation sets. The positive event, with enough scores, keeps it with
    confidence `CONFIDENCE`: what it loses must not be a matter of luck. The price is that fewer strange inputs are
    found. A class with fewer than `MIN_UNITS` scores, or the event with fewer than `MIN_POSITIVE`, has no threshold of
    its own, and nothing keeps its rate.

    Args:
        familiar: float64 [N], scores of independent inputs of validation, of all classes.
        by_class: For each class, scores of its independent inputs.
        positive: Scores of independent inputs with the positive event; None: the task has none.
        rate: Probability, over 0 and below 1.

    Returns:
        `threshold` (0 to `MAX_SCORE`), `rate`, `units` (N), `pooled` (the threshold of all inputs alone), `classes` (by
        name) and `positive` (None where the task has no such event): of each the `units` (number of independent
        inputs), the `threshold`, None where units are too few, and the `confidence`, None where the rate is kept on
        average only.

    Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005, section 4.5; Guan & Tibshirani, J R
    Stat Soc B 84:524, 2022, for the empty prediction set as outlier.
    """
    pooled = choose_threshold(familiar, rate)
    classes = {name: _of_kind(scores, rate, None, MIN_UNITS) for name, scores in by_class.items()}
    event = None if positive is None else _of_kind(positive, rate, confident_threshold(positive, rate), MIN_POSITIVE)
    own = [kind["threshold"] for kind in (*classes.values(), event) if kind and kind["threshold"] is not None]
    return {
        "threshold": max([pooled, *own]),
        "rate": rate,
        "units": len(familiar),
        "pooled": pooled,
        "classes": classes,
        "positive": event,
    }


def _of_kind(scores: Values, rate: float, confident: float | None, least: int) -> dict[str, Any]:
    """Units, threshold and confidence of one kind of input; the `confident` threshold counts where there is one."""
    average = choose_threshold(scores, rate) if len(scores) >= least else None
    return {
        "units": len(scores),
        "threshold": average if confident is None else confident,
        "confidence": None if confident is None else CONFIDENCE,
    }


def rule_text(rule: Mapping[str, Any], positive_name: str | None) -> str:
    """Says in words on what a threshold was set, and which classes have too few inputs for one of their own.

    Args:
        rule: The result of `choose_rule`.
        positive_name: Name of the positive event; None: the task has none.
    """
    few = [f"{name} ({kind['units']})" for name, kind in rule["classes"].items() if kind["threshold"] is None]
    more = f" and {len(few) - MAX_NAMED} more" if len(few) > MAX_NAMED else ""
    but = f" but {', '.join(few[:MAX_NAMED])}{more}, which have fewer than {MIN_UNITS}" if few else ""
    text = (
        f"set on {rule['units']} independent inputs of validation so that at most {rule['rate']:.1%} of inputs like "
        f"them are not assessed, together and by class{but}"
    )
    if (event := rule["positive"]) is None:
        return text
    kind = f"inputs with a {positive_name} ({event['units']})"
    if event["threshold"] is None:
        return f"{text}; {kind} are too few for a bound of their own"
    if event["confidence"] is None:
        return f"{text}; of {kind}, too few for {CONFIDENCE:.0%} confidence, on average"
    return f"{text}; of {kind} with {event['confidence']:.0%} confidence"


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


def confident_threshold(scores: Values, rate: float) -> float | None:
    """Chooses the threshold that at most a share `rate` of inputs like validation's exceed, with `CONFIDENCE`.

    It is an order statistic, which holds for any distribution of independent scores. A tolerance limit that assumes one
    would serve fewer scores too, and was so high that it let every knee and character through.

    Args:
        scores: float64 [N], scores of independent inputs of validation.
        rate: Share, over 0 and below 1.

    Returns:
        The threshold, one of the scores; None where there are too few (299 are needed for a rate of 0.01).

    Source: Wilks, Ann Math Stat 12:91, 1941; Hahn & Meeker, Statistical Intervals, 1991, section 5.3; the limit:
    docs/lab-log.md, "Abstention by class".
    """
    count = len(scores)
    above = np.arange(count)
    held = above[binom.cdf(above, count, rate) <= 1.0 - CONFIDENCE]  # as many of the largest scores may lie above
    return float(np.sort(scores)[count - 1 - held[-1]]) if len(held) else None
