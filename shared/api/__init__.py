"""The library's front door: an application's functions for notebooks, on which the command line stands too."""

from shared.api.application import Application

__all__ = ["Application"]
