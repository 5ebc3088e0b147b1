"""The command `listen`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.arguments import ServedModelOption
from shared.cli.help import Topic, examples
from shared.cli.judge import open_predictor
from shared.cli.support import reported
from shared.errors import UsageError

if TYPE_CHECKING:
    from medtl.node.listener import ListenerSettings
    from shared.task import Task

NEEDED = ("pynetdicom", "highdicom")


def add(app: typer.Typer, task: "Task") -> None:
    """Adds the command `listen` to the command line of an application.

    Args:
        app: The command line; it is changed in place.
        task: The application.
    """

    @app.command(
        rich_help_panel=Topic.SERVE,
        epilog=examples(
            task,
            "listen --model pilot --port 11112",
            "listen --model pilot --forward ARCHIVE@10.0.0.5:4242 --keep-days 7",
        ),
    )
    def listen(
        port: Annotated[int, typer.Option(help="TCP port.")] = 11112,
        host: Annotated[
            str, typer.Option(help="Address to listen on; 0.0.0.0 is every network of this machine.")
        ] = "127.0.0.1",
        ae_title: Annotated[str, typer.Option(help="AE title of this node, for senders and for --forward.")] = "MEDTL",
        forward: Annotated[
            str | None,
            typer.Option(metavar="AE@HOST:PORT", help="Node to send results to; without it, they stay in the spool."),
        ] = None,
        spool: Annotated[Path, typer.Option(help="Folder for received instances and for results.")] = Path("spool"),
        series_timeout: Annotated[
            float, typer.Option(help="Seconds without a new instance after which a series is complete.")
        ] = 10.0,
        keep_days: Annotated[
            float | None,
            typer.Option(
                help="Days after forwarding until instances and results are deleted (1 without it); needs --forward."
            ),
        ] = None,
        model: ServedModelOption = None,
    ) -> None:
        """Run a DICOM node that classifies series.

        Series are received by C-STORE (and C-ECHO is answered), classified when they are complete, and the results sent
        on. It ends on SIGTERM or Ctrl-C; what is unfinished then goes on at the next start.
        """
        with reported():
            if lacking := [name for name in NEEDED if find_spec(name) is None]:
                raise UsageError(f"`listen` needs {' and '.join(lacking)}; install with: pip install 'medtl[listen]'")
            from medtl.node.listener import ListenerSettings

            settings = ListenerSettings.checked(port, host, ae_title, forward, series_timeout, keep_days)
            _listen(task, model, settings, spool)


def _listen(task: "Task", model: Path | None, settings: "ListenerSettings", spool: Path) -> None:
    """Listens until the process is stopped."""
    from medtl.node.judge import SeriesJudge
    from medtl.node.listener import listen
    from medtl.node.spool import Spool

    # results go on to archives, with nobody between: a person must have chosen the model that comes with the package
    predictor, lines = open_predictor(task, model, explicit=True, released=False)
    for line in lines:
        typer.echo(line)
    judge = SeriesJudge(predictor.run.resolve(), predictor.chosen_among)
    with closing(Spool(spool)) as opened:
        listen(opened, judge, settings, lambda: typer.echo(f"listening: {settings}, spool {spool}"))
