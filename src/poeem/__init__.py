"""An embedding index that is trained together with the retrieval model and served by a stock engine.

>>> import poeem
>>> index = poeem.EmbeddingIndex(dim=64, spec="OPQ8,PQ8", metric="cosine")
>>> index.spec.bytes_per_vector
8
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poeem.bundle import open_bundle as open
    from poeem.engines.export import export
    from poeem.engines.faiss.read import from_faiss
    from poeem.engines.self_check import EngineMismatch
    from poeem.layers.embedding_index import EmbeddingIndex
    from poeem.layers.from_arrays import index_from
    from poeem.spec import IndexSpec
    from poeem.training.load import load_run as load
    from poeem.training.recipes.vectors import fit

    __version__: str

__all__ = [
    "EmbeddingIndex",
    "EngineMismatch",
    "IndexSpec",
    "__version__",
    "export",
    "fit",
    "from_faiss",
    "index_from",
    "load",
    "open",
]

# Where each public name lives; loaded when first used, so that `poeem --help` does not wait for torch.
_HOMES = {
    "EmbeddingIndex": ("poeem.layers.embedding_index", "EmbeddingIndex"),
    "EngineMismatch": ("poeem.engines.self_check", "EngineMismatch"),
    "IndexSpec": ("poeem.spec", "IndexSpec"),
    "export": ("poeem.engines.export", "export"),
    "from_faiss": ("poeem.engines.faiss.read", "from_faiss"),
    "fit": ("poeem.training.recipes.vectors", "fit"),
    "index_from": ("poeem.layers.from_arrays", "index_from"),
    "load": ("poeem.training.load", "load_run"),
    "open": ("poeem.bundle", "open_bundle"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("poeem-torch")
    if name not in _HOMES:
        raise AttributeError(f"module 'poeem' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
