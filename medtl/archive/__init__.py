"""An archive that is reached by DICOMweb: images come from it, results go back. Source: DICOM PS3.18, chapter 10."""
