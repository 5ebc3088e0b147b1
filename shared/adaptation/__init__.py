"""Adapting to a domain without labels: what may be seen of it, and how a run is chosen."""
