"""The ScaNN engine (experimental): a folder of ScaNN's own files, made from a bundle without ScaNN's training."""

from poeem.engines.scann.searcher import ScannSearcher, open_scann
from poeem.engines.scann.write import write_scann

__all__ = ["ScannSearcher", "open_scann", "write_scann"]
