"""Cuts a page into lines, words and characters, and reads them."""
