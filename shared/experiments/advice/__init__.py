"""Which backbone, strategy and layer to begin with, measured on the data."""
