"""Bytes of strangers become heads in space: reading DICOM."""
