"""IndexSpec: the structure of a trained index, read from and printed as a faiss factory string."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

NBITS = range(4, 9)
# Far above any use. Array sizes computed from a spec still fit an int64.
MAX_M = 4096
MAX_NLIST = 2**24

# [0-9], not \d, which matches the digits of other scripts; faiss reads only these.
_NUMBER = "([1-9][0-9]{0,8})"
_ROTATION = re.compile(f"OPQ{_NUMBER}")
_COARSE = re.compile(f"IVF{_NUMBER}")
_QUANTIZER = re.compile(f"(PQ|RQ){_NUMBER}(?:x{_NUMBER})?")
_GRAMMAR = "'[OPQ<M>,][IVF<nlist>,]PQ<M>[x<nbits>]' or '[IVF<nlist>,]RQ<M>[x<nbits>]', such as 'OPQ8,IVF64,PQ8'"


@dataclass(frozen=True)
class IndexSpec:
    """The trained structure of an index, in faiss's terms.

    Args:
        kind: ``"PQ"``, a product quantizer, or ``"RQ"``, an additive (residual) one.
        M: subquantizers per vector; for ``RQ`` the number of codewords that are summed.
        nbits: bits per subquantizer, 4 to 8.
        nlist: inverted lists; 0 is a flat index.
        rotated: whether a rotation is trained before the quantizer (faiss's ``OPQ``).
    Raises:
        ValueError: a field is out of its range, or the fields do not go together.

    >>> spec = IndexSpec.parse("OPQ8,IVF64,PQ8x6")
    >>> spec.M, spec.nbits, spec.nlist, spec.rotated, spec.bytes_per_vector
    (8, 6, 64, True, 6)
    >>> str(IndexSpec.parse("RQ8")), str(IndexSpec.parse("PQ8x8"))
    ('RQ8x8', 'PQ8')
    """

    kind: Literal["PQ", "RQ"]
    M: int
    nbits: int = 8
    nlist: int = 0
    rotated: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("PQ", "RQ"):
            raise ValueError(f"kind (={self.kind!r}) must be 'PQ' or 'RQ'")
        _check_whole("M", self.M, 1, MAX_M)
        _check_whole("nbits", self.nbits, NBITS.start, NBITS.stop - 1)
        _check_whole("nlist", self.nlist, 0, MAX_NLIST)
        if self.rotated and self.kind == "RQ":
            raise ValueError("RQ gains nothing from a rotation: its codebooks learn the same; leave OPQ out, or use PQ")

    @classmethod
    def parse(cls, text: str) -> IndexSpec:
        """Read a factory string.

        Args:
            text: for instance ``PQ8``, ``PQ16x4``, ``OPQ8,PQ8``, ``OPQ16,IVF256,PQ16x8``, ``RQ8x8``, ``IVF64,RQ4``.
        Raises:
            ValueError: the string is not one; the message says what to write instead.

        >>> IndexSpec.parse("OPQ8,PQ4")
        Traceback (most recent call last):
        ...
        ValueError: index spec 'OPQ8,PQ4': the number of OPQ (=8) must equal M of the quantizer (=4); write 'OPQ4,PQ4'
        """
        if not isinstance(text, str):
            raise ValueError(f"index spec (={text!r}) must be a string like 'OPQ8,PQ8', not {type(text).__name__}")
        stages = text.split(",")
        opq = _ROTATION.fullmatch(stages[0])
        if opq:
            stages = stages[1:]
        ivf = _COARSE.fullmatch(stages[0]) if stages else None
        if ivf:
            stages = stages[1:]
        quantizer = _QUANTIZER.fullmatch(stages[0]) if len(stages) == 1 else None
        if quantizer is None:
            raise ValueError(f"index spec {_shown(text)}: {_fix_for(text)}")
        kind, M, nbits = quantizer.groups()
        if opq and kind == "PQ" and opq[1] != M:
            raise ValueError(
                f"index spec {_shown(text)}: the number of OPQ (={opq[1]}) must equal M of the quantizer (={M}); "
                f"write '{text.replace(opq[0], f'OPQ{M}', 1)}'"
            )
        try:
            return cls(
                kind="PQ" if kind == "PQ" else "RQ",
                M=int(M),
                nbits=int(nbits or 8),
                nlist=int(ivf[1]) if ivf else 0,
                rotated=bool(opq),
            )
        except ValueError as error:
            raise ValueError(f"index spec {_shown(text)}: {error}") from None

    def __str__(self) -> str:
        stages = []
        if self.rotated:
            stages.append(f"OPQ{self.M}")
        if self.nlist:
            stages.append(f"IVF{self.nlist}")
        # faiss reads PQ8 and PQ8x8 alike, but knows RQ by its long form only.
        short = self.kind == "PQ" and self.nbits == 8
        stages.append(f"{self.kind}{self.M}" if short else f"{self.kind}{self.M}x{self.nbits}")
        return ",".join(stages)

    @property
    def ksub(self) -> int:
        """Codewords of one codebook, ``2**nbits``."""
        return 2**self.nbits

    @property
    def bytes_per_vector(self) -> int:
        """Bytes of one code, ``ceil(M * nbits / 8)``; list number and id are not counted."""
        return math.ceil(self.M * self.nbits / 8)

    def dsub(self, dim: int) -> int:
        """Return the width of one codeword: ``dim // M`` for PQ, ``dim`` for RQ.

        Raises:
            ValueError: ``dim`` does not suit this spec.
        """
        self.check_dim(dim)
        return dim // self.M if self.kind == "PQ" else dim

    def check_dim(self, dim: int) -> None:
        """Refuse a width that this spec cannot split.

        >>> IndexSpec.parse("PQ16").check_dim(100)
        Traceback (most recent call last):
        ...
        ValueError: dim (=100) must be divisible by M (=16); choose M from 1, 2, 4, 5, 10, 20, 25, 50, 100, or project \
to dim=96 or 112
        """
        _check_whole("dim", dim, 1, 2**20)
        if self.kind == "PQ" and dim % self.M:
            divisors = ", ".join(str(m) for m in range(1, dim + 1) if dim % m == 0)
            below, above = dim // self.M * self.M, (dim // self.M + 1) * self.M
            widths = f"{below} or {above}" if below else f"{above}"
            raise ValueError(
                f"dim (={dim}) must be divisible by M (={self.M}); choose M from {divisors}, or project to dim={widths}"
            )


def _check_whole(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} (={value!r}) must be a whole number from {low} to {high}")


def _shown(text: str) -> str:
    """The text, quoted and shortened, for an error message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _fix_for(text: str) -> str:
    """Why a string is not a spec, and what to write instead."""
    if not text:
        return f"is empty; write {_GRAMMAR}"
    if text.strip() != text or " " in text:
        return f"must not contain spaces; write {_GRAMMAR}"
    if re.search("OPQ[0-9]+_[0-9]+", text):
        return "OPQ<M>_<dim> would change the width; give the tower the width you want and write OPQ<M>"
    if re.search("fsr?(,|$)", text):
        return "FastScan is an option of the export, not of the trained structure; drop 'fs'"
    if re.search("np(,|$)", text):
        return "'np' (no polysemous codes) is how this index is trained anyway; drop 'np'"
    if re.search("HNSW|Refine|RFlat|SQ[0-9]|Flat|LSH|PCA|ITQ|LSQ", text):
        return f"a spec names the trained structure only (refine and HNSW belong to the export); write {_GRAMMAR}"
    if text.upper() != text.replace("x", "X") and _looks_right(text.upper().replace("X", "x")):
        return f"factory strings are upper case; write '{text.upper().replace('X', 'x')}'"
    return f"is not a factory string; write {_GRAMMAR}"


def _looks_right(text: str) -> bool:
    return re.fullmatch(f"(OPQ{_NUMBER},)?(IVF{_NUMBER},)?(PQ|RQ){_NUMBER}(x{_NUMBER})?", text) is not None
