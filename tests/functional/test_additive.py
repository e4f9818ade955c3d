from __future__ import annotations

import itertools

import faiss
import numpy as np
import pytest
import torch

from poeem.functional import additive
from poeem.functional.additive import decode_additive, encode_additive
from poeem.functional.additive_faiss import encode_by_faiss


def draw(n=60, M=3, ksub=4, dim=6, seed=0, scale=0.6):
    """Vectors, and codebooks whose codewords get smaller from one to the next."""
    g = torch.Generator().manual_seed(seed)
    sizes = scale ** torch.arange(M, dtype=torch.float32)
    return torch.randn(n, dim, generator=g), torch.randn(M, ksub, dim, generator=g) * sizes[:, None, None]


def errors(x, codes, books):
    """By definition, codeword by codeword in float64: ‖x - Σ codewords‖²."""
    x, books = x.numpy().astype(np.float64), books.numpy().astype(np.float64)
    decoded = sum(books[m][codes[:, m].numpy()] for m in range(len(books)))
    return ((x - decoded) ** 2).sum(1)


def beam_search(x, books, beam):
    """One vector at a time, float64, every extension measured by definition."""
    found = []
    for vector in x.numpy().astype(np.float64):
        kept = [()]
        for m in range(len(books)):
            longer = [(*code, k) for code in kept for k in range(books.shape[1])]
            sums = [sum(books[l][k].numpy().astype(np.float64) for l, k in enumerate(code)) for code in longer]
            order = np.argsort([((vector - s) ** 2).sum() for s in sums], kind="stable")
            kept = [longer[i] for i in order[: beam if m + 1 < len(books) else 1]]
        found.append(kept[0])
    return torch.tensor(found)


@pytest.mark.parametrize("beam", [1, 2, 3, 7])
def test_is_the_beam_search_of_the_definition(beam):
    x, books = draw()
    assert torch.equal(encode_additive(x, books, beam), beam_search(x, books, beam))


def test_a_beam_of_all_sums_finds_the_best_code():
    x, books = draw()
    every = torch.tensor(list(itertools.product(range(4), repeat=3)))
    decoded = decode_additive(every, books).double()
    best = torch.cdist(x.double(), decoded).square().min(1).values
    np.testing.assert_allclose(errors(x, encode_additive(x, books, 64), books), best.numpy(), rtol=1e-5)


def test_a_beam_of_one_takes_the_nearest_codeword_each_time():
    x, books = draw(M=5, ksub=16)
    rest, codes = x.double(), []
    for codewords in books.double():
        codes.append(torch.cdist(rest, codewords).argmin(1))
        rest = rest - codewords[codes[-1]]
    assert torch.equal(encode_additive(x, books, 1), torch.stack(codes, 1))


@pytest.mark.parametrize("beam", [1, 5, 16, 24])
def test_is_as_good_as_faiss_with_the_same_codebooks(beam):
    x, books = draw(n=400, M=4, ksub=16, dim=12)
    stock = faiss.ResidualQuantizer(12, 4, 4)
    stock.max_beam_size = beam
    faiss.copy_array_to_vector(books.numpy().ravel(), stock.codebooks)
    stock.is_trained = True
    theirs = ((x.numpy().astype(np.float64) - stock.decode(stock.compute_codes(x.numpy()))) ** 2).sum(1)
    ours = errors(x, encode_additive(x, books, beam), books)
    assert ours.mean() == pytest.approx(theirs.mean(), rel=1e-4)
    assert (np.abs(ours - theirs) < 1e-4).mean() > 0.98


def test_few_rows_and_many_take_different_paths_to_the_same_codes():
    # One vector has fewer partial sums than there are products of codewords; 5000 have more, and are cut into blocks.
    x, books = draw(n=5000, M=4, ksub=16, dim=8)
    codes = encode_additive(x, books, 6)
    alone = torch.cat([encode_additive(x[i : i + 1], books, 6) for i in range(0, 5000, 50)])
    assert (alone == codes[::50]).all(1).float().mean() >= 0.98
    np.testing.assert_allclose(errors(x[::50], alone, books), errors(x[::50], codes[::50], books), rtol=1e-5)


@pytest.mark.parametrize("kept", [1, 2, 8, 16])
@pytest.mark.parametrize("total", [7, 96, 128, 2048, 4096])
def test_the_smallest_are_found_in_groups(kept, total):
    scores = torch.randn(37, total, generator=torch.Generator().manual_seed(total))
    values, places = additive._smallest(scores.clone(), min(kept, total))
    expected = np.sort(scores.numpy(), axis=1)[:, : min(kept, total)]
    np.testing.assert_array_equal(values.numpy(), expected)
    np.testing.assert_array_equal(scores.gather(1, places).numpy(), expected)


@pytest.mark.parametrize(("M", "ksub", "dim"), [(8, 256, 12), (5, 16, 20), (1, 32, 6), (6, 64, 8)])
def test_faiss_gives_the_codes_of_torch(M, ksub, dim, monkeypatch):
    x, books = draw(n=1200, M=M, ksub=ksub, dim=dim, scale=0.7)
    x, books = x + 50, torch.cat([books[:1] + 50, books[1:]])
    with monkeypatch.context() as patched:
        calls = []
        patched.setattr(additive, "encode_by_faiss", lambda *a: calls.append(1) or encode_by_faiss(*a))
        fast = encode_additive(x, books, 5)
        assert calls
    monkeypatch.setattr(additive, "suits_faiss", lambda *a: False)
    slow = encode_additive(x, books, 5)
    assert (fast == slow).all(1).float().mean() > 0.99
    # Where they differ, two codes are equally near up to rounding.
    np.testing.assert_allclose(errors(x, fast, books), errors(x, slow, books), rtol=1e-3)


def test_a_wider_beam_is_better():
    x, books = draw(n=500, M=6, ksub=16, scale=0.8)
    means = [errors(x, encode_additive(x, books, beam), books).mean() for beam in (1, 4, 16)]
    assert means[0] > 1.05 * means[1] > 1.05 * means[2]


def test_ties_are_the_same_every_time_and_go_to_the_lowest_codeword_in_a_beam_of_one():
    books = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1)[:, [0, 1, 0, 1]]
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    codes = encode_additive(x, books, 3)
    assert torch.equal(encode_additive(x.flip(0), books, 3).flip(0), codes)
    assert encode_additive(x, books, 1).max() <= 1


def test_vectors_far_from_the_origin_lose_no_accuracy():
    x, books = draw(n=300, ksub=16)
    far = books.clone()
    far[0] += 1000
    codes = encode_additive(x + 1000, far, 4)
    assert errors(x, codes, books).mean() == pytest.approx(
        errors(x, encode_additive(x, books, 4), books).mean(), rel=1e-3
    )


def test_decoding_sums_the_codewords_and_hands_each_its_gradient():
    _, books = draw()
    books.requires_grad_()
    codes = torch.tensor([[0, 1, 2], [0, 3, 2]])
    weights = torch.randn(2, 6, generator=torch.Generator().manual_seed(3))
    decoded = decode_additive(codes, books)
    torch.testing.assert_close(decoded[0], books[0, 0] + books[1, 1] + books[2, 2])
    (decoded * weights).sum().backward()
    expected = torch.zeros_like(books)
    for row, code in enumerate(codes.tolist()):
        for m, k in enumerate(code):
            expected[m, k] += weights[row]
    torch.testing.assert_close(books.grad, expected)


def test_no_rows():
    _, books = draw()
    assert encode_additive(torch.empty(0, 6), books).shape == (0, 3)
    assert decode_additive(torch.empty(0, 3, dtype=torch.int64), books).shape == (0, 6)


def test_refuses_what_does_not_fit():
    _, books = draw()
    with pytest.raises(ValueError, match=r"x \(shape \(2, 5\)\) must be \(\.\.\., 6\)"):
        encode_additive(torch.zeros(2, 5), books)
    with pytest.raises(ValueError, match=r"beam \(=0\) must be at least 1"):
        encode_additive(torch.zeros(2, 6), books, 0)


def test_runs_on_every_device(device):
    x, books = draw(n=500, ksub=16)
    codes = encode_additive(x.to(device), books.to(device), 4).cpu()
    assert (codes == encode_additive(x, books, 4)).float().mean() > 0.999
