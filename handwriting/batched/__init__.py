"""The variations of Albumentations for characters, on a whole batch at once: the same distribution, in less time."""
