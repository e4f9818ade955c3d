"""The faiss engine: a stock faiss index from a bundle's arrays and codes, without training."""

from poeem.engines.faiss.build import build_index
from poeem.engines.faiss.options import FaissOptions
from poeem.engines.faiss.read import FaissContents, from_faiss
from poeem.engines.faiss.searcher import FaissSearcher, open_engine
from poeem.engines.faiss.shards import ShardedSearcher, open_shards
from poeem.engines.faiss.write import write_faiss

__all__ = [
    "FaissContents",
    "FaissOptions",
    "FaissSearcher",
    "ShardedSearcher",
    "build_index",
    "from_faiss",
    "open_engine",
    "open_shards",
    "write_faiss",
]
