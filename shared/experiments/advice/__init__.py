"""Advice on where to begin: backbone, strategy, layer and rates, chosen by measurements on the user's data."""
