"""From probabilities to answers: thresholds, series, abstention."""
