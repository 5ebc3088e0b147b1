"""Synthetic characters, made from fonts and strokes."""
