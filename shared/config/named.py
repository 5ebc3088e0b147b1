"""Configurations that come with an application, addressed by name. Nothing heavy is imported here."""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from shared.errors import ConfigError

FOLDER = "configs"
"""In a wheel the folder in an application's package; in a checkout the one beside the packages, with a subfolder for
each application."""
ENGINE = "shared"
"""The package whose configurations an application has that brings none of its own, such as a task of a few lines."""
ENDS = (".yaml", ".yml")
Kind = Literal["configuration", "comparison"]
"""What a file is for: one training, or `compare`."""
OTHER: dict[Kind, Kind] = {"configuration": "comparison", "comparison": "configuration"}
COMMANDS: dict[Kind, str] = {"configuration": "train", "comparison": "compare"}
COMPARISON_PREFIX = "compare"
"""Begins the name of every comparison that comes with an application."""


def package_folder(application: str) -> Path | None:
    """Finds the folder of an application's package, without importing it.

    Args:
        application: Name of the application.

    Returns:
        The folder; None where there is no package of that name.
    """
    spec = find_spec(application) if application.isidentifier() else None
    places = None if spec is None else spec.submodule_search_locations
    return Path(next(iter(places))) if places else None


def list_configs(application: str, kind: Kind = "configuration") -> dict[str, Path]:
    """Lists the configurations that come with an application.

    Args:
        application: Name of the application.
        kind: Those of one training, or comparisons.

    Returns:
        Their files by name, sorted; the name is the file's without `.yaml`. Those of the engine where none comes with
        it.
    """
    folder = _folder(application)
    files = sorted(folder.glob("*.yaml")) if folder is not None else []
    return {path.stem: path for path in files if _kind(path.stem) == kind}


def find_config(named: str | Path, application: str | None, kind: Kind = "configuration") -> Path:
    """Finds the file of a configuration that is given by its path, or by its name where it comes with an application.

    Args:
        named: Path or name; a file that exists wins.
        application: Name of the application; None: only paths are known.
        kind: What the file is for.

    Returns:
        The file. A path that does not exist is refused here, and not returned.

    Raises:
        ConfigError: There is neither such a file nor such a name; the message lists the near names and all.
    """
    path, name = Path(named), str(named)
    known = list_configs(application, kind) if application else {}
    if name in known and not path.is_file():
        return known[name]
    if path.exists():
        return path
    if path.suffix in ENDS or len(path.parts) > 1:
        hint = f"; did you mean {path.stem}, which comes with {application}?" if path.stem in known else ""
        raise ConfigError(f"{name}: cannot be read (No such file or directory){hint}")
    if application and name in list_configs(application, OTHER[kind]):
        other = OTHER[kind]
        raise ConfigError(f"{name} is a {other}, not a {kind}; use it with `{application} {COMMANDS[other]} {name}`")
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f" did you mean {' or '.join(near)}?" if near else ""
    those = f" {application} has {', '.join(known)};" if known else ""
    raise ConfigError(f"unknown {kind} {name!r};{hint}{those} or give the path of a YAML file")


def first_sentence(path: Path) -> str:
    """Reads what a configuration is for: the first sentence of the comment that opens its file.

    Args:
        path: The file.

    Returns:
        The sentence without its full stop; empty where the file does not open with a comment.
    """
    comment = list[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        comment.append(line.removeprefix("# ").strip())
    return " ".join(comment).partition(". ")[0].removesuffix(".")


def _folder(application: str) -> Path | None:
    """The folder of an application's configurations: its own, else the engine's."""
    return _folder_of(application) or _folder_of(ENGINE)


def _folder_of(package: str) -> Path | None:
    place = package_folder(package)
    folders = [] if place is None else [place / FOLDER, place.parent / FOLDER / package]
    return next((folder for folder in folders if folder.is_dir()), None)


def _kind(name: str) -> Kind:
    return "comparison" if name.startswith(COMPARISON_PREFIX) else "configuration"
