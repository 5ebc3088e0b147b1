"""Exceptions for faults that the user can mend.

Each carries one line: what is wrong, the value received, what is allowed, what to do. Only the command line turns them
into exit codes; a traceback therefore always means a defect of the program.
"""

from __future__ import annotations


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
