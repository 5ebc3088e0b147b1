"""Benchmarks: speed as the ratio of two actions timed in one process, and studies of accuracy on real data."""
