"""The documents are run as a reader runs them, so the models that come with the package answer."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.docs.pages import ROOT


@pytest.fixture(autouse=True)
def _without_released_models() -> None:
    """Takes the place of the fixture of that name, which keeps those models out of all other tests."""


@pytest.fixture(scope="session")
def generated() -> ModuleType:
    """The Sphinx extension that writes parts of the site from the code."""
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs" / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
