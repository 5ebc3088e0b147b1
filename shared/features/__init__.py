"""Features of frozen networks: extraction, cache, linear classifiers on them."""
