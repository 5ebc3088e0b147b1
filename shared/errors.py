"""Every fault the engine reports on purpose.

One base class carries one clear line: what is wrong, the value received, what is allowed, what to do. Only the
command line turns these into exit codes; a traceback therefore always means a defect of ours.
"""

from __future__ import annotations


class MedtlError(Exception):
    """Base of all faults with a message meant for the person at the keyboard."""


class ConfigError(MedtlError):
    """A configuration file or override does not fit the schema."""


class UsageError(MedtlError):
    """A command was asked for something that cannot be, such as a path where nothing is."""


class UnknownNameError(MedtlError):
    """A name is not in a registry."""


class DataError(MedtlError):
    """A dataset cannot be read, or its layout is not recognised."""


class LeakError(DataError):
    """The same picture or person stands on both sides of a split."""


class InputRefused(MedtlError):
    """One input of `predict` cannot or must not be judged; the message is the reason shown to the user."""


class WeightsError(MedtlError):
    """Weights are missing, damaged, or do not fit the network they were asked for."""


class RunError(MedtlError):
    """A run folder is missing, unfinished, or was changed after it was written."""


class ExportError(MedtlError):
    """The exported network does not agree with the trained one."""
