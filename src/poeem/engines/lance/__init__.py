"""The Lance engine: a dataset with the vectors, the user's columns and an IVF_PQ index, made from a bundle."""

from poeem.engines.lance.searcher import LanceSearcher, open_lance
from poeem.engines.lance.write import write_lance

__all__ = ["LanceSearcher", "open_lance", "write_lance"]
