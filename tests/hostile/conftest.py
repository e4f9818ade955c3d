"""The small bundle of the tests of `poeem.bundle`."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "bundle_conftest", Path(__file__).parent.parent / "bundle" / "conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
_shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shared)
draw, small_bundle = _shared.draw, _shared.small_bundle
