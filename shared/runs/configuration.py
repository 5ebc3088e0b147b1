"""`config.yaml` of a run: its configuration; of a mean of runs, what was averaged and the configurations of these."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.config.describe import to_yaml, without_folders
from shared.config.files import read_yaml
from shared.config.paths import PATHS, RUN_CONFIG, paths_in, read_paths, with_paths
from shared.config.read import load_config, validate
from shared.config.schema import Config
from shared.errors import RunError
from shared.io.atomic import COPY_AGAIN, write_text, writing

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
    path = run / RUN_CONFIG
    tree = with_paths(read_yaml(path), read_paths(run))
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
    tree, configs = read_yaml(run / RUN_CONFIG), [without_folders(config) for config in read_configs(run)]
    if MEMBERS not in tree:
        return to_yaml(configs[0])
    members = [
        {**member, "config": config.model_dump(mode="json")}
        for member, config in zip(_members(run / RUN_CONFIG, tree), configs, strict=True)
    ]
    return to_text({**tree, MEMBERS: members})


@dataclass(frozen=True)
class Written:
    """The configuration of a run as it is written.

    Attributes:
        whole: Its plain data with whole paths.
        cut: The same with the last parts of paths alone, which may be passed on.
    """

    whole: Mapping[str, Any]
    cut: Mapping[str, Any]

    @classmethod
    def of(cls, config: Config) -> Written:
        """Makes it of the configuration of one training."""
        return cls(config.model_dump(mode="json"), without_folders(config).model_dump(mode="json"))

    def write(self, folder: Path) -> None:
        """Writes `config.yaml` without folders, and before it `paths.json`, which the user alone can read.

        Args:
            folder: The run folder.

        Raises:
            OSError: The system refused to write.
        """
        paths = paths_in(self.whole, self.cut)
        if paths is not None:
            with writing(folder / PATHS, private=True) as partial:
                partial.write_text(json.dumps(paths, indent=2), encoding="utf-8")
        write_text(folder / RUN_CONFIG, to_text(self.cut))

    def is_in(self, folder: Path) -> bool:
        """Tells whether a folder that has a `config.yaml` holds this configuration.

        Where `paths.json` is missing, paths are the same whose last parts are.

        Args:
            folder: The run folder.
        """
        text = (folder / RUN_CONFIG).read_text(encoding="utf-8")
        paths = read_paths(folder)
        return text == to_text(self.cut) and paths in (None, paths_in(self.whole, self.cut))


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
