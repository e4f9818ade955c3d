"""Whether items keep the codes of the warm start, and what goes with that."""

from __future__ import annotations

from poeem.functional.estimators import ESTIMATORS
from poeem.layers.checks import check_choice
from poeem.training.fixed_codes import CODES


def code_terms(codes: str | None, estimator: str | None, assignment: str) -> dict[str, str]:
    """``codes`` and ``estimator``, the defaults where they are None: fixed codes learn by the ranking alone.

    Raises:
        ValueError: a choice that is none, or a way of choosing codes for codes that are kept.

    >>> code_terms(None, None, "nearest")
    {'codes': 'reassigned', 'estimator': 'ste'}
    >>> code_terms("fixed", None, "nearest")
    {'codes': 'fixed', 'estimator': 'task'}
    """
    codes = codes or CODES[0]
    check_choice("codes", codes, CODES)
    if codes == "reassigned":
        return {"codes": codes, "estimator": estimator or "ste"}
    estimator = estimator or "task"
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"estimator (={estimator!r}) goes by distances to all words, codes (='fixed') know one; "
            f"choose one of {', '.join(map(repr, ESTIMATORS))}"
        )
    if assignment == "balanced":
        raise ValueError("assignment (='balanced') is how training assigns codes anew; give codes='reassigned' too")
    return {"codes": codes, "estimator": estimator}
