"""Adaptation to an unlabelled target: what a training may see of it, and the criteria that choose among runs."""
