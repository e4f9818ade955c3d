"""CodedSearch: a search backend of mteb that keeps documents as codes.

encoder = mteb.get_model("sentence-transformers/all-MiniLM-L6-v2")
mteb.evaluate(SearchEncoderWrapper(encoder, index_backend=CodedSearch("RQ8")), tasks)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.metric import Metric
from poeem.training.frozen.top_items import blocks, top_items


class CodedSearch:
    """The index of a retrieval task in mteb: documents are encoded, and queries score their decoded vectors.

    Everything else of the task stays as it is: the model, its prompts, the metrics. Without ``index``, an index is
    fitted to the documents of each task, as after a training. With it, documents get the codes of an index that was
    trained together with the model.

    Args:
        spec: structure, such as ``"RQ8"``; not used with ``index``.
        metric: ``"cosine"``, ``"ip"`` or ``"l2"``; not used with ``index``.
        index: a ready index.
        seed: of the fit.
    Raises:
        ValueError: ``index`` has not been warm-started.
    """

    def __init__(
        self, spec: str = "RQ8", *, metric: Metric = "cosine", index: EmbeddingIndex | None = None, seed: int = 0
    ) -> None:
        if index is not None and not index.ready:
            raise ValueError("index must be ready: warm-start it, or leave it out")
        self.metric: Metric = metric
        self.spec, self.seed, self.given = spec, seed, index
        self.clear()

    def clear(self) -> None:
        """Forget the documents."""
        self._ids: list[str] = []
        self._vectors: list[Tensor] = []
        self._decoded: Tensor | None = None
        self.index = self.given

    def add_documents(self, embeddings: Any, idxs: Sequence[str]) -> None:
        """Add documents.

        Args:
            embeddings: floats, ``(n, dim)``.
            idxs: their ids, ``(n,)``.
        """
        self._vectors.append(torch.as_tensor(embeddings).detach().float().cpu())
        self._ids.extend(idxs)
        self._decoded = None

    def search(
        self,
        embeddings: Any,
        top_k: int,
        similarity_fn: Any = None,
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        query_idx_to_id: Mapping[int, str] | None = None,
    ) -> tuple[list[list[float]], list[list[int]]]:
        """Score decoded documents.

        Args:
            embeddings: floats, ``(nq, dim)``: queries.
            top_k: results per query.
            similarity_fn: not used; scores are those that an engine gives.
            top_ranked: ids of the documents to rank for each id of a query; None: all.
            query_idx_to_id: ids of the queries; needed with ``top_ranked``.
        Returns:
            scores, larger is better, and numbers of documents, a list per query, best first.
        Raises:
            ValueError: there are no documents, too few for the structure, or ``top_ranked`` has no ids of queries.
        """
        decoded = self._decode()
        assert self.index is not None
        queries = torch.as_tensor(embeddings).detach().float().cpu()
        if self.index.metric == "cosine":
            queries = F.normalize(queries, dim=1)
        if top_ranked is not None:
            if query_idx_to_id is None:
                raise ValueError("query_idx_to_id must be given with top_ranked")
            number = {id: row for row, id in enumerate(self._ids)}
            rows = [
                np.array([number[id] for id in top_ranked.get(query_idx_to_id[query], ())], np.int64)
                for query in range(len(queries))
            ]
            found = [self._best(query[None], decoded[some], top_k) for query, some in zip(queries, rows)]
            return [scores[0] for scores, _ in found], [
                some[places[0]].tolist() for some, (_, places) in zip(rows, found)
            ]
        return self._best(queries, decoded, top_k)

    def _best(self, queries: Tensor, decoded: Tensor, k: int) -> tuple[list[list[float]], list[list[int]]]:
        assert self.index is not None
        k = min(k, len(decoded))
        scores, places = top_items(queries.numpy(), blocks(decoded.numpy()), k, metric=self.index.metric)
        return scores.tolist(), places.tolist()

    def _decode(self) -> Tensor:
        """The decoded documents; the first call encodes them."""
        if self._decoded is None:
            if not self._vectors:
                raise ValueError("there are no documents; call add_documents first")
            vectors = torch.cat(self._vectors)
            self._vectors = [vectors]
            if self.given is None:
                self.index = EmbeddingIndex(vectors.shape[1], self.spec, metric=self.metric, seed=self.seed)
                self.index.warm_start(vectors)
            assert self.index is not None
            codes, lists = self.index.encode(vectors.to(self.index.device))
            self._decoded = self.index.decode(codes, lists).cpu()
        return self._decoded
