"""`poeem encode` of Parquet files: memory of all its processes, rows/s, work that is repeated after kill -9, and the
merge of the parts into one faiss index with lists on disk.

python -m benchmarks.bulk.encode_parquet --seed 0 --json benchmarks/results/bulk-0.json
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import poeem
from benchmarks.bulk.process_memory import Watched
from benchmarks.record import Record, parse, picked, script_parser
from poeem.bundle.encoder import Encoder

DIM, SPEC = 64, "OPQ8,IVF1024,PQ8"
FILES = 10
TRAINED_ON = 65_536
ROW_GROUP = 2**17


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--nlist", type=int, default=1024)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kills", type=int, default=2, help="in the first encoding")
    args = parse(parser)
    spec = SPEC.replace("1024", str(args.nlist))
    record = Record(args, picked(args, "rows", "kills") | {"dim": DIM, "spec": spec})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_catalogue(folder / "catalogue", args.rows, args.seed)
        make_index(folder, spec, args.rows, args.seed)
        for number, processes in enumerate(args.processes):
            out = folder / f"parts-{processes}"
            row = encode(folder, out, processes, args.kills if number == 0 else 0)
            row["rows_per_second"] = args.rows / row["seconds"]
            row["equal_codes"] = equal_codes(folder, out)
            record.add(f"encode, {processes} process{'es' if processes > 1 else ''}", row)
            print(processes, row)
        merge = Watched(
            poeem_command("export", folder / "bundle", "--parts", out, "--out", folder / "x.faiss"), log(folder)
        )
        seconds = merge.wait()
        index = faiss.read_index(str(folder / "x.faiss"), faiss.IO_FLAG_ONDISK_SAME_DIR)
        size = sum(file.stat().st_size for file in folder.glob("x.faiss*"))
        row = {
            "seconds": seconds,
            "cpu_seconds": merge.cpu_seconds,
            "peak_mib": merge.peak_mib,
            "rows": index.ntotal,
            "bytes": size,
        }
        record.add("merge into one faiss index", row)
        print(row)


def write_catalogue(folder: Path, rows: int, seed: int) -> None:
    """Normal vectors in files of row groups of 131,072 rows, with ids."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for number, part in enumerate(np.array_split(np.arange(rows), FILES)):
        schema = pa.schema({"id": pa.int64(), "vector": pa.list_(pa.float32(), DIM)})
        with pq.ParquetWriter(folder / f"{number}.parquet", schema, compression="NONE", use_dictionary=False) as file:
            for first in range(0, len(part), ROW_GROUP):
                ids = part[first : first + ROW_GROUP]
                values = rng.standard_normal((len(ids), DIM), dtype=np.float32)
                lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), DIM)
                file.write_table(pa.table([pa.array(ids), lists], schema=schema))


def make_index(folder: Path, spec: str, rows: int, seed: int) -> None:
    """A bundle that was fitted on a sample."""
    x = torch.randn(min(rows, TRAINED_ON), DIM, generator=torch.Generator().manual_seed(seed))
    index = poeem.EmbeddingIndex(DIM, spec, metric="ip", seed=seed)
    index.warm_start(x)
    index.eval().bundle(np.arange(1000), x[:1000], folder / "bundle")


def poeem_command(*words: object) -> list[str]:
    """A call of `poeem`."""
    return [sys.executable, "-m", "poeem", *map(str, words)]


def log(folder: Path) -> Path:
    """File for messages."""
    return folder / "log.txt"


def encode(folder: Path, out: Path, processes: int, kills: int) -> dict[str, float]:
    """Encode everything, killed several times on the way; time and memory are of the whole."""
    command = poeem_command(
        "encode", folder / "bundle", "--items", folder / "catalogue", "--out", out, "--processes", processes
    )
    seconds, processor, peak, repeated, redone = 0.0, 0.0, 0.0, 0, 0
    finished: dict[str, int] = {}
    for kill in range(kills + 1):
        running = Watched(command, log(folder))
        if kill < kills:
            while running.running() and len(done(out)) < len(finished) + 2:
                time.sleep(0.05)
            time.sleep(0.5)
            running.kill()
            time.sleep(1)  # the processes that it started end by themselves
            redone += len(list(out.glob(".part-*")))
        seconds += running.wait()
        processor += running.cpu_seconds
        peak = max(peak, running.peak_mib)
        # A complete part whose file has changed was encoded again.
        repeated += sum(done(out).get(name) != when for name, when in finished.items())
        finished = done(out)
    return {
        "seconds": seconds,
        "cpu_seconds": processor,
        "peak_mib": peak,
        "parts": len(finished),
        "parts_in_progress_when_killed": redone,
        "complete_parts_repeated": repeated,
    }


def done(out: Path) -> dict[str, int]:
    """Complete parts with the times of their files."""
    return {file.name: file.stat().st_mtime_ns for file in out.glob("part-*.parquet")}


def equal_codes(folder: Path, out: Path) -> float:
    """Share of equal codes between the first rows of every input file and an encoding of these alone."""
    encoder, same = Encoder(poeem.open(folder / "bundle")), []
    files = sorted(out.glob("*.parquet"))
    table = pa.concat_tables([pq.read_table(file, columns=["id", "code"]) for file in files])
    starts = {int(one): row for row, one in enumerate(table["id"].to_numpy())}
    for file in sorted((folder / "catalogue").glob("*.parquet")):
        batch = next(pq.ParquetFile(file).iter_batches(batch_size=1000))
        vectors = batch.column("vector").flatten().to_numpy().reshape(-1, DIM).copy()
        codes, _ = encoder.encode(vectors)
        rows = [starts[int(one)] for one in batch.column("id").to_numpy()]
        stored = table["code"].take(rows).to_pylist()
        same.append(np.mean(np.frombuffer(b"".join(stored), np.uint8).reshape(codes.shape) == codes))
    return float(np.mean(same))


if __name__ == "__main__":
    main()
