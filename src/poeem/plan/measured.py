"""The measured figures of `poeem plan`, from ``benchmarks/results/plan_figures-0.json`` and ``bulk-0.json``."""

from __future__ import annotations

from typing import Any

# faiss on one thread, time of the processor, vectors of 64 dimensions. ``scan`` and ``..._bytes_per_list`` by bits per
# codeword number; figures that depend on the size of the code, by its bytes. A list takes its bytes besides its
# centroid and rows; with 4 bits its end is padded. ``merge`` is wall time on a busy machine.
MEASURED: dict[str, Any] = {
    "scan": {
        8: {
            "us_per_query": 38.1,
            "ns_per_centroid_value": 0.105,
            "us_per_list": {8: 1.47, 16: 1.16},
            "ns_per_code": {8: 11.1, 16: 10.9},
        },
        4: {
            "us_per_query": 8.19,
            "ns_per_centroid_value": 0.153,
            "us_per_list": {8: 1.13, 16: 1.82},
            "ns_per_code": {8: 0.651, 16: 0.832},
        },
    },
    "memory_bytes_per_list": {8: {8: 299.0, 16: 303.0}, 4: {8: 597.0, 16: 934.0}},
    "file_bytes_per_list": {8: {8: 16.0, 16: 16.0}, 4: {8: 133.0, 16: 250.0}},
    "hnsw_us": 460.0,
    "encode": {"coarse_ns_per_value": 0.0351, "code_ns_per_row": {8: 1540.0, 16: 2780.0}},
    "merge_ns_per_row": 3550.0,
}
