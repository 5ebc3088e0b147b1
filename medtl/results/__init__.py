"""Answers as DICOM objects: structured report, secondary captures, parametric map."""
