"""torch.compile of the embedding index."""

from __future__ import annotations

import shutil

import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from tests.layers.samples import ready, sample


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler warns about torch itself
# The C++ compiler takes seconds for each kernel, and a part of the structure has all of their kinds.
@pytest.mark.parametrize(("backend", "spec"), [("aot_eager", "OPQ4,IVF8,PQ4x4"), ("inductor", "PQ4x4")])
def test_compiles(backend, spec, tmp_path, monkeypatch):
    # Kernels in a shared cache may have been compiled for other instructions than ATEN_CPU_CAPABILITY allows here.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("inductor needs a C++ compiler")
    index = ready(spec)
    x = sample()
    plain = index(x)
    compiled = torch.compile(index, backend=backend)(x)
    assert torch.equal(plain.codes, compiled.codes)
    torch.testing.assert_close(plain.embedding, compiled.embedding)
    compiled.distortion.backward()
    assert all(p.grad is not None for p in index.parameters())


@pytest.mark.filterwarnings("ignore")  # the compiler warns about torch itself
@pytest.mark.parametrize("spec", ["OPQ4,PQ4x4", "IVF4,RQ2x4"])
def test_compiled_training_settles_after_the_second_step_of_each_phase(spec):
    torch._dynamo.reset()
    index = EmbeddingIndex(16, spec, metric="ip", warmup_steps=20, buffer_rows=20 * 64 + 1, reseed_every=8)
    compiled = torch.compile(index, backend="eager")
    optimizer = torch.optim.SGD(index.parameters(), lr=1e-3)
    x = sample(64)
    for _ in range(3):  # warm-up, collecting, ready
        for step in range(20):
            with torch._dynamo.config.patch(error_on_recompile=step >= 2):
                out = compiled(x)
                optimizer.zero_grad()
                (out.embedding.square().mean() + out.distortion).backward()
                optimizer.step()
    assert index.ready
