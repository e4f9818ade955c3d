"""Zhan et al., "Learning Discrete Representations via Constrained Clustering", WSDM 2022 (RepCONC).

Ranking and reconstruction; optimal transport assigns the items of a step evenly to the codewords.
"""

TRAIN = {"assignment": "balanced"}
FIT = {
    "assignment": "balanced",
    "distortion_weight": 1.0,
    "label_weight": 1.0,
    "distill_weight": 0.0,
    "list_weight": 0.0,
}
