"""The parts of the site that are written from the code at each build: a Sphinx extension.

A page asks for a part by a comment on a line of its own, `<!-- generated: commands medtl -->`. Nothing is written to
disk, so that no part can be older than the code. Each part is a function of `PARTS` that returns Markdown.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pydantic import BaseModel
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"^<!-- generated: (\w+)((?: [\w.-]+)*) -->$", re.MULTILINE)
TOPICS = ("Use", "Measure", "Train", "Data", "Serve")
"""Topics of commands, in the order of the help."""
Row = tuple[str, str, str]
"""A key, its default in YAML, its meaning."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension with Sphinx."""
    app.connect("source-read", _fill_source)
    app.connect(
        "env-get-outdated", lambda _app, env, *_: [name for name in env.found_docs if _asks(env.doc2path(name))]
    )
    return {"parallel_read_safe": True}


def _fill_source(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = fill(source[0])


def _asks(path: str | Path) -> bool:
    return MARK.search(Path(path).read_text(encoding="utf-8")) is not None


def fill(text: str) -> str:
    """Puts the generated parts that a page asks for into it.

    Args:
        text: Markdown of the page.

    Raises:
        KeyError: The page asks for a part that there is not.
    """
    return MARK.sub(lambda found: PARTS[found[1]](*found[2].split()), text)


# Commands


def commands(application: str) -> str:
    """Writes every command of an application under its topic: meaning, usage, arguments and options, examples."""
    from typer.main import get_command

    app = get_command(import_module(f"{application}.cli").app)
    context = click.Context(app, info_name=application)
    by_topic: dict[str, list[str]] = {}
    for command, called in _leaves(app, context):
        by_topic.setdefault(_topic(command), []).extend(_command_lines(command, called))
    return "\n".join(f"## {topic}\n\n" + "\n".join(by_topic[topic]) for topic in sorted(by_topic, key=_place))


def _topic(command: click.Command) -> str:
    return str(getattr(command, "rich_help_panel", None) or "Commands")


def _place(topic: str) -> int:
    """Place of a topic in the help."""
    return TOPICS.index(topic) if topic in TOPICS else len(TOPICS)


def _leaves(group: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command under a group, those of groups in it too, in the order of the help."""
    if not isinstance(group, click.Group):
        yield group, context
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield from _leaves(command, click.Context(command, parent=context, info_name=name))


def _command_lines(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"### `{context.command_path}`\n"
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        yield f"{_prose(' '.join(paragraph.split()))}\n"
    yield f"```text\n{' '.join(command.get_usage(context).removeprefix('Usage: ').split())}\n```\n"
    for parameter in command.params:
        yield f"{_parameter_name(parameter, context)}\n: {_parameter_text(parameter, context)}\n"
    if command.epilog:
        yield _epilog(command.epilog)


def _parameter_name(parameter: click.Parameter, context: click.Context) -> str:
    if isinstance(parameter, click.Option):
        names = [*parameter.opts, *parameter.secondary_opts]
        value = "" if parameter.is_flag else f" {parameter.make_metavar(context)}"
        return f"`{', '.join(names)}{value}`"
    return f"`{parameter.make_metavar(context)}`"


def _parameter_text(parameter: click.Parameter, context: click.Context) -> str:
    said = _prose(getattr(parameter, "help", None) or "")
    default = parameter.get_default(context, call=False)
    shown = isinstance(parameter, click.Option) and parameter.show_default and not parameter.is_flag
    return f"{said} Default: `{default}`." if shown and default is not None else said


def _epilog(text: str) -> str:
    """The end of a command's help: lines that call a command as code, the rest as text."""
    lines = [line.strip() for line in text.replace("\b", "").splitlines() if line.strip()]
    calls = [line for line in lines if re.match(r"(\$ )?(medtl|handwriting|make) ", line)]
    said = " ".join(line for line in lines if line not in calls)
    return f"{_prose(said)}\n" + ("\n```\n" + "\n".join(calls) + "\n```\n" if calls else "")


# Keys of a configuration


def keys(section: str) -> str:
    """Writes keys of a configuration: of `run`, `data`, `backbone` or `compare`, or an application's `decision`."""
    return _definitions(_section_rows(section))


def _section_rows(section: str) -> list[Row]:
    from shared.config.describe import describe
    from shared.config.schema import Config
    from shared.experiments.comparison.plan import Comparison

    if section == "compare":
        return list(describe(Comparison))
    if section in ("medtl", "handwriting"):
        from shared.pipeline.preflight import decision_kinds

        return list(describe(decision_kinds(_task(section))[0], "decision."))
    rows = [row for row in describe(Config) if row[0] not in ("strategy", "decision")]
    if section == "run":
        return [row for row in rows if not row[0].startswith(("data.", "backbone."))]
    return [row for row in rows if row[0].startswith(f"{section}.")]


def preprocessing(application: str) -> str:
    """Writes the preprocessing options of an application, `data.options`, with their defaults."""
    return "\n".join(
        f"- `data.options.{name}`: default `{value}`" for name, value in _task(application).default_options.items()
    )


def names(application: str) -> str:
    """Writes the names that options of commands take from a registry, as `options COMMAND` lists them."""
    from typer.main import get_command_name

    from shared.cli.support import names_of

    lines = []
    for command in import_module(f"{application}.cli").app.registered_commands:
        called = command.name or get_command_name(command.callback.__name__)
        for option, look_up in names_of(command.callback).items():
            shown = ", ".join(f"`{name}`" for name in look_up())
            lines.append(f"`{application} {called} --{option.replace('_', '-')}`\n: {shown}\n")
    return "\n".join(lines)


def _definitions(rows: Sequence[Row]) -> str:
    return "\n".join(f"`{key}`\n: {_prose(_sentence(meaning))} {_default(default)}\n" for key, default, meaning in rows)


def _default(text: str) -> str:
    return {"required": "It has no default.", "see the next lines": ""}.get(text, f"Default: `{text}`.")


# Strategies


def strategies() -> str:
    """Writes each strategy: what it does, what it needs, its source, and the keys that it has of its own."""
    from shared.strategies import describe_traits, find_strategy, strategy_names
    from shared.training.options import TrainingOptions

    common = set(_rows_of(TrainingOptions))
    parts = []
    for name in strategy_names():
        strategy = find_strategy(name)
        own = [row for row in _rows_of(strategy.options) if row not in common]
        trained = issubclass(strategy.options, TrainingOptions)
        traits = describe_traits(name)
        parts += [
            f"## `{name}`\n",
            _docstring(import_module(f"shared.strategies.{name}")),
            f"\n{_sentence(f'It {traits}') if traits else ''}\n",
            "It also has all [keys of training](#keys-of-training).\n" if trained else "",
            _definitions(own),
        ]
    return "\n".join(parts)


def training() -> str:
    """Writes the keys that all strategies share that train end to end."""
    from shared.training.options import TrainingOptions

    return _definitions(_rows_of(TrainingOptions))


def _rows_of(options: type[BaseModel]) -> list[Row]:
    from shared.config.describe import describe

    return list(describe(options, "strategy."))


# Backbones, measures, configurations


def backbones() -> str:
    """Writes each backbone: its input, its weights, its licence and source, its stages."""
    from shared.models.backbones.record import BACKBONES

    for application in ("medtl", "handwriting"):
        _task(application).register_backbones()
    return "\n".join(_backbone(BACKBONES.get(name)) for name in BACKBONES)


def _backbone(record: Any) -> str:
    step = f", or another multiple of {record.tokens.side}" if record.tokens else ""
    weights = (
        f"trained on {record.pretrained_on}"
        if record.pretrained_on
        else "none are published; it begins with random ones"
    )
    ways = [
        *(["`backbone.weights=imagenet`"] if record.weights_url and not record.by_hand else []),
        *([f"by hand, for {record.by_hand}"] if record.by_hand else []),
        *(
            [f"`backbone.weights=packaged` ({record.packaged.package}, {record.packaged.licence})"]
            if record.packaged
            else []
        ),
    ]
    return (
        f"`{record.name}`\n"
        f": {record.channels} channel{'s' if record.channels > 1 else ''}, {record.input_size} px{step}. "
        f"Weights: {_prose(weights)}{_prose('; ' + ', '.join(ways) if ways else '')}. "
        f"{_prose(_sentence(record.licence))} {_prose(_sentence(record.source))}\n"
        f"  Stages: {', '.join(f'`{stage}`' for stage in record.stages)}; default layer `{record.default_layer}`.\n"
    )


def measures() -> str:
    """Writes each measure of an evaluation: its key, its name, its meaning and direction."""
    from shared.evaluation.measure import MEASURES

    found = (MEASURES.get(key) for key in MEASURES)
    return "\n".join(
        f"`{one.key}`\n: **{_prose(one.title)}.** {_prose(one.meaning)}"
        f"{f' {one.direction.capitalize()}.' if one.direction else ''}\n"
        for one in found
    )


def configurations(application: str) -> str:
    """Writes each configuration that is shipped: its name, its purpose as its head states it, its text."""
    parts = []
    for path in _configuration_paths(application):
        lines = path.read_text(encoding="utf-8").splitlines()
        head = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
        body = "\n".join(lines[len(head) :])
        parts.append(f"## `{path.stem}`\n\n{_head(head)}\n\n```yaml\n{body}\n```\n")
    return "\n".join(parts)


def _configuration_paths(application: str) -> list[Path]:
    return sorted(path for path in ROOT.glob(f"**/configs/{application}/*.yaml") if ".venv" not in path.parts)


def _head(lines: Sequence[str]) -> str:
    """The comment at the head of a configuration: its sentences, and calls as code."""
    said = [line.removeprefix("#").removeprefix(" ") for line in lines]
    calls = [line.strip() for line in said if line.startswith("  ")]
    text = " ".join(line.strip() for line in said if not line.startswith("  "))
    return _prose(text) + ("\n\n```\n" + "\n".join(calls) + "\n```" if calls else "")


# Python


def functions(module: str) -> str:
    """Writes the public functions of a module, and what each error of it means."""
    public = import_module(module)
    functions = [name for name in public.__all__ if inspect.isroutine(getattr(public, name))]
    errors = [name for name in public.__all__ if inspect.isclass(getattr(public, name))]
    lines = [".. currentmodule:: " + module, "", *(f".. autofunction:: {name}" for name in functions)]
    meanings = [f"`{name}`\n: {_docstring(getattr(public, name)).partition(chr(10))[0]}\n" for name in errors]
    return "\n".join(["```{eval-rst}", *lines, "```", "", *(["### Errors", "", *meanings] if errors else [])])


# Files beside the site


def file(name: str) -> str:
    """Takes over a page of Markdown from the root of the checkout; links to what is no page become text."""
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\[([^\]]*)\]\((?!https?:|#)([^)]*)\)", _link_or_text, text)


def _link_or_text(found: re.Match[str]) -> str:
    page = found[2].partition("#")[0]
    return found[0] if (ROOT / "docs" / page).is_file() else found[1]


# Words


def _task(application: str) -> Any:
    return import_module(f"{application}.task").TASK


def _docstring(of: object) -> str:
    return "\n\n".join(_prose(" ".join(part.split())) for part in re.split(r"\n\s*\n", inspect.getdoc(of) or ""))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text[0].upper()}{text[1:]}."


def _prose(text: str) -> str:
    """Escapes what Markdown would read as markup, outside of code in backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return re.sub(r"([\\*_<>\[\]|`])", r"\\\1", text)
    return "`".join(
        re.sub(r"([\\*_<>\[\]|])", r"\\\1", part) if index % 2 == 0 else part for index, part in enumerate(parts)
    )


PARTS: Mapping[str, Callable[..., str]] = {
    part.__name__: part
    for part in (
        commands,
        keys,
        preprocessing,
        names,
        strategies,
        training,
        backbones,
        measures,
        configurations,
        functions,
        file,
    )
}
"""Every part by the name that pages ask for it with."""
