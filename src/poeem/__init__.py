"""An embedding index that is trained together with the retrieval model and served by a stock engine.

>>> import poeem
>>> index = poeem.EmbeddingIndex(dim=64, spec="OPQ8,PQ8", metric="cosine")
>>> index.spec.bytes_per_vector
8
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.spec import IndexSpec

if TYPE_CHECKING:
    from poeem.bundle import open_bundle as open
    from poeem.engines.export import export

__version__ = version("poeem-torch")
__all__ = ["EmbeddingIndex", "IndexSpec", "__version__", "export", "open"]


def __getattr__(name: str) -> Any:
    # Loaded when first used: `import poeem` itself needs torch and numpy, not faiss or pyarrow.
    if name == "open":
        from poeem.bundle import open_bundle

        return open_bundle
    if name == "export":
        from poeem.engines.export import export

        return export
    raise AttributeError(f"module 'poeem' has no attribute {name!r}")
