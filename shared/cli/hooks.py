"""Hooks: how an application adds options of its own to a command that all applications share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., None])


def adds_options_of(hook: Callable[..., Any]) -> Callable[[AnyCommand], AnyCommand]:
    """Makes a decorator that gives a command the options of a hook, in addition to its own.

    Args:
        hook: A function whose keyword-only parameters are annotated as typer's options. The command takes them as
            `**extra`, which it hands to the hook.

    Returns:
        The decorator; it changes the signature that typer reads, and returns the same command.
    """
    added = [one for one in inspect.signature(hook).parameters.values() if one.kind is one.KEYWORD_ONLY]

    def extended(command: AnyCommand) -> AnyCommand:
        own = [one for one in inspect.signature(command).parameters.values() if one.kind is not one.VAR_KEYWORD]
        parameters = [*own, *added]
        # typer reads both
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        return command

    return extended


def no_options() -> Mapping[str, Any]:
    """Returns an empty mapping: the default hook of `explain`, for an application that has no options of its own."""
    return {}
