"""Bodies of requests and answers, as OpenAPI describes them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

Id = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | StrictStr


class Body(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class SearchRequest(Body):
    """What to search for: one of user, item, history, query, image and vectors, as the run has it."""

    user: Id | None = Field(None, description="User of the training; with `query`, the user who types it.")
    item: Id | None = Field(None, description="Item of the index: similar ones are searched for.")
    history: list[Id] | None = Field(None, description="Items that somebody knows, oldest first.", max_length=10_000)
    query: StrictStr | None = Field(None, description="Text.", max_length=10_000)
    image: StrictStr | None = Field(None, description="Image file in base64.")
    vectors: list[list[float]] | None = Field(None, description="Query vectors, one list each.", min_length=1)
    k: StrictInt = Field(10, ge=1, description="Results per query.")
    nprobe: StrictInt | None = Field(None, ge=1, le=2**31, description="Inverted lists visited; default the run's.")
    where: StrictStr | None = Field(None, description="Condition on the items' columns.", max_length=2_000)
    columns: list[StrictStr] | None = Field(None, description="Columns of the items to return.", max_length=100)


class SearchAnswer(BaseModel):
    """Results of each query, best first. There are fewer than k if the visited lists hold no more."""

    ids: list[list[Id]]
    scores: list[list[float]]
    fingerprint: str = Field(description="Fingerprint of the trained index.")
    revision: int = Field(description="Version of the items; every change and every swap gives it a new number.")
    columns: dict[str, list[list[Any]]] | None = Field(None, description="The columns asked for, as `ids`.")


class WriteRequest(Body):
    """Items to add or to replace, by their vectors from the item tower, or by their texts."""

    ids: list[Id] = Field(min_length=1)
    vectors: list[list[float]] | None = Field(None, description="Vectors of the item tower.")
    texts: list[StrictStr] | None = Field(None, description="Texts, for a run of pairs of texts.")
    columns: dict[str, list[Any]] | None = Field(
        None, description="All columns of the items. Without them, items that exist keep theirs."
    )


class ChangeAnswer(BaseModel):
    """A change that is on the disk, and in every search from now on."""

    added: int = 0
    replaced: int = 0
    deleted: int = 0
    rows: int
    fingerprint: str
    revision: int


class SwapRequest(Body):
    """The version to serve from now on."""

    path: StrictStr | None = Field(None, description="Folder beside the served one; none: read that again.",
                                   max_length=1_000)  # fmt: skip
    fingerprint: StrictStr | None = Field(
        None, description="Its fingerprint, needed if it is of another training.", max_length=100
    )


class SwapAnswer(BaseModel):
    """The version in service."""

    rows: int
    fingerprint: str
    revision: int


class Status(BaseModel):
    """State of the server."""

    status: str
    rows: int | None = None
    fingerprint: str | None = None
    revision: int | None = None


class ErrorAnswer(BaseModel):
    """Why a request was refused."""

    message: str = Field(description="One sentence with the fix.")
    field: str | None = Field(None, description="The field of the request.")


class ComparedItem(BaseModel):
    """An item among the exact best, or among the index's."""

    id: Id
    score: float
    columns: dict[str, Any]
    cause: str | None = Field(description="`probing` or `code`, if the index has lost it.")
    why: str | None
    code: list[int] = Field(description="Its codeword in each codebook.")
    inverted_list: int | None


class Compared(BaseModel):
    """Results of the index beside those of exact search."""

    exact: list[ComparedItem]
    index: list[ComparedItem]
    against: str = Field(description="`float` vectors, or `codes` if there are none.")
    recall: float
    encode_ms: float
    index_ms: float
    exact_ms: float
    lists: int
    nlist: int
    scanned: int = Field(description="Items whose codes the query scans.")
    rows: int
    left_out: int = Field(description="Items that are no results: those that the user knows, for instance.")
    fingerprint: str
    revision: int


class About(BaseModel):
    """What the page needs to know of the index."""

    name: str
    ways: list[str]
    columns: list[str]
    users: list[Id]
    items: list[Id]
    spec: str
    metric: str
    dim: int
    bytes: int
    rows: int
    nlist: int
    nprobe: int
    max_k: int
    fingerprint: str
    revision: int


class Codewords(BaseModel):
    """The codewords of each codebook on their two main axes, from -1 to 1."""

    places: list[list[list[float]]]
    counts: list[list[int]]
    shown: list[float] = Field(description="Share of the codewords' variance in the two axes.")
