"""The run folder: its files, and how they are read."""
