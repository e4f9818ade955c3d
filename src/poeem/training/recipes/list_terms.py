"""What of the loss is about inverted lists, as it suits the structure."""

from __future__ import annotations

from poeem.spec import IndexSpec

LIST_LOSS, BALANCE = 0.5, 1.0


def list_terms(spec: IndexSpec, list_loss: float | None = None, balance: float | None = None) -> dict[str, float]:
    """``list_loss`` and ``balance`` of ``JointModel``, the defaults where they are None.

    Raises:
        ValueError: a balance for a loss that is not there.

    >>> list_terms(IndexSpec.parse("IVF64,PQ8")), list_terms(IndexSpec.parse("PQ8"))
    ({'list_loss': 0.5, 'balance': 1.0}, {'list_loss': 0.0, 'balance': 1.0})
    """
    if list_loss is None:
        list_loss = LIST_LOSS if spec.nlist else 0.0
    if balance is not None and not list_loss:
        why = f"list_loss (={list_loss}) leaves that out" if spec.nlist else f"{str(spec)!r} has no lists"
        raise ValueError(f"balance (={balance}) is of the loss of lists, and {why}; leave it out")
    return {"list_loss": list_loss, "balance": BALANCE if balance is None else balance}
