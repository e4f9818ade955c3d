import dataclasses
import typing

import pytest

from poeem.option import named
from poeem.towers.image.networks import NETWORKS
from poeem.training.options.images import GROUPS, NetworkOptions, resolve_image_options


def resolved(**options):
    groups = named(GROUPS.values(), **options)
    return resolve_image_options({name: value for group in groups for name, value in vars(group).items()})


def test_defaults_by_how_the_network_starts():
    scratch, frozen = resolved(), resolved(backbone="efficientnet-lite0")
    tuned = resolved(backbone="efficientnet-lite0", finetune=True)
    assert (scratch["network"], frozen["network"]) == ("strided", None)
    assert tuned["lr"] < frozen["lr"]
    assert scratch["temperature"] < frozen["temperature"]
    assert resolved(lr=0.5)["lr"] == 0.5
    assert (scratch["estimator"], resolved(spec="RQ4x4")["estimator"]) == ("soft", "ste")
    assert "device" not in scratch


def test_the_names_of_networks_are_those_of_the_towers():
    (field,) = (field for field in dataclasses.fields(NetworkOptions) if field.name == "network")
    assert field.metadata["choices"] == NETWORKS
    assert typing.get_type_hints(NetworkOptions)["network"] == (str | None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finetune": True}, r"finetune \(=True\) goes with a backbone"),
        ({"network": "residual", "backbone": "x"}, r"network \(='residual'\) is trained from scratch"),
        ({"network": "vgg"}, r"network \(='vgg'\) must be one of 'strided'"),
        ({"temperature": 0.0}, r"temperature \(=0.0\) must be a number above 0"),
        ({"debias": 1.0}, r"debias \(=1.0\)"),
        ({"memory": -1}, r"memory \(=-1\)"),
        ({"memory": 5, "spec": "IVF4,PQ4x4"}, "goes with flat structures"),
        ({"crop": 2.0}, r"crop \(=2.0\)"),
        ({"neighbours": -1}, r"neighbours \(=-1\)"),
        ({"feature_dropout": 1.0}, r"feature_dropout \(=1.0\)"),
        ({"codes": "fixed"}, r"codes \(='fixed'\) are for interactions"),
        ({"patience": 2}, r"patience \(=2\) needs a validation"),
        ({"spec": "PQ7x4"}, "128"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        resolved(**options)
