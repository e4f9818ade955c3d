"""Our recipe: the defaults."""

TRAIN: dict = {}
FIT: dict = {}
