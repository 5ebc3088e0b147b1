"""Reads files within bounds, and writes them whole or not at all."""
