"""write_card_section: the section on the index in the model card of a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sentence_transformers import SentenceTransformer

from poeem.bundle.whole_file import write_text
from poeem.integrations.sentence_transformers.quantize import quantize_of

CARD_FILE = "README.md"
_BEGIN, _END = "<!-- poeem -->", "<!-- end of poeem -->"


def write_card_section(
    folder: str | Path, model: SentenceTransformer, figures: Mapping[str, float] | None = None
) -> str:
    """Write a section on the indexes of a model into the model card ``README.md`` of its folder.

    Call it after ``save_pretrained``. A section of an earlier call is replaced.

    Args:
        folder: a folder that ``save_pretrained`` wrote.
        model: the model.
        figures: measured figures of the active index by name, such as those of ``InformationRetrievalEvaluator``.
    Returns:
        the section.
    Raises:
        ValueError: the model has no `Quantize`, or there is no such folder.
    """
    folder, quantize = Path(folder), quantize_of(model)
    if not folder.is_dir():
        raise ValueError(f"folder (={str(folder)!r}) does not exist; call model.save_pretrained(folder) first")
    width = quantize.dim
    lines = [
        _BEGIN,
        "## Index",
        "",
        f"The model was trained together with {'an index' if len(quantize.specs) == 1 else 'indexes'} of "
        "[poeem](https://pypi.org/project/poeem-torch/), which "
        f"`encode_document` applies. A float vector takes {4 * width:,} bytes.",
        "",
        "| structure | bytes per document | metric |",
        "|---|---|---|",
        *(
            f"| `{index.spec}`{' (active)' if index is quantize.index else ''} | {index.spec.bytes_per_vector} "
            f"| {index.metric} |"
            for index in quantize.all()
        ),
    ]
    if figures:
        lines += ["", f"Measured with `{quantize.index.spec}`:", "", "| figure | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4f} |" for name, value in figures.items()]
    lines += [
        "",
        "`pip install poeem-torch`, then `SentenceTransformer(NAME, trust_remote_code=True)`; "
        "`poeem.integrations.sentence_transformers.bundle` writes documents for faiss.",
        _END,
    ]
    section = "\n".join(lines)
    card = folder / CARD_FILE
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    write_text(card, f"{before.rstrip()}\n\n{section}\n{after.lstrip()}".lstrip())
    return section
