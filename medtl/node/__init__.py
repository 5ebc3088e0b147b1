"""The DICOM node: receives series, judges them, sends results."""
