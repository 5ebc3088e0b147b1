"""What `import medtl` and `import handwriting` bring: every public name, and nothing heavy."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

PACKAGES = ["medtl", "handwriting", "shared"]
COMMANDS = {"adapt", "advise", "audit", "backbones", "compare", "crossval", "ensemble", "explain", "models", "predict"}


def test_importing_them_loads_nothing_heavy() -> None:
    code = (
        "import sys, medtl, handwriting, shared\n"
        "names = dir(medtl), dir(handwriting), dir(shared), medtl.__version__, medtl.train, medtl.MedtlError\n"
        "heavy = {'torch', 'monai', 'numpy', 'pydicom', 'onnxruntime', 'pydantic', 'yaml', 'rich', 'typer'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_no_module_hides_it(package: str) -> None:
    module = importlib.import_module(package)
    modules = {one.name for one in pkgutil.iter_modules(module.__path__)}
    assert not modules & set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name == "__version__" or getattr(module, name).__doc__
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'tarin'"):
        _ = module.tarin


def test_a_part_without_its_extra_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import shared

    monkeypatch.delitem(sys.modules, "shared.api.parts", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(shared.MedtlError, match=r"`shared.fit` needs torch, of the extra train; .*'\.\[train\]'"):
        _ = shared.fit


def test_both_applications_have_the_same_functions() -> None:
    import handwriting
    import medtl

    assert set(medtl.__all__) - set(handwriting.__all__) == {"fetched", "listen", "run_demo", "write_phantom"}
    assert set(handwriting.__all__) - set(medtl.__all__) == {"download", "read_pages"}
    assert set(medtl.__all__) >= COMMANDS


def test_errors_are_of_one_family() -> None:
    import medtl

    errors = [getattr(medtl, name) for name in medtl.__all__ if name.endswith(("Error", "Refused"))]
    assert len(errors) > 8
    assert all(issubclass(error, medtl.MedtlError) for error in errors)
    defined = {one.__name__ for one in medtl.MedtlError.__subclasses__() if one.__module__ == "shared.errors"}
    assert defined <= set(medtl.__all__)
