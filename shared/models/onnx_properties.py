"""What `model.onnx` says of itself to programs that have nothing else of the run: its `metadata_props`.

Prediction does not read them: `model.json` is the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from shared.io.atomic import write_bytes
from shared.runs.record import ModelRecord


def write_properties(network: Path, record: ModelRecord, name: str, licences: Sequence[str]) -> None:
    """Writes the properties into an ONNX file; its graph and its weights stay as they are.

    The exporter's notes at each node are left out: they name folders of the machine that made the file.

    Args:
        network: The ONNX file; it is replaced. Weights that it takes from another file stay there.
        record: Record of the model.
        name: Name of the run, or of the released model.
        licences: Licences, a line each.
    """
    model = onnx.load(network, load_external_data=False)
    for graph in (model.graph, *model.functions):
        for part in _parts(graph):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
    onnx.helper.set_model_props(model, properties(record, name, licences))
    write_bytes(network, model.SerializeToString())


def _parts(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[Any]:
    """Yields all of a graph that may hold notes, with the graphs within its nodes."""
    yield graph
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _parts(inner) if inner.node else ()
    yield from graph.value_info
    if isinstance(graph, onnx.GraphProto):
        yield from (*graph.input, *graph.output, *graph.initializer)


def properties(record: ModelRecord, name: str, licences: Sequence[str]) -> dict[str, str]:
    """Lists the properties of a model, lists and mappings as JSON.

    Args:
        record: Record of the model.
        name: Name of the run, or of the released model.
        licences: Licences, a line each.
    """
    return {
        "task": record.task,
        "run": name,
        "classes": json.dumps(record.classes, ensure_ascii=False),
        "positive": json.dumps(record.positive),
        "preprocessing": json.dumps(asdict(record.preprocessing), ensure_ascii=False),
        "threshold": repr(record.image_threshold),
        "licence": "\n".join(licences),
    }
