"""Faults of a call in one line: what is wrong, the value, what is allowed, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from enum import Enum

import click
from click.exceptions import BadOptionUsage, BadParameter, MissingParameter, NoSuchOption

from shared.registry import unknown_name

OVERRIDES = "overrides"
"""Name of the argument of commands that take words KEY=VALUE."""
PLAIN = {
    "is not a valid integer range": "is no whole number",
    "is not a valid integer": "is no whole number",
    "is not a valid float range": "is no number",
    "is not a valid float": "is no number",
    "Got unexpected": "unexpected",
}
"""Words of click with those that a newcomer reads."""
DATA = "data"
"""Name of the argument of commands that take their data so, and few keys."""


def usage_words(error: click.ClickException, words: Sequence[str], group: click.Group) -> str:
    """Writes what is wrong with a call in one line, with where to read on.

    Args:
        error: The fault that click found.
        words: The words of the call, without the name of the program.
        group: The commands.
    """
    context = getattr(error, "ctx", None) or _context(words, group)
    said = _words(error, context, words)
    end = "" if said.endswith("?") else ";"
    return said if context is None else f"{said}{end} see `{context.command_path} --help`"


def _context(words: Sequence[str], group: click.Group) -> click.Context | None:
    """The context of the command that a call names, for errors that click raises without one."""
    command = group.commands.get(words[0]) if words else None
    return None if command is None else click.Context(command, click.Context(group, info_name=group.name), words[0])


def _words(error: click.ClickException, context: click.Context | None, words: Sequence[str]) -> str:
    if context is not None and isinstance(error, NoSuchOption):
        return _unknown_option(error.option_name, context, words)
    if context is not None and isinstance(error, MissingParameter) and error.param is not None:
        return _missing(error.param, context)
    if isinstance(error, BadOptionUsage) and context is not None:
        return f"{_plain(error.message)}: {_help_of(error.option_name, context)}"
    if isinstance(error, BadParameter) and error.param is not None:
        return f"{_name(error.param, context)}: {_wrong_choice(error) or _plain(error.message)}"
    return _plain(error.format_message())


def _unknown_option(option: str, context: click.Context, words: Sequence[str]) -> str:
    """An option that there is not: the key that is meant, or the near options, or all."""
    command = context.command
    known = [name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("--")]
    if {one.name for one in command.params} & {OVERRIDES, DATA} == {OVERRIDES}:
        from shared.config.meant import setting_meant

        setting = setting_meant(option.lstrip("-").replace("-", "_"), _value_of(option, words))
        if setting is not None:
            near = difflib.get_close_matches(option, known, n=1, cutoff=0.8)
            other = f", or did you mean {near[0]}?" if near else ""
            return f"{option} is no option but a key of the configuration; write {setting}{other}"
    return unknown_name("option", option, [*known, "--help"])


def _value_of(option: str, words: Sequence[str]) -> str:
    """The value that a call gives to an option, as a word of its own or behind `=`."""
    for place, word in enumerate(words):
        name, sign, value = word.partition("=")
        if name == option:
            following = words[place + 1] if place + 1 < len(words) else ""
            value = value if sign else following
            return "" if value.startswith("-") else value
    return ""


def _missing(parameter: click.Parameter, context: click.Context) -> str:
    """An argument or option that is not given, and what it is."""
    return f"{_name(parameter, context)} is missing: {_help_of(parameter.opts[0], context)}"


def _name(parameter: click.Parameter, context: click.Context | None) -> str:
    """What a person calls an option or argument."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.make_metavar(context) if context is not None else str(parameter.human_readable_name)


def _help_of(option: str, context: click.Context) -> str:
    """The help of an option or argument, without its last full stop."""
    found = [one for one in context.command.params if option in one.opts]
    text = str(getattr(found[0], "help", "") or "") if found else ""
    return text.removesuffix(".") or "see its help"


def _wrong_choice(error: BadParameter) -> str:
    """What is wrong with the value of a choice: the value, the near one, all; empty where it is none."""
    kind = error.param.type if error.param is not None else None
    if not isinstance(kind, click.Choice):
        return ""
    given, allowed = error.message.partition("'")[2].partition("'")[0], [_value(one) for one in kind.choices]
    near = difflib.get_close_matches(given, allowed, n=1)
    return f"{given!r} is no choice; {f'did you mean {near[0]}? ' if near else ''}allowed: {', '.join(allowed)}"


def _value(choice: object) -> str:
    return str(choice.value) if isinstance(choice, Enum) else str(choice)


def _plain(message: str) -> str:
    """A message of click as the rest of a line: without a capital and a full stop, and in plain words."""
    for theirs, ours in PLAIN.items():
        message = message.replace(theirs, ours)
    return (message[:1].lower() + message[1:]).removesuffix(".")
