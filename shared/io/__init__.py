"""Bytes in and out of files: bounded, and written whole or not at all."""
