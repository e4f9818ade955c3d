"""The subject *interactions*: its measurements, tables and figures."""

from __future__ import annotations

from benchmarks.interactions import figures, sparse_tables, tables
from benchmarks.interactions.sparse_data import NAMES as SPARSE
from benchmarks.plan import SMOKE_DATA, Bench, Script, Subject, Train

# faiss refines codebooks only with more items than codewords: 4 codebooks for the 1,682 films.
JOINT_SMOKE = f"{SMOKE_DATA} --specs RQ4"

INTERACTIONS = Subject(
    "a model and its index trained together, and post-hoc indexes on its float twin",
    parts={
        "movielens": [
            Script("opq_sizes", "interactions.opq_sizes"),
            Script("movielens-additive", "interactions.joint_index", "--specs RQ8 RQ4", smoke=JOINT_SMOKE),
            Script("movielens-history", "interactions.joint_index", smoke=JOINT_SMOKE),
            Script(
                "movielens-sequence",
                "interactions.joint_index",
                "--tower sequence --specs OPQ8,PQ8",
                smoke=JOINT_SMOKE,
                first_seed_only=True,
            ),
            Script("float-sequence", "interactions.float_model", "--tower sequence"),
        ],
        "journey": [
            Script(
                "journey",
                "interactions.joint_index",
                "--dataset complete-journey --specs RQ8 RQ4",
                smoke=JOINT_SMOKE,
            ),
        ],
        "sparse": [
            Script(
                f"sparse-{data}",
                "interactions.sparse_catalogues",
                f"--data {data}",
                smoke="--epochs 0.2 --specs RQ4x4",
            )
            for data in SPARSE
        ],
        "post-hoc": [
            Train("RQ4"),
            Train("RQ8"),
            Bench(
                "movielens-afterwards",
                "--methods opq,rq,rq-refined,scann,poeem-adapter,poeem-rq,poeem-rq-labels,joint",
                "--run {runs}/RQ4 --run {runs}/RQ8",
                smoke="--methods opq,poeem-rq,joint",
            ),
        ],
        "lists": [Script("lists", "interactions.lists")],
        "item-tables": [Script("compressed_table", "interactions.compressed_tables")],
        "processes": [Script("processes", "interactions.processes", smoke="--epochs 0.2")],
    },
    tables={
        "MOVIELENS": tables.movielens,
        "AFTERWARDS": tables.post_hoc,
        "SPARSE": sparse_tables.sparse,
        "LISTS": tables.lists,
        "COMPRESSED": tables.item_tables,
        "PROCESSES": tables.processes,
    },
    figures={"movielens.svg": figures.movielens, "lists.svg": figures.lists},
)
