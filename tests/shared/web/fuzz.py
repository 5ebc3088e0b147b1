"""Schemathesis against a served application, half of the time with the name of a real upload in its addresses.

`python -m tests.shared.web.fuzz APPLICATION RUN FILE... [--seconds 300]` serves RUN, uploads FILEs, and ends with 1
where a request was answered by a server error or by what the OpenAPI description does not state. Random names find no
upload: without a real one, nearly all routes of items end at 404.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.shared.web.browsing import served

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
JUDGED_S = 30.0
ANSWERED_S = 120
"""An explanation on a busy machine."""
SEEDED = """
[parameters]
"path.name" = "{name}"
"path.index" = 0
"path.number" = 1

[[operations]]
include-name = "DELETE /api/uploads/{{name}}"
parameters = {{ "path.name" = "nobody" }}
"""
"""schemathesis.toml: the first slice of the first item, of an upload that is there for all operations but the one that
would delete it for the others. One value each: Schemathesis writes a list into the address as it stands."""


def main() -> int:
    """Parses the command line; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("application", choices=("medtl", "handwriting"))
    parser.add_argument("run", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--seconds", type=int, default=300)
    given = parser.parse_args()
    run, files = given.run.resolve(), [path.resolve() for path in given.files]
    return max(fuzz(given.application, run, files, given.seconds // 2, seeded=seeded) for seeded in (True, False))


def fuzz(application: str, run: Path, files: list[Path], seconds: int, *, seeded: bool) -> int:
    """Serves a run, fuzzes it for so long, and gives Schemathesis's exit code."""
    token = os.environ["MEDTL_TOKEN"] = secrets.token_urlsafe()
    with ExitStack() as stack:
        address = stack.enter_context(served(application, run)).rstrip("/")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        headers = {"authorization": f"Bearer {token}"}
        if seeded:
            (folder / "schemathesis.toml").write_text(SEEDED.format(name=_upload(address, headers, files)))
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{address}/openapi.json"]
        command += ["-H", f"Authorization: Bearer {token}", "--checks", CHECKS, "--max-time", str(seconds)]
        command += ["--phases", "coverage,fuzzing,stateful", "--continue-on-failure", "--warnings", "off"]
        command += ["--request-timeout", str(ANSWERED_S)]
        return subprocess.run([*command, "--no-color"], cwd=folder, check=False).returncode


def _upload(address: str, headers: dict[str, str], files: list[Path]) -> str:
    """The name of an upload that has been judged."""
    parts = [("files", (path.name, path.read_bytes())) for path in files]
    sent = httpx.post(f"{address}/api/uploads", files=parts, headers=headers)
    name: str = sent.raise_for_status().json()["id"]
    wait = {"params": {"wait": JUDGED_S}, "headers": headers, "timeout": 2 * JUDGED_S}
    while (status := httpx.get(f"{address}/api/uploads/{name}", **wait).json())["state"] != "done":  # type: ignore[arg-type]
        if status["state"] == "failed":
            raise SystemExit(f"the upload was not judged: {json.dumps(status)}")
    return name


if __name__ == "__main__":
    raise SystemExit(main())
