"""The pages of `medtl serve`."""
