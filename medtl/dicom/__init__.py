"""Reading DICOM: from the bytes of strangers to slices of a head in space."""
