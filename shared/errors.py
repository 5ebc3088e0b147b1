"""Exceptions for faults that the user can mend.

Each carries one line: what is wrong, the value received, what is allowed, what to do. Only the command line turns them
into exit codes; a traceback therefore always means a defect of the program.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""No space left on the disk, or none of the quota."""
REMEDIES = {
    **dict.fromkeys(FULL, "free space there, or choose another place"),
    errno.EFBIG: "choose a disk that takes larger files",
    errno.EIO: "check the disk, or choose another place",
    errno.EMFILE: "allow more open files (ulimit -n), or close other programs",
    errno.ENFILE: "close other programs",
}
"""Faults of the machine that no other argument mends, with what to do."""
IN_THE_WAY = {
    errno.EEXIST: "a file has that name where a folder is needed; choose another name",
    errno.ENOTDIR: "a file has that name where a folder is needed; choose another name",
    errno.EISDIR: "a folder has that name where a file is needed; choose another name",
}
ELSEWHERE = "choose a place that can be written"
RUST_FAULT = re.compile(r"\(os error ([0-9]+)\)")
"""How libraries in Rust (safetensors) say which fault the system reported."""


class MedtlError(Exception):
    """Base of all exceptions whose message is meant for the user."""


class ConfigError(MedtlError):
    """A configuration has faults, or does not fit the data, the folder or the machine."""


class MeaningError(ConfigError):
    """The data hold folders or labels that are not known, and the configuration does not say what they mean."""


class UsageError(MedtlError):
    """A command was given arguments that it cannot carry out, such as a path that does not exist."""


class UnknownNameError(MedtlError):
    """A name is not in a registry or table."""


class DataError(MedtlError):
    """A dataset cannot be read, is not recognised, or lacks what was asked of it."""


class LeakError(DataError):
    """The same image or person is on both sides of a split."""


class InputRefused(MedtlError):
    """An input of `predict` cannot or must not be classified; the message is the reason."""


class WeightsError(MedtlError):
    """Weights are missing, damaged, or do not fit the network."""


class RunError(MedtlError):
    """A run folder is missing, unfinished, in use, or was changed after it was written."""


class ExportError(MedtlError):
    """The outputs of the exported network differ from those of the trained one."""


def machine_fault(error: BaseException) -> int | None:
    """Finds the fault of the machine (a full disk, too many open files) behind an error.

    torch and safetensors raise errors of their own where the system refused to write.

    Args:
        error: The error; those that it was raised from or during count too.

    Returns:
        The error number, a key of `REMEDIES`; None where there is no such fault.
    """
    for one in _chain(error):
        said = RUST_FAULT.search(str(one))
        number = one.errno if isinstance(one, OSError) else int(said[1]) if said else None
        if number in REMEDIES:
            return number
    return None


def system_words(error: OSError) -> str:
    """Describes a refusal of the system in one line: which file, what is wrong, what to do.

    Args:
        error: The error; one without a file name is about the output of the program.
    """
    name = "the output" if error.filename is None else os.fsdecode(error.filename)
    remedy = (REMEDIES | IN_THE_WAY).get(error.errno or 0, ELSEWHERE)
    return f"{name}: {error.strerror or type(error).__name__}; {remedy}"


def cannot_listen(error: OSError, host: str, port: int, option: str = "--port") -> UsageError:
    """Makes the error for a port that cannot be listened on: which, why, what to do.

    Args:
        error: The refusal of the system.
        host: The address that was asked for.
        port: The TCP port.
        option: Name of the option that the port was given with.
    """
    if error.errno == errno.EADDRINUSE:
        why = f"port {port} of {host} is in use by another program; end that, or choose another {option}"
    elif error.errno in (errno.EACCES, errno.EPERM):
        why = f"port {port} needs the rights of an administrator; choose a {option} from 1024 on"
    else:
        # Python adds the address to what the system says; numbers of look-ups are below 0
        said = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror
        why = f"cannot listen on {host} ({said}); --host takes an address of this machine, such as 127.0.0.1"
    return UsageError(why)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
