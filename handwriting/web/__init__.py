"""The pages of `handwriting serve`."""
