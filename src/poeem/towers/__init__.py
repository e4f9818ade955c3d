"""Towers: from histories and item numbers to vectors."""
