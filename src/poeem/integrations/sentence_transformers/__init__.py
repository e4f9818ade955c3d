"""An index as a module of a Sentence Transformers model, trained by any of its losses.

    loss = MultipleNegativesRankingLoss(model, similarity_fct=dot_score)
    loss = QuantizationAwareLoss(model, loss, specs=["RQ8"])

The model then has a module `Quantize` at its end, which is saved and loaded with it (with ``trust_remote_code=True``).
"""

from poeem.integrations.sentence_transformers.card import write_card_section
from poeem.integrations.sentence_transformers.loss import QuantizationAwareLoss
from poeem.integrations.sentence_transformers.quantize import (
    Quantize,
    bundle,
    encode_codes,
    find_quantize,
    float_documents,
)
from poeem.integrations.sentence_transformers.warm_start import WarmStart

__all__ = [
    "QuantizationAwareLoss",
    "Quantize",
    "WarmStart",
    "bundle",
    "encode_codes",
    "find_quantize",
    "float_documents",
    "write_card_section",
]
