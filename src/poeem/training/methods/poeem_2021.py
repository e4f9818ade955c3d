"""Zhang et al., "Joint Learning of Deep Retrieval Model and Product Quantization based Embedding Index", SIGIR 2021.

Codebooks learn by reconstruction, the towers by the retrieval loss on the quantized items.
"""

TRAIN = {"views": "quantized", "commitment": 0.0, "estimator": "ste", "list_loss": 0.0}
FIT = {
    "ranked_codebooks": False,
    "distortion_weight": 1.0,
    "label_weight": 1.0,
    "distill_weight": 0.0,
    "list_weight": 0.0,
}
