"""Zero-shot learning: recognising classes of which no training image was seen, by attributes or printed prototypes."""
