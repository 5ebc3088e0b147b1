"""Datasets: layouts, loading, copies and leaks, splits."""
