"""Reading DICOM: from untrusted files to slices of a head in space."""
