"""Synthetic heads, made by a program."""
