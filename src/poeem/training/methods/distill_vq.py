"""Xiao et al., "Distill-VQ", SIGIR 2022: the index learns exact scores of the 200 best items of each query."""

TRAIN = {"distill": 1.0}
FIT = {"top": 200}
