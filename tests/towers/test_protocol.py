import pytest
import torch

from poeem.towers.protocol import check_history, check_numbers


def test_takes_empty_places_and_every_number_of_the_catalogue():
    check_history(torch.tensor([[-1, 0, 4]]), n_items=5)
    check_numbers("items", torch.empty(0).long(), n_items=5)


def test_an_empty_place_is_no_item():
    with pytest.raises(ValueError, match=r"items has item number -1; numbers must be in \[0, 5\)$"):
        check_numbers("items", torch.tensor([-1]), n_items=5)
