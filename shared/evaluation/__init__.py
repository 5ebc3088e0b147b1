"""Judging predictions: measures, calibration, decisions."""
