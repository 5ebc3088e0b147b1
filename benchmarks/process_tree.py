"""What a process and all its descendants hold, read from /proc (Linux): memory, descriptors, threads, computing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Held:
    """What a tree of processes holds at one moment.

    Attributes:
        memory_mib: Resident memory, pages that several share divided among them (Pss), in MiB.
        descriptors: Open file descriptors.
        threads: Threads.
        processes: Processes.
    """

    memory_mib: float
    descriptors: int
    threads: int
    processes: int


def processes(pid: int) -> list[int]:
    """Lists a process and its descendants, which any of its threads may have started."""
    found = [pid]
    with suppress(OSError):
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        found += [one for words in lists for child in words.split() for one in processes(int(child))]
    return found


def held(pid: int) -> Held:
    """Measures what a process and its descendants hold now."""
    tree = processes(pid)
    return Held(
        memory(pid) / 2**20, sum(map(_descriptors, tree)), int(sum(_field(one, "Threads") for one in tree)), len(tree)
    )


def memory(pid: int) -> int:
    """Measures the memory of a process and its descendants in bytes, shared pages divided among them."""
    return sum(map(_shared_fairly, processes(pid)))


def resident(pid: int) -> int:
    """Sums the resident memory of a process and its descendants in bytes; shared pages count twice, as in `peak`."""
    return sum(_field(one, "VmRSS") << 10 for one in processes(pid))


def peak(pid: int) -> int:
    """Sums the peaks of resident memory (VmHWM) of a process and its descendants in bytes; they may differ in time."""
    return sum(_field(one, "VmHWM") << 10 for one in processes(pid))


def reset_peak(pid: int) -> None:
    """Begins the peaks of a process and its descendants anew, at what they hold now. Source: proc(5), clear_refs."""
    for one in processes(pid):
        Path(f"/proc/{one}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """Measures the computing of a process and its descendants in seconds, also of those that have ended."""
    total = 0
    for one in processes(pid):
        with suppress(OSError):
            # user and system time, and those of children that were waited for. Source: proc(5)
            total += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def thirds(samples: list[Held]) -> list[tuple[str, float, float, float]]:
    """Compares the first third of samples with the last: (what, mean of the first, mean of the last, largest)."""
    part = max(1, len(samples) // 3)
    names = ("memory in MiB", "descriptors", "threads", "processes")
    columns = zip(names, zip(*map(astuple, samples), strict=True), strict=True)
    mean: Callable[[tuple[float, ...]], float] = lambda values: sum(values) / len(values)  # noqa: E731
    return [(name, mean(values[:part]), mean(values[-part:]), max(values)) for name, values in columns]


def _shared_fairly(pid: int) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return 0


def _descriptors(pid: int) -> int:
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


def _field(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
