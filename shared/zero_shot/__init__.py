"""Classes of which no image was seen: methods, protocol, study."""
