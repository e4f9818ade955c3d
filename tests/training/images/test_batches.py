import numpy as np
import pytest

from poeem.training.images.batches import ImageBatches


def batch_rows(batches, step, **of):
    return batches.batch(step, **of)["images"][:, 0].tolist()


def test_every_image_once_an_epoch_and_only_the_given_rows():
    rows = np.arange(3, 13)
    batches = ImageBatches(np.arange(20)[:, None], rows, batch_size=4, seed=1)
    stream = [row for step in range(5) for row in batch_rows(batches, step)]
    assert sorted(stream[:10]) == sorted(stream[10:]) == rows.tolist()
    assert stream[:10] != stream[10:]
    assert batches.steps_per_epoch == 3


def test_a_batch_depends_on_its_step_only_and_ranks_share_it():
    images, rows = np.arange(20)[:, None], np.arange(20)
    batches, other = (ImageBatches(images, rows, batch_size=6, seed=2) for _ in range(2))
    assert [batch_rows(batches, step) for step in range(8)][7] == batch_rows(other, 7)
    assert batch_rows(other, 3, rank=0, world=2) + batch_rows(other, 3, rank=1, world=2) == batch_rows(batches, 3)


@pytest.mark.parametrize(("n", "size"), [(1, 4), (5, 1)])
def test_an_image_needs_another_one(n, size):
    with pytest.raises(ValueError, match="must be at least 2"):
        ImageBatches(np.arange(n)[:, None], np.arange(n), batch_size=size)


def test_partners_are_neighbours_of_their_images_and_ranks_share_them():
    rows = np.arange(3, 23)
    # The neighbours of each place are the next two places.
    neighbours = (np.arange(20)[:, None] + [1, 2]) % 20
    batches = ImageBatches(np.arange(30)[:, None], rows, batch_size=8, neighbours=neighbours)
    distances = []
    for step in range(10):
        batch = batches.batch(step)
        distances += ((batch["partners"] - batch["images"]) % 20)[:, 0].tolist()
        parts = [batches.batch(step, rank, 2)["partners"][:, 0].tolist() for rank in (0, 1)]
        assert parts[0] + parts[1] == batch["partners"][:, 0].tolist()
    assert set(distances) == {1, 2}
