"""ImageRun: a stored run of the recipe for images, which encodes and searches images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.images.decode import to_file
from poeem.data.images.read_images import image_files, read_image_files
from poeem.evaluation.class_metrics import judged_queries
from poeem.evaluation.query_set import QuerySet
from poeem.functional.unit_length import unit_rows
from poeem.training.id_lookup import check_same_items
from poeem.training.images.evaluate import ImageTest
from poeem.training.images.model import ImageModel, build_image_model
from poeem.training.run_folder import RunFolder

if TYPE_CHECKING:
    import pyarrow as pa

VECTORS_FILE, DATA_FILE = "vectors.npz", "data.json"
# Column of a bundle with a picture of each item, as the bytes of an image file.
PICTURE = "picture"


@dataclass(frozen=True, eq=False)
class ImageRun:
    """A finished run of ``poeem train --images``: ``poeem.load(DIR)``.

    Args:
        folder: paths of the run.
        config: settings, steps, timings, name of the data set.
        model: tower and index, in eval mode.
        bundle: the index with the codes of all images.
        vectors: float32, ``(n, dim)``, before the index, of the images of the training, test queries included.
        labels: int64, ``(n,)``, their classes; None without.
        queries: int64, rows of the test queries.
        names: their ids.
    """

    folder: RunFolder
    config: dict[str, Any]
    model: ImageModel
    bundle: Bundle
    vectors: np.ndarray
    labels: np.ndarray | None
    queries: np.ndarray
    names: list[str]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the training."""
        return self.config["settings"]

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """Compute the query vectors of images uint8 ``(n, size, size, channels)``: float32 ``(n, dim)``, of unit
        length.

        Size and channels must be those of the training, which is not checked.
        """
        return unit_rows(self.model.vectors(pixels))

    def encode_files(self, paths: list[Path]) -> np.ndarray:
        """Compute the query vectors of image files, of any size: float32 ``(n, dim)``, of unit length.

        Raises:
            ValueError: a file cannot be read.
        """
        pixels, _, skipped = read_image_files(paths, self.settings["image_size"], self.settings["channels"])
        if skipped:
            raise ValueError(skipped[0])
        return self.encode_images(pixels)

    def new_items(self, path: Path, log: Callable[[str], object] = lambda line: None) -> tuple[pa.Table, np.ndarray]:
        """Read items for ``poeem add``: a table of ids with the bundle's columns ``title`` and picture, and vectors
        of unit length.

        Args:
            path: an image file, whose name is the id; or a folder of them, ids are paths below it.
            log: called with a line for each file that cannot be read.
        Raises:
            ValueError: no image can be read.
        """
        import pyarrow as pa

        files = image_files(path) if path.is_dir() else [path]
        size, channels = self.settings["image_size"], self.settings["channels"]
        pixels, read, skipped = read_image_files(files, size, channels)
        if not read:
            raise ValueError(skipped[0] if skipped else f"{path}: holds no image")
        for line in skipped:
            log(f"skipped {line}")
        base = path if path.is_dir() else path.parent
        names = [file.relative_to(base).as_posix() for file in read]
        columns: dict[str, Any] = {"id": names}
        known = [] if self.bundle.columns is None else self.bundle.columns.column_names
        if "title" in known:
            # The class is the first folder of the path, as in the training.
            folders = [name.rpartition("/")[0].partition("/")[0] or None for name in names]
            columns["title"] = pa.array(folders, pa.string())
        if PICTURE in known:
            columns[PICTURE] = pa.array([to_file(image) for image in pixels], pa.binary())
        return pa.table(columns), self.encode_images(pixels)

    def items_of_file(self, path: Path) -> tuple[np.ndarray, Callable[[slice], np.ndarray]]:
        """Read the ids of the images of a file or folder, and return them with a function from a slice of them to
        vectors. Images that cannot be read are left out.
        """
        table, vectors = self.new_items(path)
        return np.array(table["id"].to_pylist(), dtype=object), lambda rows: vectors[rows]

    def item_vectors(self) -> np.ndarray:
        """Return the vectors before the index of all items in the bundle's order, as ``export(..., refine=...)`` takes
        them: float32, ``(n, dim)``, of unit length. Vectors that were replaced after the training are not known here.

        Raises:
            ValueError: items were added or deleted after the training.
        """
        self.check_unchanged()
        return unit_rows(self.vectors)

    def check_unchanged(self) -> None:
        """Refuse a run whose items were added or deleted after its training. Replaced vectors are not noticed.

        Raises:
            ValueError: items were added or deleted.
        """
        check_same_items(self.bundle, np.array(self.names, dtype=object))

    def query_set(self) -> QuerySet:
        """Return the test queries, which are items of the bundle and are not returned for themselves."""
        rows = self.queries[: self.settings["test_queries"]]
        return QuerySet(self.vectors[rows], self_rows=rows)

    def test(self) -> tuple[ImageTest, np.ndarray]:
        """Return the test queries with their gallery, and the gallery's rows in the bundle.

        The classes are None where they can judge nothing: no query has the class of an image of the gallery.
        """
        gallery = np.setdiff1d(np.arange(len(self.vectors)), self.queries)
        queries = self.queries[: self.settings["test_queries"]]
        labels: Any = (None, None)
        if self.labels is not None and len(judged_queries(self.labels[queries], self.labels[gallery])):
            labels = self.labels[queries], self.labels[gallery]
        return ImageTest(self.vectors[queries], self.vectors[gallery], *labels), gallery


def load_image_run(path: str | Path, device: str = "cpu") -> ImageRun:
    """Read a finished run from its folder.

    Args:
        path: the folder ``out`` of the training.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a part is damaged, or parts come from different runs.
    """
    folder = RunFolder(path)
    config, bundle = folder.finished("images")
    fix = "restore the file, or train again"
    try:
        with (folder.model / VECTORS_FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            vectors, queries = arrays["vectors"], arrays["queries"]
            labels = arrays["labels"] if "labels" in arrays.files else None
        names = json.loads((folder.model / DATA_FILE).read_text(encoding="utf-8"))["names"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{folder.model}: {VECTORS_FILE} and {DATA_FILE} cannot be read ({error}); {fix}") from None
    model = folder.load_model(lambda: build_image_model(config["settings"]), device)
    return ImageRun(folder, config, model, bundle, vectors, labels, queries, names)


def write_image_data(folder: Path, vectors: np.ndarray, images: Any, queries: np.ndarray) -> None:
    """Write the vectors, classes and names of the images of a training into a folder.

    Args:
        folder: of the model.
        vectors: float32, ``(n, dim)``.
        images: the ``ImageSet``.
        queries: rows of the test queries, in the order in which they are used.
    """
    labels = {} if images.labels is None else {"labels": images.labels}
    np.savez(folder / VECTORS_FILE, vectors=vectors, queries=queries, **labels)
    facts = {"names": list(images.names), "classes": list(images.classes)}
    (folder / DATA_FILE).write_text(json.dumps(facts), encoding="utf-8")
