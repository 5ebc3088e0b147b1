"""Features of frozen networks: extraction, cache, linear heads on them, and transferability scores."""
