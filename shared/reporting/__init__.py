"""Reports, model cards and figures of a run."""
