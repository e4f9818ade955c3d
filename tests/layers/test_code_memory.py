import pytest
import torch

from poeem import EmbeddingIndex
from poeem.layers.code_memory import CodeMemory


def test_keeps_the_latest_codes():
    memory, added = CodeMemory(5, M=2), torch.arange(24).reshape(12, 2)
    for part in added.split([1, 3, 2, 6]):
        memory.add(part)
    assert sorted(memory.codes().tolist()) == added[-5:].tolist()


def test_decodes_by_the_present_codebooks():
    index = EmbeddingIndex(4, "PQ2x4", metric="ip")
    memory = CodeMemory(8, M=2)
    assert memory.vectors(index) is None
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    index.warm_start(x)
    codes, _ = index.encode(x[:6])
    memory.add(codes)
    before = memory.vectors(index)
    assert before.requires_grad
    with torch.no_grad():
        index.quantizer.codebooks.mul_(2)
    torch.testing.assert_close(memory.vectors(index), 2 * before)
    torch.testing.assert_close(memory.vectors(index), index.decode(codes))


def test_state_holds_the_codes():
    memory, other = CodeMemory(4, M=1), CodeMemory(4, M=1)
    memory.add(torch.tensor([[7], [8]]))
    other.load_state_dict(memory.state_dict())
    assert torch.equal(other.codes(), memory.codes())


def test_refuses_no_codes():
    with pytest.raises(ValueError, match=r"size \(=0\) of the memory must be at least 1"):
        CodeMemory(0, M=1)
