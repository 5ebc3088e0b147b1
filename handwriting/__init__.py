"""Devanagari character recognition by transfer learning."""
