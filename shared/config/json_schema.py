"""The schema of configuration files as JSON Schema, with which editors complete keys and mark faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.config.files import BASE
from shared.config.schema import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/{model}"
NAME = {
    "type": "string",
    "description": "name of a configuration that comes with the application, or the path of a file; its keys hold "
    "where this file does not set them",
}
"""The key `base`, which is read before the model of a configuration is built."""


def config_schema(strategies: Mapping[str, type[BaseModel]], decision: type[BaseModel]) -> dict[str, Any]:
    """Builds the schema of a configuration file.

    Args:
        strategies: The options of each strategy, by its name.
        decision: The section `decision` of the application.

    Returns:
        A JSON Schema as plain data.
    """
    places, definitions = _definitions(Config, decision, *strategies.values())
    return {"$schema": DIALECT, **_config(places, definitions, strategies, decision), "$defs": definitions}


def comparison_schema(
    comparison: type[BaseModel], strategies: Mapping[str, type[BaseModel]], decision: type[BaseModel]
) -> dict[str, Any]:
    """Builds the schema of the file of a comparison.

    Args:
        comparison: The keys of the file; `base` is a configuration, or the name of one.
        strategies: The options of each strategy, by its name.
        decision: The section `decision` of the application.

    Returns:
        A JSON Schema as plain data.
    """
    places, definitions = _definitions(comparison, Config, decision, *strategies.values())
    own = definitions.pop(places[comparison])
    base = {"anyOf": [NAME, _config(places, definitions, strategies, decision)]}
    keys = {**own["properties"], BASE: {**base, "description": own["properties"][BASE]["description"]}}
    return {"$schema": DIALECT, **own, "properties": keys, "$defs": definitions}


def _definitions(*models: type[BaseModel]) -> tuple[dict[Any, str], dict[str, Any]]:
    """The name of each model among the definitions, and these; two models of one name are told apart."""
    found, tree = models_json_schema([(model, "validation") for model in dict.fromkeys(models)], ref_template=REFERENCE)
    names: dict[Any, str] = {model: schema["$ref"].rpartition("/")[2] for (model, _), schema in found.items()}
    return names, tree["$defs"]


def _config(
    places: Mapping[Any, str],
    definitions: dict[str, Any],
    strategies: Mapping[str, type[BaseModel]],
    decision: type[BaseModel],
) -> dict[str, Any]:
    """The schema of a configuration, whose sections `strategy` and `decision` the model leaves open."""
    own = definitions.pop(places[Config])
    keys = own["properties"]
    options = [{"$ref": REFERENCE.format(model=places[model])} for model in strategies.values()]
    known = {"properties": {"name": {"enum": list(strategies)}}}
    open_keys = {
        BASE: NAME,
        "strategy": {"description": keys["strategy"]["description"], **known, "anyOf": options},
        "decision": {"description": keys["decision"]["description"], "$ref": REFERENCE.format(model=places[decision])},
    }
    return {**own, "properties": {**keys, **open_keys}}
