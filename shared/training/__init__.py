"""Training a network: the job, the loop, objectives, learning rates, freezing and selection."""
