"""QueryMap: from query vectors of a new model to those that an index in service takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.arrays_file import write_arrays_file
from poeem.bundle.bundle import Bundle
from poeem.bundle.regular_file import read_file
from poeem.bundle.whole_file import whole_file, write_text
from poeem.functional.unit_length import unit_rows

ARRAYS_FILE, FACTS_FILE = "query_map.safetensors", "query_map.json"


@dataclass(frozen=True, eq=False)
class QueryMap:
    """A map of query vectors: ``x W + b``, and for a network ``+ tanh(x H + h) V``.

    Args:
        arrays: float32 by name: ``weight (d_new, d_old)``, ``bias (d_old,)``; for a network also ``hidden
            (d_new, width)``, ``hidden_bias (width,)`` and ``output (width, d_old)``.
        metric: of the index. Under ``cosine`` inputs and results are of unit length.
        fingerprint: of the index whose queries the map gives.
        facts: how it was chosen, and how good it is; JSON values.
    Raises:
        ValueError: an array is missing, not finite, or of a shape that does not fit the others.
    """

    arrays: Mapping[str, np.ndarray]
    metric: str
    fingerprint: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {name: array.shape for name, array in self.arrays.items()}
        weight = shapes.get("weight", ())
        expected: dict[str, tuple[int, ...]] = {}
        if len(weight) == 2:
            expected = {"weight": weight, "bias": weight[1:]}
        if "hidden" in shapes and len(shapes["hidden"]) == 2 and expected:
            width = shapes["hidden"][1]
            expected |= {"hidden": (weight[0], width), "hidden_bias": (width,), "output": (width, weight[1])}
        if not expected or shapes != expected:
            raise ValueError(f"a query map cannot have arrays of the shapes {shapes}")
        for name, array in self.arrays.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(f"{name} of the query map must be finite float32")

    @property
    def dims(self) -> tuple[int, int]:
        """Width of the new model's vectors, and of the index's."""
        d_new, d_old = self.arrays["weight"].shape
        return d_new, d_old

    def __call__(self, queries: Any) -> np.ndarray:
        """Map query vectors.

        Args:
            queries: floats, ``(nq, d_new)``.
        Returns:
            float32, ``(nq, d_old)``, as every engine of the index takes them.
        Raises:
            ValueError: wrong shape.
        """
        x = np.asarray(queries, np.float32)
        if x.ndim != 2 or x.shape[1] != self.dims[0]:
            raise ValueError(f"queries (shape {x.shape}) must be (nq, {self.dims[0]}), vectors of the new model")
        x = unit_rows(x) if self.metric == "cosine" else x
        y = x @ self.arrays["weight"] + self.arrays["bias"]
        if "hidden" in self.arrays:
            y += np.tanh(x @ self.arrays["hidden"] + self.arrays["hidden_bias"]) @ self.arrays["output"]
        return unit_rows(y) if self.metric == "cosine" else y

    def check(self, bundle: Bundle) -> None:
        """Raise a ValueError unless the map belongs to the index of a bundle."""
        if bundle.fingerprint != self.fingerprint:
            raise ValueError(
                f"the query map was fitted for another index (fingerprint {self.fingerprint[:12]}, this one has "
                f"{bundle.fingerprint[:12]}); fit it again: poeem fit --index-of"
            )

    def write(self, folder: str | Path) -> None:
        """Write ``query_map.safetensors`` and ``query_map.json`` into a folder, which is made if it does not exist."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / ARRAYS_FILE) as beside:
            write_arrays_file(self.arrays, beside)
        facts = {"metric": self.metric, "fingerprint": self.fingerprint, **self.facts}
        write_text(folder / FACTS_FILE, json.dumps(facts, indent=2) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> QueryMap:
        """Read the files of `write`.

        Raises:
            ValueError: a file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(folder)
        try:
            facts = json.loads(read_file(folder / FACTS_FILE))
            arrays = load_file(folder / ARRAYS_FILE)
            metric, fingerprint = facts.pop("metric"), facts.pop("fingerprint")
            if not isinstance(metric, str) or not isinstance(fingerprint, str):
                raise ValueError("metric and fingerprint are not texts")
            return cls(arrays, metric, fingerprint, facts)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{folder}: holds no query map ({error}); name a folder of poeem fit --index-of") from None
