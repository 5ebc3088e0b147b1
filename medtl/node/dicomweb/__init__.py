"""DICOMweb of the node: STOW-RS for images, QIDO-RS and WADO-RS for results. Source: DICOM PS3.18."""
