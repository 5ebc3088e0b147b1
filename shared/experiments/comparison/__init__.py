"""Backbones, strategies, label budgets and seeds side by side."""
