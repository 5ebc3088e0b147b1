"""The measures, one file a family. A new measure is one record here; every table finds it by itself."""
