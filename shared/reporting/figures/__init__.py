"""Figures of reports, drawn by matplotlib."""
