"""``poeem encode`` of a folder that holds a bundle and no model, as a fit leaves it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from poeem.cli.main import main
from poeem.functional.packing import unpack_codes
from poeem.layers.embedding_index import EmbeddingIndex


def test_a_bundle_is_enough(tmp_path, capsys):
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    layer = EmbeddingIndex(8, "IVF4,PQ2x4", metric="l2")
    layer.warm_start(x)
    layer.eval().bundle(np.arange(300), x, tmp_path / "fit" / "bundle")
    vectors = pa.array(x[:50].tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": [f"n{i}" for i in range(50)], "v": vectors}), tmp_path / "new.parquet")
    arguments = ["encode", tmp_path / "fit", "--items", tmp_path / "new.parquet", "--out", tmp_path / "parts", "--json"]
    assert main([str(argument) for argument in arguments]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 50
    table = pq.read_table(tmp_path / "parts")
    packed = np.frombuffer(b"".join(table["code"].to_pylist()), np.uint8).reshape(50, -1)
    codes, lists = layer.encode(x[:50])
    np.testing.assert_array_equal(unpack_codes(packed, 2, 4), codes)
    np.testing.assert_array_equal(table["list"].to_numpy(), lists)
    assert table["id"].to_pylist()[:2] == ["n0", "n1"]
    assert main(["encode", str(tmp_path / "none"), "--items", "x.npy", "--out", str(tmp_path / "p")]) == 2
    assert "no bundle at" in capsys.readouterr().err
