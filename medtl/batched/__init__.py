"""MONAI's random transforms, and ours, on a whole batch at once: the same draws and arithmetic without containers."""
