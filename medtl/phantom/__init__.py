"""The phantom: a synthetic head-MRI dataset of several scanners, drawn and written as DICOM."""
