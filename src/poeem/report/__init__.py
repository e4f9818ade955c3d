"""The report of a run: one HTML page with its figures, curves, losses, use of lists and codewords, and examples."""
