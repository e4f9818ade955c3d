"""The defaults of this library."""

TRAIN: dict = {}
FIT: dict = {}
