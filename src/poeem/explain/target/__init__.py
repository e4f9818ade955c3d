"""From what is wanted to what to search with, or to train."""
