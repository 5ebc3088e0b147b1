"""Records of pretrained networks, one file a family; every file here is read when a backbone is looked up."""
