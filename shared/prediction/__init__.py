"""Answers for new inputs, without torch."""
