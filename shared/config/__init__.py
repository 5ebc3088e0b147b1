"""Typed, strict configuration: its keys, how it is read, and how it is described.

Below `shared.pipeline` nothing takes a whole `Config`: functions there take plain arguments, or one of its sections.
"""
