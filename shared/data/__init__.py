"""Datasets: layouts, divisions, copies and leaks."""
