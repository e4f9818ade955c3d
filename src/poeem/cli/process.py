"""Settings of the Python process that let a command start and end faster."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence


def prepare_process(arguments: Sequence[str]) -> None:
    """Change the process so that one command starts and ends faster.

    Only for a process of our own: ``main`` does not call it if a caller passes the arguments.

    Args:
        arguments: the command line without the program's name.
    """
    # The interpreter's last garbage collection visits all objects of torch, which takes 0.3 s. The operating system
    # frees their memory anyway.
    atexit.register(gc.freeze)
    if "search" in arguments[:1]:
        # A search is short and imports much: garbage collections would cost 0.1 s.
        gc.disable()
        if not {"-h", "--help"} & set(arguments):
            keep_pandas_out()


def keep_pandas_out() -> None:
    """Keep pyarrow from importing pandas, which it does for its first array if pandas is installed (0.2 s).

    pyarrow needs pandas to convert DataFrames. A search has none.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        import pyarrow as pa

        pa.array([0])  # the first array: pyarrow looks for pandas once
    finally:
        sys.meta_path.remove(_NoPandas)


class _NoPandas:
    """An importer for which pandas is not installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
