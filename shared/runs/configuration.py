"""`config.yaml` of a run: its configuration; of a mean of runs, what was averaged and the configurations of these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from shared.config.describe import to_yaml, without_folders
from shared.config.files import read_yaml
from shared.config.read import load_config, validate
from shared.config.schema import Config
from shared.errors import RunError
from shared.io.atomic import COPY_AGAIN

MEMBERS = "members"


def read_configs(run: Path) -> tuple[Config, ...]:
    """Reads the configuration of a run; of a mean of runs, that of each member.

    Args:
        run: The folder of a finished run.

    Returns:
        At least one configuration. Those of a mean name the same data, perhaps by other paths.

    Raises:
        RunError: The file is damaged.
        ConfigError: The file is missing, or its configuration has faults.
    """
    path = run / "config.yaml"
    tree = read_yaml(path)
    if MEMBERS not in tree:
        return (load_config(path, []),)
    return tuple(validate(Config, member["config"], origin=str(path)) for member in _members(path, tree))


def text_without_folders(run: Path) -> str:
    """Writes what `config.yaml` of a run holds as YAML that may be passed on: paths are cut to their last part.

    Args:
        run: The folder of a finished run.

    Raises:
        RunError: The file is damaged.
        ConfigError: The file is missing, or its configuration has faults.
    """
    tree, configs = read_yaml(run / "config.yaml"), [without_folders(config) for config in read_configs(run)]
    if MEMBERS not in tree:
        return to_yaml(configs[0])
    members = [
        {**member, "config": config.model_dump(mode="json")}
        for member, config in zip(_members(run / "config.yaml", tree), configs, strict=True)
    ]
    return to_text({**tree, MEMBERS: members})


def to_text(tree: Mapping[str, Any]) -> str:
    """Writes what stands in the place of a configuration of a mean of runs as YAML.

    Args:
        tree: `average`, what was averaged, and `members`: of each `run`, its name, `weights_hash` and `config`.
    """
    return yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True)


def _members(path: Path, tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = tree[MEMBERS]
    if not isinstance(found, list) or not found or any("config" not in one for one in found):
        raise RunError(f"{path} does not list the members of a mean with their configurations; {COPY_AGAIN}")
    return found
