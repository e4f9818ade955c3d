"""The subjects: their measurements, and the tables and figures of the docs that come from these."""

from __future__ import annotations

from benchmarks.bulk import tables as bulk
from benchmarks.durability import tables as durability
from benchmarks.engines import tables as engines
from benchmarks.frozen import figures as frozen_figures
from benchmarks.frozen import speed_at_recall
from benchmarks.frozen import tables as frozen
from benchmarks.images import tables as images
from benchmarks.interactions.subject import INTERACTIONS
from benchmarks.papers import figures as papers_figures
from benchmarks.papers import tables as papers
from benchmarks.plan import Bench, Script, Subject, TaughtQueries
from benchmarks.product_search import tables as product_search
from benchmarks.serve import tables as serve
from benchmarks.speed import tables as speed
from benchmarks.text import tables as text
from benchmarks.versions import figures as versions_figures
from benchmarks.versions import tables as versions

GLOVE_SMOKE = "--rows 2000 --queries 50"
TINY_SEARCH = "--dataset tiny --steps 4 --batch-size 32 --dim 16"
QPS = "--nlist 256 --nprobe 1,2,4,8,16,32,64 --rescore 0,200"
LEARNED = "poeem-2021,jpq,repconc,mopq,distill-vq"

SUBJECTS = {
    "interactions": INTERACTIONS,
    "frozen": Subject(
        "indexes for embeddings that do not change: recall by bytes, queries per second",
        parts={
            "debian": [
                Bench(
                    "debian-frozen-ours",
                    "--bytes 4,8,16,32 --methods poeem-rq,poeem-rq-labels,poeem-pq,poeem-pq-labels",
                    "--dataset debian",
                ),
                Bench(
                    "debian-frozen-stock",
                    "--bytes 4,8,16,32 "
                    "--methods opq,poeem-adapter,rq,rq-refined,scann,pq,truncate-pq,lsh,rabitq,binary,sq8",
                    "--dataset debian",
                ),
                Bench(
                    "debian-frozen-reranked",
                    "--bytes 8 --rescore 400 --methods rabitq,binary,sq8",
                    "--dataset debian",
                ),
                Bench(
                    "debian-frozen-without",
                    "--bytes 8 --methods poeem-rq-no-adapter,poeem-rq-no-queries",
                    "--dataset debian",
                ),
                Bench("debian-fit_time", "--bytes 8 --methods opq,poeem-rq", "--dataset debian"),
            ],
            "recipes": [
                Bench("debian-frozen-recipes", f"--bytes 8 --methods {LEARNED}", "--dataset debian"),
                TaughtQueries("debian_taught-recipes"),
            ],
            "wordnet": [
                Bench(
                    "wordnet-frozen",
                    "--bytes 4,8,16 --methods opq,rq,scann,poeem-rq,poeem-rq-labels,poeem-pq",
                    "--dataset wordnet",
                ),
            ],
            "glove": [Bench("glove-frozen", "--bytes 10 --methods opq,rq,poeem-rq,poeem-pq", "--dataset glove")],
            "challengers": [
                Script(
                    "challengers",
                    "frozen.challengers",
                    smoke="--rows 2000 --queries 50 --bytes 4",
                    first_seed_only=True,
                )
            ],
            "samples": [
                Script("fit_samples", "frozen.fit_samples", smoke="--rows 1000 --queries 600", first_seed_only=True)
            ],
            "speed": [
                Bench(
                    "debian-speed",
                    f"{QPS} --bytes 16 --methods opq,opq-fastscan,scann,rabitq,sq8,poeem-pq,poeem-fastscan,poeem-rq",
                    "--dataset debian",
                ),
                # With twice the bytes every method finds more, and the weakest reach higher recalls.
                Bench(
                    "debian_32-speed",
                    f"{QPS} --bytes 16,32 --methods opq,opq-fastscan,scann,poeem-fastscan",
                    "--dataset debian",
                    first_seed_only=True,
                ),
            ],
        },
        tables={
            "FROZEN": frozen.frozen,
            "RECIPES": frozen.recipes,
            "QPS": speed_at_recall.speeds,
            "SAMPLES": frozen.samples,
            "CHALLENGERS": frozen.challengers,
        },
        figures={
            "where.svg": frozen_figures.where,
            "debian-bytes.svg": frozen_figures.by_bytes,
            "debian-scanned.svg": frozen_figures.by_scanned,
            "debian-qps.svg": frozen_figures.by_speed,
        },
    ),
    "papers": Subject(
        "the original's table, tutorial and ablations, indexing time, learning a rotation",
        parts={
            "tutorial": [Script("tutorial", "papers.tutorial", smoke="--pairs 2000")],
            "table": [
                Script(f"paper_table-{split}", "papers.paper_table", f"--split {split}") for split in ("last", "time")
            ],
            "ablations": [
                Script(f"ablations-{recipe}", "papers.ablations", f"--recipe {recipe}") for recipe in ("paper", "ours")
            ],
            "rotation": [
                Script(
                    f"rotation_learning-{start}",
                    "papers.rotation_learning",
                    f"--start {start}",
                    smoke="--rows 1000 --iterations 1 --methods none SVD GCD-R GCD-G",
                )
                for start in ("identity", "axes")
            ],
            "indexing": [Script("indexing_time", "papers.indexing_time", smoke="--rows 2000")],
        },
        tables={
            "TABLE": papers.paper_table,
            "ABLATIONS": papers.ablations,
            "INDEXING": papers.indexing_time,
            "ROTATION": papers.rotation_learning,
            "TUTORIAL": papers.tutorial,
        },
        figures={"rotation.svg": papers_figures.rotation},
    ),
    "engines": Subject(
        "faiss, Lance and ScaNN: agreement with the reference, their own checks, export, search, kills",
        parts={
            "agreement": [Script("engines", "engines.agreement", smoke=GLOVE_SMOKE, first_seed_only=True)],
            "stock-checks": [
                Script(
                    "contrib",
                    "engines.stock_checks",
                    "--rows 12000 --queries 100 --sample 200",
                    smoke=f"{GLOVE_SMOKE} --sample 20",
                    first_seed_only=True,
                ),
            ],
            "life-cycle": [
                Script(
                    "life_cycle",
                    "engines.life_cycle",
                    smoke="--steps 200 --rows 100 --kills 2 --compact-every 50",
                    first_seed_only=True,
                ),
            ],
            "export": [Script("export_speed", "engines.export_speed", smoke="--rows 50000")],
            "search": [Script("search_overhead", "engines.search_overhead", smoke="--rows 12000")],
        },
        tables={"ENGINES": engines.engines},
    ),
    "bulk": Subject(
        "encoding of 10 million rows: memory, kills, merge; and the figures of `poeem plan`",
        parts={
            "encode": [
                Script(
                    "bulk",
                    "bulk.encode_parquet",
                    smoke="--rows 40000 --nlist 16 --processes 1 --kills 1",
                    first_seed_only=True,
                )
            ],
            "plan": [
                Script(
                    "plan_figures",
                    "bulk.plan_figures",
                    smoke="--rows 20000 --check-rows 30000",
                    first_seed_only=True,
                )
            ],
        },
        tables={"BULK": bulk.bulk, "PLAN": bulk.plan},
    ),
    "durability": Subject(
        "damaged files, bad commands, full disks and kills: nothing lost, every refusal in one line",
        parts={
            "attacks": [Script("attacks", "durability.attacks", smoke="--quick", first_seed_only=True)],
        },
        tables={"ATTACKS": durability.attacks},
    ),
    "serve": Subject(
        "the HTTP server: throughput, load, swaps, kills, memory, made-up requests, start",
        parts={
            "loopback": [
                Script(
                    "serve",
                    "serve.measure",
                    smoke="--rows 20000 --requests 80 --swaps 4 --kills 10 --cases 40 --seconds 0.2 --parts "
                    "start,batches,swaps,memory",
                    first_seed_only=True,
                )
            ],
        },
        tables={"SERVE": serve.serve},
    ),
    "images": Subject(
        "image search without labels on Fashion-MNIST",
        parts={
            "fashion-mnist": [
                Script(
                    "fashion_mnist",
                    "images.fashion_mnist",
                    smoke="--rows joint-16,contrastive --images 300 --queries 50 --epochs 1",
                )
            ],
            "ablations": [
                Script(
                    "image_ablations",
                    "images.ablations",
                    smoke="--rows joint,vq-8 --images 300 --queries 50 --steps 3",
                )
            ],
            "backbone": [
                Script("image_frozen", "images.frozen", smoke="--images 300 --queries 50 --epochs 1"),
            ],
            "views": [Script("image_step", "images.step_time", smoke="--repeats 2", first_seed_only=True)],
        },
        tables={"IMAGES": images.images},
    ),
    "speed": Subject(
        "time of a training step, of encoding, of a step of the rotation and of whole commands",
        parts={
            "training-step": [Script("step_overhead", "speed.step_overhead", smoke="--dataset ml-100k --steps 4")],
            "encode": [
                Script("encode", "speed.encode", smoke="--rows 12000"),
                Script(
                    "encode_additive", "speed.encode_additive", smoke="--rows 600 --sample 600", first_seed_only=True
                ),
            ],
            "scan": [
                Script(
                    "scan",
                    "speed.scan",
                    "--sample 10000",
                    smoke="--rows 3000 --nlist 16 --sample 3000 --rounds 1 --queries 16",
                    first_seed_only=True,
                ),
            ],
            "commands": [
                Script("commands", "speed.commands", smoke="--repeats 1 --rows 3000 --skip-demo", first_seed_only=True)
            ],
            "rotation-step": [Script("givens", "speed.givens_step", smoke="--dims 64 --repeats 1")],
        },
        tables={"SPEED": speed.speed, "SCAN": speed.scan, "COMMANDS": speed.commands},
    ),
    "versions": Subject(
        "a new version of a model: recall, and the rows of the index that change",
        parts={
            "stability": [
                Script(
                    "stability",
                    "versions.stability",
                    "--epochs 3 --follow-epochs 2 --stability 0.5 1 2 4 8 1e9",
                    smoke="--dataset ml-100k --epochs 0.2 --follow-epochs 0.2 --stability 4",
                ),
            ],
        },
        tables={"STABILITY": versions.stability},
        figures={"stability.svg": versions_figures.stability},
    ),
    "product_search": Subject(
        "product search after MGDSPR: parts of the model, the joint index, the relevance filter",
        parts={
            "index": [Script("product_search", "product_search.ablation", smoke=TINY_SEARCH)],
            "parts": [
                Script("product_search_parts", "product_search.ablation", "--rows parts --steps 60", smoke=TINY_SEARCH)
            ],
        },
        tables={"PRODUCTS": product_search.products, "PARTS": product_search.parts},
    ),
    "text": Subject(
        "encoders of texts trained with their index, their latency by ONNX, and queries of a new encoder",
        parts={
            "debian": [
                Script(
                    "text-debian",
                    "text.joint_index",
                    "--specs RQ8 --baselines rq-refined binary",
                    smoke="--epochs 0.1",
                ),
            ],
            "onnx": [
                Script("onnx_latency", "text.onnx_latency", smoke="--items 600 --rounds 20", first_seed_only=True),
            ],
            "query-map": [
                Script(
                    "query_map",
                    "text.query_map",
                    "--sample 2000",
                    smoke="--sample 400 --specs RQ4",
                    first_seed_only=True,
                ),
            ],
        },
        tables={"TEXTS": text.texts},
    ),
}
