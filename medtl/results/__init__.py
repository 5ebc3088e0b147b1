"""DICOM objects that carry an answer."""
