"""Snapshot: the rows of a version with its changes, as one bundle in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.serve.version import Version


def snapshot(version: Version) -> Bundle:
    """Return the bundle with the changes since it was opened, without columns. Hold the gate meanwhile."""
    bundle, overlay = version.bundle, version.overlay
    if not overlay:
        return bundle
    from poeem.bundle.encoder import Encoder

    kept = np.array([id not in overlay for id in bundle.ids.tolist()])
    ids, codes = bundle.ids[kept], bundle.codes[kept]
    lists = None if bundle.lists is None else bundle.lists[kept]
    if overlay.vectors:
        new_codes, new_lists = Encoder(bundle).encode(np.stack(list(overlay.vectors.values())))
        ids = np.concatenate([ids, np.array(list(overlay.vectors), dtype=ids.dtype)])
        codes = np.concatenate([codes, new_codes])
        lists = None if lists is None or new_lists is None else np.concatenate([lists, new_lists])
    return replace(bundle, ids=ids, codes=codes, lists=lists, columns=None)
