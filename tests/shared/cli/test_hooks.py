"""Options that an application adds to a shared command."""

from typing import Annotated, Any

import typer

from shared.cli.hooks import adds_options_of, no_options
from tests.shared.cli.calling import call


def _loudly(text: str, *, times: Annotated[int, typer.Option(min=1, help="Number of repeats.")] = 1) -> str:
    return text.upper() * times


def _app(hook: Any) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @adds_options_of(hook)
    def say(text: Annotated[str, typer.Argument(help="The text.")], **extra: Any) -> None:
        """Say it."""
        typer.echo(hook(text, **extra) if extra else text)

    return app


def test_the_hook_is_called_with_its_own_options() -> None:
    assert call(_app(_loudly), "a", "--times", 3).stdout == "AAA\n"
    assert call(_app(_loudly), "a").stdout == "A\n"
    assert "Number of repeats." in call(_app(_loudly), "--help").stdout


def test_a_wrong_value_of_a_hook_is_wrong_usage() -> None:
    assert call(_app(_loudly), "a", "--times", 0).exit_code == 2


def test_without_options_of_a_hook_there_are_none() -> None:
    assert call(_app(no_options), "a").stdout == "a\n"
    assert call(_app(no_options), "a", "--times", 3).exit_code == 2
