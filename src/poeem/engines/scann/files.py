"""Write ScaNN's own files from a bundle, as ScaNN's ``serialize`` writes them for a tree with 4-bit asymmetric hashing.

The formats are those of scann 1.4 and are not documented. Every export loads its files and compares scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.scann.assets import CENTROIDS, CODEBOOKS, CODES, CONFIG, LISTS
from poeem.engines.scann.install import import_scann

# Placeholders are filled by `config_text`. Whether tables have 8 or 16 bits ScaNN decides by the processor.
_PARTITIONING = """
partitioning {{
  num_children: {nlist}
  min_cluster_size: 1
  partitioning_distance {{ distance_measure: "SquaredL2Distance" }}
  query_spilling {{ spilling_type: FIXED_NUMBER_OF_CENTERS max_spill_centers: {nprobe} }}
  partitioning_type: GENERIC
  query_tokenization_distance_override {{ distance_measure: "DotProductDistance" }}
  query_tokenization_type: FLOAT
}}"""
_CONFIG = """
num_neighbors: 10
distance_measure {{ distance_measure: "{distance}" }}
hash {{
  asymmetric_hash {{
    projection {{ projection_type: CHUNK num_blocks: {M} num_dims_per_block: {dsub} input_dim: {dim} }}
    num_clusters_per_block: {ksub}
    quantization_distance {{ distance_measure: "SquaredL2Distance" }}
    lookup_type: INT8_LUT16
    use_residual_quantization: {residual}
    fixed_point_lut_conversion_options {{ float_to_int_conversion_method: ROUND }}
    noise_shaping_threshold: nan
    use_global_topn: true
  }}
}}"""


def write_files(bundle: Bundle, folder: Path, nprobe: int) -> None:
    """Write ScaNN's configuration, codebooks and codes, and, with lists, its centroids and list numbers.

    Args:
        bundle: a bundle of 4-bit PQ codes; flat, or with lists under ``ip`` or ``cosine``.
        folder: the folder to write into, empty.
        nprobe: default number of lists visited per query.
    """
    text_format = import_scann("google.protobuf.text_format")
    config = import_scann("scann.proto.scann_pb2").ScannConfig()
    text_format.Parse(config_text(bundle, nprobe), config)
    (folder / CONFIG).write_bytes(config.SerializeToString())
    (folder / CODEBOOKS).write_bytes(_codebooks(bundle.arrays["codebooks"]).SerializeToString())
    np.save(folder / CODES, bundle.codes)
    if bundle.lists is not None:
        (folder / CENTROIDS).write_bytes(_centroids(bundle.arrays["coarse"]).SerializeToString())
        np.save(folder / LISTS, bundle.lists)


def config_text(bundle: Bundle, nprobe: int) -> str:
    """Return ScaNN's configuration as protobuf text."""
    spec = bundle.spec
    config = _CONFIG.format(
        distance="SquaredL2Distance" if bundle.metric == "l2" else "DotProductDistance",
        M=spec.M,
        dsub=spec.dsub(bundle.dim),
        dim=bundle.dim,
        ksub=spec.ksub,
        residual="true" if spec.nlist else "false",
    )
    return config + (_PARTITIONING.format(nlist=spec.nlist, nprobe=nprobe) if spec.nlist else "")


def _codebooks(codebooks: np.ndarray) -> Any:
    """``(M, 16, dsub)`` as ``CentersForAllSubspaces``."""
    message = import_scann("scann.proto.centers_pb2").CentersForAllSubspaces()
    import_scann("google.protobuf.text_format").Parse("quantization_scheme: PRODUCT", message)
    for codewords in codebooks:
        subspace = message.subspace_centers.add()
        for codeword in codewords:
            center = subspace.center.add()
            center.feature_type = center.FLOAT
            center.feature_value_float.extend(codeword.tolist())
    return message


def _centroids(coarse: np.ndarray) -> Any:
    """``(nlist, dim)`` as the root of a tree of one level, ``SerializedPartitioner``."""
    message = import_scann("scann.partitioning.partitioner_pb2").SerializedPartitioner()
    message.n_tokens = len(coarse)
    tree = message.kmeans.kmeans_tree
    import_scann("google.protobuf.text_format").Parse("learned_spilling_type: NO_SPILLING", tree)
    tree.root.leaf_id = -1
    tree.root.learned_spilling_threshold = float("nan")
    for number, centroid in enumerate(coarse):
        tree.root.centers.add().dimension.extend(centroid.tolist())
        leaf = tree.root.children.add()
        leaf.leaf_id = number
        leaf.learned_spilling_threshold = float("nan")
    return message
