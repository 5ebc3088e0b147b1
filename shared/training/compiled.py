"""The backbone of a training, compiled into CUDA graphs by torch, where that computes the same in clearly less time.

No GPU has run this yet, so nothing is believed: before a phase of training takes the compiled backbone, it is held
against the backbone as it is, on several batches and with changed weights, so that what is replayed is compared too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from shared.models.backbones.module import Backbone
from shared.training.agreement import Forward, disagreement, one_pass
from shared.training.pixels import free_bytes
from shared.training.precision import MARGIN
from shared.training.timings import remembered

STATE = "compiled"
"""Name in `Job.state` of what was taken, a line for each phase; it is not there where compiling was not thought of."""
DEVICES = ("cuda",)
"""Types of devices for which a backbone is compiled."""
WORTH_SECONDS = 120.0
"""Steps of a phase that take less together are not compiled: to compile takes some tens of seconds."""
CHECKS = 4
"""Passes that are compared: the first only prepares the graphs, the second captures them, the others replay them."""
ROUNDS = 5
"""Passes that are timed in either form, in turn."""
ROOM = 2
"""Graphs keep memory for themselves alone: at least one part in so many of what was free must be left."""
NAMES = ("eager", "compiled", "compiling")

log = logging.getLogger(__name__)


class Refused(Exception):
    """The backbone runs as it is; the message says why."""


def compile_forward(forward: Forward) -> Forward:
    """Compiles the forward pass of a backbone, and with it the backward pass, into CUDA graphs for one shape of images.

    Options are those of the mode "reduce-overhead"; and random numbers are drawn as the backbone draws them, or dropout
    could not be compared.

    Args:
        forward: The bound method.
    """
    options: dict[str, Any] = {"triton.cudagraphs": True, "fallback_random": True}
    made: Forward = torch.compile(forward, dynamic=False, options=options)
    return made


class CompiledBackbone:
    """A backbone in one phase of training; a context manager, which frees what was compiled at its end.

    The first step shows what images the backbone gets. From the second on it runs compiled within `step`, if that was
    found right and faster then, on images of that shape and in the same mode, and unless a part of it is hooked or
    replaced. Outside of `step`, as in evaluation, it runs as it is. Names and places of its weights do not change.

    Attributes:
        said: What was taken, in a line; None where compiling was not thought of.

    Args:
        backbone: The backbone, set to train as it will in the phase.
        steps: Steps that are left of the phase.
        device: Device of the training.
        alone: Whether one process alone trains; of several none compiles.
    """

    def __init__(self, backbone: Backbone, steps: int, device: torch.device, *, alone: bool) -> None:
        self._backbone, self._steps, self._device = backbone, steps, device
        self._eager: Forward = backbone.forward
        self._parts = list(backbone.modules())
        self._compiled: Forward | None = None
        self._first: Tensor | None = None
        self._conditions: tuple[object, ...] | None = None
        # AMD's devices are named cuda too, and were reported to train worse by such graphs (pytorch issue 187715)
        self._open = device.type in DEVICES and alone and torch.version.hip is None
        self._refused: str | None = None
        self.said: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._compiled is not None:
            self._free()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Runs the backbone compiled where that was found right, within a `with` block of one forward pass."""
        if not self._open:
            yield
            return
        if self._first is not None:
            self._settle(self._first)
            self._first = None
        self._backbone.forward = self._forward  # type: ignore[method-assign]
        try:
            yield
        finally:
            del self._backbone.forward

    def _forward(self, images: Tensor) -> dict[str, Tensor]:
        changed = any(map(_changed, self._parts))
        modes = (torch.is_grad_enabled(), torch.is_autocast_enabled(self._device.type), *self._modes())
        conditions = (images.shape, images.dtype, *modes)
        if self._conditions is None:
            self._first, self._conditions = images.contiguous(), conditions
            self._refused = "the strategy hooks or replaces parts of the backbone" if changed else None
        if self._compiled is None or changed or conditions != self._conditions:
            return self._eager(images)
        try:
            outputs = self._compiled(images.contiguous())
        except Exception as error:  # as where memory has become scarce; what is wrong with the images is raised again
            log.warning("the compiled backbone failed (%s); training goes on without it", type(error).__name__)
            self.said, self._open = f"{self.said}; it failed later ({type(error).__name__}), then eager", False
            self._free()
            return self._eager(images)
        # copies: what a graph returned is overwritten when it is replayed
        return {name: one.clone() for name, one in outputs.items()}

    def _modes(self) -> list[bool]:
        """Whether each part is in training mode."""
        return [part.training for part in self._parts]

    def _settle(self, images: Tensor) -> None:
        """Decides for the phase, on images of its first step; nothing but this object is another afterwards."""
        self._open = False
        try:
            with _as_it_was(self._backbone, self._device):
                seconds = self._tried(images)
        except Refused as reason:
            self.said = f"eager: {reason}"
        except Exception as error:  # the compiler raises many kinds, and training must go on without it
            log.debug("the backbone could not be compiled", exc_info=True)
            self.said = f"eager: the backbone could not be compiled ({type(error).__name__})"
        else:
            self._open = True
            self.said = (
                f"compiled: a pass of the backbone takes {seconds['compiled']:.4f} s in place of "
                f"{seconds['eager']:.4f}, after {seconds['compiling']:.0f} s of compiling"
            )
        if self._compiled is not None and not self._open:
            self._free()
        log.info("%s", self.said)

    def _tried(self, images: Tensor) -> dict[str, float]:
        """Compiles the backbone, compares it and times it, unless that is known to be vain.

        Returns:
            Seconds of a pass, "eager" and "compiled", and of "compiling".

        Raises:
            Refused: The backbone is to run as it is.
        """
        if self._refused is not None:
            raise Refused(self._refused)
        seconds = remembered(STATE, self._facts(images), NAMES, lambda: self._measured(images))
        if seconds["eager"] < MARGIN * seconds["compiled"]:
            raise Refused(f"a pass takes {seconds['eager']:.4f} s, compiled {seconds['compiled']:.4f} s")
        if self._steps * (seconds["eager"] - seconds["compiled"]) < seconds["compiling"]:
            raise Refused(f"{self._steps} steps do not make up for {seconds['compiling']:.0f} s of compiling")
        if self._compiled is None:
            self._compile(images)
        return seconds

    def _measured(self, images: Tensor) -> dict[str, float]:
        """Compiles and compares, then times both forms in turn; the shortest pass counts."""
        eager = min(self._timed(self._eager, images) for _ in range(3))
        if eager * self._steps < WORTH_SECONDS:
            raise Refused(f"{self._steps} steps take {eager * self._steps:.0f} s, too little to compile for")
        found = {"eager": eager, "compiled": float("inf"), "compiling": self._compile(images)}
        assert self._compiled is not None  # `_compile` has made it
        for _ in range(ROUNDS):
            for name, forward in (("eager", self._eager), ("compiled", self._compiled)):
                found[name] = min(found[name], self._timed(forward, images))
        return {name: round(value, 6) for name, value in found.items()}

    def _compile(self, images: Tensor) -> float:
        """Compiles the backbone, compares it with itself as it is, and returns the seconds that the first pass took.

        Raises:
            Refused: It computes something else, or takes too much memory.
        """
        log.info("the backbone is compiled, and compared with itself as it is")
        torch.cuda.empty_cache()
        free = free_bytes(self._device)
        self._compiled, first = compile_forward(self._eager), 0.0
        for number in range(CHECKS):
            other = images.roll(number, 0)  # other images and weights, or a graph of old ones would seem to be right
            begun = time.perf_counter()
            found = one_pass(self._backbone, self._compiled, other, number)
            first = first or time.perf_counter() - begun
            eager = exact = one_pass(self._backbone, self._eager, other, number)
            if torch.is_autocast_enabled(self._device.type):
                with torch.autocast(self._device.type, enabled=False):
                    exact = one_pass(self._backbone, self._eager, other, number)
            fault = disagreement(found, eager, exact)
            if fault is not None:
                raise Refused(f"compiled, its {fault}")
            _move_weights(self._backbone, number)
        torch.cuda.empty_cache()
        if free_bytes(self._device) < free // ROOM:
            raise Refused("compiled, it leaves too little memory")
        return first

    def _timed(self, forward: Forward, images: Tensor) -> float:
        """Seconds by the clock of a forward and backward pass, until the device has done it."""
        torch.clear_autocast_cache()  # as at the begin of a step
        self._wait()
        begun = time.perf_counter()
        weights = [one for one in self._backbone.parameters() if one.requires_grad]
        means = [one.float().mean() for one in forward(images).values() if one.requires_grad]
        if means and weights:
            torch.autograd.grad(means, weights, allow_unused=True)
        self._wait()
        return time.perf_counter() - begun

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _facts(self, images: Tensor) -> list[object]:
        """All that the timing follows from."""
        backbone = self._backbone
        return [
            backbone.record.name,
            backbone.input_size,
            backbone.layers,
            list(images.shape),
            [(name, list(weight.shape), weight.requires_grad) for name, weight in backbone.named_parameters()],
            self._modes(),
            torch.is_autocast_enabled(self._device.type),
            torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else self._device.type,
            [str(torch.__version__), torch.version.cuda],
        ]

    def _free(self) -> None:
        """Drops what was compiled, and the gradients that may lie in the memory of its graphs."""
        self._compiled = None
        self._backbone.zero_grad()
        torch.compiler.reset()


def _changed(part: nn.Module) -> bool:
    """Whether a part of the backbone is hooked or replaced, which a graph would not see."""
    hooked = part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks
    return bool(hooked) or (not isinstance(part, Backbone) and "forward" in vars(part))


@contextmanager
def _as_it_was(backbone: Backbone, device: torch.device) -> Iterator[None]:
    """Gives weights and buffers of a backbone their values back after a `with` block, and the random state."""
    tensors = [one.detach() for one in (*backbone.parameters(), *backbone.buffers())]
    kept = [one.clone() for one in tensors]
    try:
        with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
            yield
    finally:
        for one, was in zip(tensors, kept, strict=True):
            one.copy_(was)
        torch.clear_autocast_cache()  # of weights that are no longer there


@torch.no_grad()
def _move_weights(backbone: Backbone, seed: int) -> None:
    """Changes every weight in its place by about a hundredth, as a step of an optimiser does."""
    drawn = torch.Generator().manual_seed(seed)
    for weight in backbone.parameters():
        weight.add_(0.01 * weight.abs().mean() * torch.randn(weight.shape, generator=drawn).to(weight))
    torch.clear_autocast_cache()
