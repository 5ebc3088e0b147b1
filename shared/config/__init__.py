"""Typed, strict configuration: what can be asked for, how it is read, how it is described.

Below `shared.pipeline` nobody sees a `Config`: what lies there takes plain arguments, or one of the small sections.
"""
