"""A device that is none: its tensors compute on the CPU, and refuse to meet tensors that lie there.

It stands in for a GPU, to show where tensors are placed. Its registration holds for the whole process.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "standin"
CARRIERS = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)
"""Operators that carry values from one device to another."""
FACTORIES = {
    "empty.memory_format": torch.ops.aten.empty.memory_format,
    "empty_strided": torch.ops.aten.empty_strided.default,
}
"""Operators that make a tensor on a device without being given one that lies there."""

WAITING = (
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
    "aten::bincount",
)
"""Operators whose result depends on values, for which a GPU is waited for."""
WAITS: list[str] = []
"""What a GPU would have been waited for, since the list was emptied."""
FREE_BYTES = 1 << 30
KEPT: list[torch.library.Library] = []
"""What was registered, which holds as long as these objects live."""


class _Module:
    """What torch asks of a module of a device, `torch.standin`."""

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        return FREE_BYTES, FREE_BYTES

    def current_device(self) -> int:
        return 0

    def manual_seed_all(self, seed: int) -> None: ...

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None: ...

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class Misplaced(RuntimeError):
    """An operator of the device met a tensor of the CPU."""


class Double(Tensor):
    """A tensor on the device, whose values lie in `inner` on the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Double:
        """Makes a tensor on the device with the shape, strides and type of `inner`."""
        made: Double = Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=torch.device(NAME, 0)
        )
        made.inner = inner
        return made

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Double({self.inner})"

    def tolist(self) -> Any:
        """The values, as of any tensor; torch refuses it of subclasses."""
        WAITS.append("tolist")
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(
        cls, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Computes on the CPU, and refuses a tensor of the CPU that is no single number, but for copying it."""
        options = dict(kwargs or {})
        if operator is torch.ops.aten._has_compatible_shallow_copy_type.default:
            return False
        met = [one for one in tree_leaves((args, options)) if isinstance(one, Tensor)]
        strangers = [tuple(one.shape) for one in met if not isinstance(one, Double) and one.ndim]
        if strangers and operator not in CARRIERS:
            raise Misplaced(f"{operator} met a tensor of the CPU, of shape {strangers[0]}")
        indices = [one for one in tree_leaves(args[1:2]) if isinstance(one, Double)] if "index" in str(operator) else []
        if operator.name() in WAITING or any(one.dtype == torch.bool for one in indices):
            WAITS.append(str(operator))
        leaves = "device" in options and torch.device(options["device"]).type == "cpu"
        if "device" in options:
            options["device"] = torch.device("cpu")
        found = operator(*tree_map(_inner, args), **tree_map(_inner, options))
        known = {id(_inner(one)): one for one in met}  # what works in place returns its operand
        if leaves:
            WAITS.append(str(operator))
            return found
        return tree_map(lambda one: _outer(one, known), found)


def register() -> torch.device:
    """Registers the device in this process, and returns it."""
    _setup_privateuseone_for_python_backend(NAME, _Module())
    autocast = torch.library.Library("_", "IMPL")
    autocast.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    library = torch.library.Library("aten", "IMPL")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    for name, operator in FACTORIES.items():
        library.impl(name, partial(_make, operator), "PrivateUse1")
    KEPT.extend((autocast, library))
    return torch.device(NAME, 0)


def _make(operator: Any, *args: Any, **options: Any) -> Double:
    return Double(operator(*args, **{**options, "device": torch.device("cpu"), "pin_memory": False}))


def _copy_from(source: Tensor, target: Double, non_blocking: bool = False) -> Double:
    target.inner.copy_(_inner(source))
    return target


def _inner(one: Any) -> Any:
    return one.inner if isinstance(one, Double) else one


def _outer(one: Any, known: Mapping[int, Tensor]) -> Any:
    if not isinstance(one, Tensor):
        return one
    return known[id(one)] if id(one) in known else Double(one)
