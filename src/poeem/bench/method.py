"""A method of the benchmark: a function that builds an index, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from poeem.baselines.baseline import Baseline
from poeem.bench.problem import Problem


class Build(Protocol):
    """A function that builds the index of a method."""

    def __call__(self, problem: Problem, *, n_bytes: int, nlist: int, metric: str, seed: int) -> Baseline:
        """Build an index of a problem's items.

        Args:
            problem: its ``items``, ``train_queries`` and ``train_relevant`` may be used. Its ``queries`` and
                ``relevant`` are the test and must not be used.
            n_bytes: bytes per vector.
            nlist: inverted lists; 0 is a flat index. A structure that cannot have lists stays flat.
            metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
            seed: of everything random.
        Returns:
            a baseline with all lists visited. Its ``scorer`` takes any queries; its ``index``, if it has one, takes
            queries of unit length under ``cosine``. For several ``nprobe`` the scorer must be a ``DecodedScorer`` with
            lists.
        """
        ...


@dataclass(frozen=True)
class Method:
    """A way to build an index.

    Args:
        name: its name in ``--methods``.
        build: the function that builds the index, see :class:`Build`. Its ``build_seconds`` include the training.
        own_bytes: whether dim alone decides its size. It is then built once, not at each size.
        seeded: whether another seed gives another index.
        divides: dim must be a multiple of ``divides`` times the bytes; 0 allows any dim.
        needs_labels: whether it needs training queries and their relevant items.
        trained: whether it is one of the problem's jointly trained indexes.
        package: a package that must be installed; may be empty.
        ours: whether it is one of our methods.
    """

    name: str
    build: Build
    own_bytes: bool = False
    seeded: bool = True
    divides: int = 0
    needs_labels: bool = False
    trained: bool = False
    package: str = ""
    ours: bool = False

    def check(self, problem: Problem, sizes: list[int], nlist: int = 0) -> None:
        """Raise an error if this method cannot be built. This is checked before any method is built.

        Raises:
            ValueError: the problem lacks data that the method needs, dim is not a multiple as ``divides`` says, or the
                method's package is not installed.
        """
        from importlib.util import find_spec

        if self.needs_labels and problem.train_relevant is None:
            raise ValueError(f"method {self.name!r} learns from labels; give training relevance, or leave it out")
        missing = [size for size in sizes if self.trained and (size, nlist) not in problem.joint_indexes]
        if missing:
            runs = " and ".join(f"{size} bytes with {lists} lists" for size, lists in problem.joint_indexes) or "none"
            raise ValueError(
                f"method {self.name!r} has runs of {runs}, not of {','.join(map(str, missing))} with {nlist}; give "
                "such a run (--run), other --bytes or --nlist, or leave it out"
            )
        wrong = [size for size in sizes if self.divides and problem.dim % (self.divides * size)]
        if wrong and not self.own_bytes:
            times = f"{self.divides} times the bytes" if self.divides > 1 else "the bytes"
            raise ValueError(
                f"dim (={problem.dim}) must be divisible by {times} (={','.join(map(str, wrong))}) for method "
                f"{self.name!r}; choose other --bytes, or leave it out"
            )
        if self.package and find_spec(self.package) is None:
            raise ValueError(
                f"method {self.name!r} needs the package {self.package}: pip install 'poeem-torch[{self.package}]'"
            )
