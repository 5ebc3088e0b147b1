"""A page cut into lines, words and characters, and read."""
