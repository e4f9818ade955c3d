"""Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization", CIKM 2021: codes are fixed."""

TRAIN = {"codes": "fixed"}
FIT = {"codes": "fixed", "label_weight": 1.0, "distill_weight": 0.0, "list_weight": 0.0}
