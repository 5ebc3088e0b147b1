"""Searches, guided by coverage, for bytes on which a reader fails.

`python -m tests.fuzz.search READER CORPUS SECONDS OUT` needs atheris. Faults are written to the folder OUT, and the
exit status is then not 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["shared", "medtl", "nibabel", "PIL", "yaml", "csv", "json"]):
    from shared.errors import MedtlError
    from tests.fuzz.readers import readers


def main() -> None:
    """Searches until the time is over, or a fault is found."""
    name, corpus, seconds, out = sys.argv[1:]
    reader = readers([path.read_bytes() for path in sorted(Path(corpus).iterdir())] if name == "record" else [])[name]

    def one(data: bytes) -> None:
        try:
            reader.read(data)
        except MedtlError:
            return

    words = Path(out) / "words"
    words.write_text("".join(map(_entry, reader.words)), encoding="ascii")
    options = [f"-max_total_time={seconds}", "-max_len=20000", "-timeout=20", "-rss_limit_mb=4096", f"-dict={words}"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={out}/", corpus], one)
    atheris.Fuzz()


def _entry(word: bytes) -> str:
    """A word as a line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word[:60]) + '"\n'


if __name__ == "__main__":
    main()
