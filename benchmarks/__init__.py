"""Benchmarks: the measurements behind every table and figure of the README and the docs.

One folder per subject. ``python -m benchmarks`` lists the subjects and runs them. `record` is the format of a result
file, `read` reads result files, `train_model` trains a model for a benchmark, `markdown` and `figure` make tables and
figures.
"""
