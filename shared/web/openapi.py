"""Prepares the OpenAPI description for a page of ours: the usual pages load scripts from other hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def list_operations(openapi: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lists the operations of an OpenAPI document.

    Args:
        openapi: The document as plain data.

    Returns:
        For each operation its `method` in capitals, `path`, `words` (description), `takes` (content types, joined by
        commas), `parameters` (each with `name` and `kind`) and `responses` (pairs of status and description).
    """
    return [
        {
            "method": method.upper(),
            "path": path,
            "words": operation.get("description") or operation.get("summary", ""),
            "takes": ", ".join(operation.get("requestBody", {}).get("content", {})),
            "parameters": [_parameter(one) for one in operation.get("parameters", ())],
            "responses": [(status, one.get("description", "")) for status, one in operation["responses"].items()],
        }
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]


def form_of_files(fewest: int, most: int | None = None, **fields: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the `openapi_extra` of a route that takes a form with files and reads its body itself.

    Args:
        fewest: Smallest number of files.
        most: Largest number of files; None: not stated.
        fields: By name, the JSON schemas of the other fields, all of which are required.

    Returns:
        A mapping with the key `requestBody`: a multipart form whose part `files` holds the files.
    """
    files = {"type": "array", "minItems": fewest, "items": {"type": "string", "format": "binary"}}
    if most is not None:
        files["maxItems"] = most
    schema = {"type": "object", "required": [*fields, "files"], "properties": {**fields, "files": files}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _parameter(stated: Mapping[str, Any]) -> dict[str, str]:
    schema = stated.get("schema", {})
    bounds = [f"{word} {schema[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return {"name": stated["name"], "kind": " ".join([str(schema.get("type", "")), *bounds])}
