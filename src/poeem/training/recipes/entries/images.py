"""The recipe for images, as commands know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.option import option
from poeem.training.options.images import FILE_GROUPS, GROUPS
from poeem.training.options.run import names
from poeem.training.recipes.recipe import Answer, QueryVectors, Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator

    from poeem.data.images.image_set import ImageSet
    from poeem.training.images.run import ImageRun

# Images are read at this size for a backbone where none is given.
BACKBONE_SIZE = 112


@dataclass(frozen=True)
class ImageQueries:
    """What to search for."""

    image: Path | None = option(None, "Images similar to an image file.", metavar="FILE")


def read(options: Mapping[str, Any], log: Callable[[str], None]) -> ImageSet:
    """Read the images of a folder or file, or of a data set."""
    from poeem.data.datasets import load_images
    from poeem.data.images.read_images import read_images

    files, run = options["files"], options["run"]
    if files.images is None:
        if files.image_size is not None:
            raise ValueError(f"image_size (={files.image_size}) goes with --images; a data set has its own size")
        return load_images(run.dataset)
    backbone = options["model"].backbone is not None
    return read_images(files.images, size=files.image_size or (BACKBONE_SIZE if backbone else None), log=log)


def train(images: ImageSet, options: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    """Train network and index, and compare with post-hoc indexes."""
    from poeem.training.recipes.images import train_images

    files, run = options["files"], options["run"]
    return train_images(
        images,
        run.out,
        # The name without folder: a run can be resumed with the same data in another folder.
        dataset=run.dataset or files.images.resolve().name,
        baselines=names(run.baselines),
        test_queries=files.test_queries,
        pixels=files.pixels,
        features=files.features,
        resume=resume,
        **{name: value for group in GROUPS for name, value in vars(options[group]).items()},
    )


def load(path: str | Path, device: str) -> ImageRun:
    """Load a finished run."""
    from poeem.training.images.run import load_image_run

    return load_image_run(path, device)


def evaluate(
    path: str | Path, *, accelerator: Accelerator, baselines: Sequence[str], nprobe: int | None
) -> dict[str, Any]:
    """Evaluate a run again."""
    from poeem.training.images.compare import compare_images

    return compare_images(path, baselines=baselines, nprobe=nprobe)


def search(run: ImageRun, asked: Mapping[str, Any], k: int, nprobe: int | None) -> Answer:
    """Search for images similar to an image file, or to an item of the index."""
    from poeem.engines.reference import ReferenceScorer
    from poeem.training.recommend import bundle_nprobe, similar_to_id

    if "image" in asked:
        path = Path(asked["image"])
        if not path.is_file():
            raise ValueError(f"image (={str(path)!r}) is no file")
        vectors = run.encode_files([path])
        scores, rows = ReferenceScorer(run.bundle).search(vectors, k, bundle_nprobe(run.bundle, nprobe))
        return Answer(f"similar to {path.name}", scores, rows)
    return similar_to_id(run.bundle, asked["item"], k, nprobe)


def encode(run: ImageRun, asked: Sequence[Mapping[str, Any]]) -> QueryVectors:
    """Vectors of image files, given as bytes, or of items as queries."""
    import numpy as np

    from poeem.data.images.decode import Unreadable, open_image, to_pixels
    from poeem.training.recommend import items_as_queries

    if "item" in asked[0]:
        return items_as_queries(run.bundle, [one["item"] for one in asked])
    size, grey = run.settings["image_size"], run.settings["channels"] == 1
    try:
        pixels = [to_pixels(open_image(one["image"]), size, grey=grey) for one in asked]
    except Unreadable as error:
        raise ValueError(f"image {error}") from None
    return QueryVectors(run.encode_images(np.stack(pixels)), [[] for _ in asked])


RECIPE = Recipe(
    name="images",
    groups={**FILE_GROUPS, **GROUPS},
    data_sets=("fashion-mnist",),
    queries=ImageQueries,
    figures=("map@1000", "precision@100", "neighbour_recall@10"),
    main_figure="map@1000",
    read=read,
    train=train,
    load=load,
    evaluate=evaluate,
    search=search,
    encode=encode,
)
