"""The transfer engine: tensors, classes, groups and domains, and nothing of MRI or Devanagari."""
