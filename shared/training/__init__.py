"""Training a network: the job, the loop, rates, freezing and selection."""
