"""What the pages of an application are built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from shared.api.arguments import number_of, real_of
from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.api.run import Run
    from shared.io.tls import TlsFiles
    from shared.web.guard import Access, Guard
    from shared.web.uploads import UploadStore


@dataclass(frozen=True)
class Serving:
    """The run, the access rules and the upload store from which the pages of an application are built.

    Attributes:
        run: Folder of the finished run that answers.
        access: The rules by which requests are admitted.
        store: The store of uploads.
        chosen_among: Number of models among which the run was chosen on its validation.
    """

    run: Path
    access: Access
    store: UploadStore
    chosen_among: int


KEEP_MINUTES = 1, 10_080
"""Least and most minutes that an upload is kept: a week."""
LAST_PORT = 65_535
Pages: TypeAlias = "Callable[[Serving], Guard]"
"""Takes a `Serving`; gives the guarded ASGI application."""


def serve(
    run: Run,
    pages: Pages,
    host: str,
    port: int,
    keep_minutes: float,
    say: Callable[[str], None],
    tls: TlsFiles | None = None,
) -> None:
    """Serves the pages of an application until the process is stopped.

    Args:
        run: The run that answers.
        pages: Builds the pages.
        host: Address to listen on.
        port: TCP port; 0 takes any that is free.
        keep_minutes: Minutes after which an upload is deleted, within `KEEP_MINUTES`.
        say: Called with each line for the person who started it.
        tls: Certificate of the server; None: nothing is encrypted.

    Raises:
        UsageError: The minutes, the store, the address or the port cannot be used.
        RunError: The run is damaged.
    """
    least, most = KEEP_MINUTES
    if not least <= real_of("keep_minutes", keep_minutes) <= most:
        raise UsageError(f"--keep-minutes is {keep_minutes}; give a number from {least} to {most}")
    if number_of("port", port, 0) > LAST_PORT:
        raise UsageError(f"--port is {port}; it is 0 to {LAST_PORT}")
    from shared.web.guard import Access
    from shared.web.serving import run_server
    from shared.web.uploads import UploadStore

    # here only to say at once what is wrong with the run
    for line in (*run.introduction, *run.task.disclaimers):
        say(line)
    serving = Serving(run.folder.resolve(), Access.for_host(host), UploadStore(60 * keep_minutes), run.chosen_among)
    run_server(pages(serving), serving.access, host, port, say, None if tls is None else tls.for_server())
