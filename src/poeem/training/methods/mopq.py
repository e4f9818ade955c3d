"""Xiao et al., "Matching-oriented Product Quantization", EMNLP 2021 (MoPQ): the matching loss reaches the codebooks."""

TRAIN = {"views": "quantized", "commitment": 0.0, "estimator": "task"}
FIT = {"label_weight": 1.0, "distill_weight": 0.0, "list_weight": 1.0}
