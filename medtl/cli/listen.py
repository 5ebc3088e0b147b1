"""The command `listen`.

Annotations are evaluated here at once, not kept as strings: typer reads those of the inner function.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.arguments import ServedModelOption, finite
from shared.cli.help import Topic, examples
from shared.cli.support import reported

if TYPE_CHECKING:
    from shared.task import Task


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
            float,
            typer.Option(
                metavar="SECONDS",
                callback=finite,
                help="Seconds without a new instance after which a series is complete.",
            ),
        ] = 10.0,
        keep_days: Annotated[
            float | None,
            typer.Option(
                metavar="DAYS",
                callback=finite,
                help="Days after forwarding until instances and results are deleted (1 without it); needs --forward.",
            ),
        ] = None,
        tls_certificate: Annotated[
            Path | None,
            typer.Option(metavar="PEM", help="Certificate of this node: its ports and --forward then speak TLS."),
        ] = None,
        tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Private key of --tls-certificate.")] = None,
        tls_authority: Annotated[
            Path | None,
            typer.Option(metavar="PEM", help="Certificates that those of senders and of --forward are signed by."),
        ] = None,
        check_called_title: Annotated[
            bool, typer.Option("--check-called-title", help="Reject senders that call another title than --ae-title.")
        ] = False,
        dicomweb: Annotated[
            int | None,
            typer.Option(
                metavar="PORT",
                help="TCP port for DICOMweb: images come in by STOW-RS too, results are found by QIDO-RS and WADO-RS.",
            ),
        ] = None,
        model: ServedModelOption = None,
    ) -> None:
        """Run a DICOM node that classifies series.

        Series are received by C-STORE (and C-ECHO is answered), classified when they are complete, and the results sent
        on. It ends on SIGTERM or Ctrl-C; what is unfinished then goes on at the next start.
        """
        with reported():
            from medtl.api import listen as listen_until_stopped

            listen_until_stopped(
                port=port,
                host=host,
                ae_title=ae_title,
                forward=forward,
                spool=spool,
                series_timeout=series_timeout,
                keep_days=keep_days,
                tls_certificate=tls_certificate,
                tls_key=tls_key,
                tls_authority=tls_authority,
                check_called_title=check_called_title,
                dicomweb=dicomweb,
                model=model,
                say=typer.echo,
            )
