"""Views in a notebook: a run, its answers, an evaluation, the table of a comparison.

They carry their own style, with colours that are read on a light and on a dark ground, and hold no picture of an input
but those of explanations that were asked for: a notebook is passed on easily.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.api.metrics import number_text
from shared.prediction.answer import HUMAN

if TYPE_CHECKING:
    from shared.api.answers import Answers, Judged
    from shared.api.evaluating import Evaluation
    from shared.api.metrics import Metric
    from shared.api.results import Result
    from shared.api.run import Run
    from shared.api.studies import Comparison
    from shared.prediction.answer import Answer
    from shared.task import Task

STYLE = """<style>
.medtl{max-width:60rem;line-height:1.4;font-family:system-ui,sans-serif;font-size:.9rem}
.medtl p{margin:.2rem 0}
.medtl .quiet{opacity:.75}
.medtl table{border-collapse:collapse;margin:.4rem 0;width:auto;color:inherit;font-size:inherit}
.medtl th,.medtl td{text-align:left!important;vertical-align:top;padding:.25rem .7rem .25rem 0;
border-bottom:1px solid rgba(128,128,128,.35);white-space:normal}
.medtl .wide{min-width:11rem;overflow-wrap:anywhere}
.medtl figure{margin:.3rem 0}
.medtl .number{text-align:right!important;font-variant-numeric:tabular-nums;white-space:nowrap}
.medtl .badge{display:inline-block;white-space:nowrap;font-weight:600;border:1px solid;border-radius:.6rem;
padding:0 .6rem}
.medtl .alarm{color:#d9453b}.medtl .clear{color:#2e8b57}.medtl .doubt{color:#b07400}
.medtl .bar{display:inline-block;width:6rem;height:.6rem;border-radius:.3rem;background:rgba(128,128,128,.3)}
.medtl .bar i{display:block;height:100%;border-radius:.3rem;background:#3f6fb5}
.medtl .scroll{overflow-x:auto}
.medtl img{max-width:100%;background:#fff;margin:.2rem 0}
@media (max-width:40rem){.medtl .cards th{display:none}.medtl .cards tr{display:block;padding:.4rem 0;
border-bottom:1px solid rgba(128,128,128,.35)}.medtl .cards td{display:block;border:0;padding:.1rem 0}}
</style>"""
KINDS = {"positive": "alarm", "negative": "clear", "accepted": "clear", "rejected": "doubt"}
"""Look of each decision; of every other status it is doubt."""


def answers_html(answers: Answers) -> str:
    """Shows answers: decision, likeliest class and probability of each, its notes, and its explanations."""
    if not answers.judged:
        return _page(_line("No input was found."))
    first = answers[0]
    head = [f"<p><b>{html.escape(answers.model)}</b> · fit for: {html.escape(first.verdict)}</p>"]
    if first.provenance is not None:
        head.append(_line(first.provenance.words, "quiet"))
    positive = answers.task.positive_name
    names = ["input", "answer", "likeliest class", "probability" if positive is None else f"{positive} probability"]
    rows = [_answer_cells(one, answers.task) for one in answers.judged]
    said = [_line(line, "quiet") for line in answers.task.disclaimers]
    pictures = [
        _picture(one.picture, f"{judged.answer.input}: {one.line(answers.task).strip()}")
        for judged in answers.judged
        for one in judged.explanations
    ]
    return _page(*head, f"<div class='cards'>{_table([*names, 'notes'], rows, wide=(0, 4))}</div>", *pictures, *said)


def _answer_cells(judged: Judged, task: Task) -> list[str]:
    """The cells of one answer, in HTML."""
    answer = judged.answer
    label = "" if answer.label is None else task.display_name(answer.label)
    raw = "" if answer.caution is None or not label else " (raw)"
    notes = [*([answer.reason] if answer.reason else []), *([answer.caution] if answer.caution else []), *answer.notes]
    return [
        html.escape(answer.input),
        _badge(answer),
        html.escape(label + raw),
        _probability(answer),
        "".join(map(_line, notes)),
    ]


def _badge(answer: Answer) -> str:
    words = answer.decision or answer.status
    doubt = "" if answer.decision or answer.status == "refused" else f"<br>{HUMAN}"
    return f"<span class='badge {KINDS.get(words, 'doubt')}'>{html.escape(words)}</span>{doubt}"


def _probability(answer: Answer) -> str:
    """A bar and a number: the probability of the positive event, or of the likeliest class."""
    by_class = answer.probabilities or {}
    value = answer.positive_probability if answer.positive_probability is not None else by_class.get(answer.label or "")
    if value is None:
        return ""
    limit = "" if answer.threshold is None else f"<br><span class='quiet'>from {answer.threshold:.3f}</span>"
    return f"<span class='bar'><i style='width:{100 * value:.1f}%'></i></span> {value:.3f}{limit}"


def _picture(path: Path, words: str) -> str:
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f"<figure><img alt='' src='data:image/png;base64,{data}'>{_line(words, 'quiet')}</figure>"


def run_html(run: Run) -> str:
    """Shows a run: what it is fit for, its main measures, and where its report is."""
    from shared.runs.verdict import read_verdict

    table = metrics_html(run.metrics, only=summary_keys())
    where = f"<p>report: <code>{html.escape(str(run.report))}</code></p>"
    said = map(_line, (*read_verdict(run.folder).lines, run.provenance.words, *run.notes))
    return _page(f"<p><b>{html.escape(run.shown_name)}</b></p>", *said, table, where)


def evaluation_html(found: Evaluation) -> str:
    """Shows an evaluation: the verdict, the main measures, and the notes."""
    said = map(_line, (*found.data.get("verdict", ()), *found.data.get("notes", ())))
    versus = found.data.get("versus", {})
    compared = map(_line, (*versus.get("summary", ()), *versus.get("notes", ())))
    return _page(metrics_html(found.metrics, only=summary_keys()), *said, *compared)


def result_html(found: Result) -> str:
    """Shows the lines of a study, and where its report is."""
    return _page(*map(_line, found.lines), _report(found))


def comparison_html(found: Comparison) -> str:
    """Shows the table of a comparison, what failed, and where its report is."""
    from shared.experiments.comparison.text import failure_lines, headings, table_body

    rows = [[html.escape(cell) for cell in cells] for cells in table_body(found.data)]
    failed = [_line(f"failed: {line}", "doubt") for line in failure_lines(found.data)]
    said = [_line(line, "quiet") for line in found.data["disclaimers"]]
    return _page(*said, _table(headings(found.data), rows), *failed, _report(found))


def summary_keys() -> list[str]:
    """Lists the measures that a summary shows, in its order."""
    from shared.evaluation.measure import Table, measures_in

    return [measure.key for measure in measures_in(Table.SUMMARY)]


def metrics_html(metrics: Mapping[str, Metric], only: Sequence[str] | None = None) -> str:
    """Makes the table of measures: names, values, intervals and numbers of cases.

    Args:
        metrics: Measures by name.
        only: Names of those to show, in this order; None: all.
    """
    names = list(metrics) if only is None else [name for name in only if name in metrics]
    if not names:
        return _line("Nothing was tested.")
    rows = [_metric_cells(name, metrics[name]) for name in names]
    return _table(["measure", "name", "value", "95% interval", "cases"], rows, numbers=(2, 3, 4))


def metrics_page(metrics: Mapping[str, Metric]) -> str:
    """Shows all measures of a test."""
    return _page(metrics_html(metrics))


def _metric_cells(name: str, metric: Metric) -> list[str]:
    value = "not defined" if metric.value is None else number_text(metric.value)
    ends = "" if metric.low is None or metric.high is None else f"{metric.low:.3f} to {metric.high:.3f}"
    return [html.escape(metric.title), f"<code>{html.escape(name)}</code>", value, ends, str(metric.n)]


def _report(found: Result) -> str:
    return "" if found.report is None else f"<p>report: <code>{html.escape(str(found.report))}</code></p>"


def _table(
    headings: Iterable[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), wide: Sequence[int] = ()
) -> str:
    """A table; cells are HTML, headings text. Columns of numbers stand to the right, wide ones hold long text."""
    looks = {**dict.fromkeys(numbers, " class='number'"), **dict.fromkeys(wide, " class='wide'")}

    def line(tag: str, cells: Iterable[str]) -> str:
        return "".join(f"<{tag}{looks.get(place, '')}>{cell}</{tag}>" for place, cell in enumerate(cells))

    head = line("th", map(html.escape, headings))
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"


def _line(text: str, look: str = "") -> str:
    return f"<p class='{look}'>{html.escape(text)}</p>" if look else f"<p>{html.escape(text)}</p>"


def _page(*parts: str) -> str:
    return f"{STYLE}<div class='medtl'>{''.join(parts)}</div>"
