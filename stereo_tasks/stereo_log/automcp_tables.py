"""Reading autoMCP's HDF5 files, in a process of its own: ``python automcp_tables.py FILE...``.

A damaged HDF5 file can crash or block the library that reads it, and pandas keeps texts as pickles, which can run
anything. So the files are read here, with limits and with an audit hook that lets arrays pass only, and leave as JSON.
"""

from __future__ import annotations

import json
import math
import pickle
import resource
import sys
from collections.abc import Iterable
from typing import Any

KEYS = ("joint_obs", "MAGIC1/runs_M1", "MAGIC2/runs_M2")
"""Keys of autoMCP's tables."""

_MEMORY_BYTES = 4_000_000_000
_CPU_S = 120
_MAX_ROWS = 500_000
_ARRAYS = {
    (module, name)
    for module in ("numpy._core.multiarray", "numpy.core.multiarray")
    for name in ("_reconstruct", "scalar")
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy", "bool"), ("numpy", "bool_"), ("_codecs", "encode")}


def _arrays_only(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what an unpickler is asked for, unless arrays are made of it."""
    if event == "pickle.find_class" and arguments[:2] not in _ARRAYS:
        raise pickle.UnpicklingError(".".join(map(str, arguments[:2])) + " in a table of texts and numbers")


def read_tables(path: str) -> dict[str, dict[str, Any]]:
    """Return the tables of one file as plain values.

    Parameters
    ----------
    path : str
        HDF5 file.

    Returns
    -------
    dict
        For each of `KEYS` that is there, ``columns`` (names) and ``rows`` (lists of values; None for NaN).
    """
    import pandas

    tables = {}
    with pandas.HDFStore(path, mode="r") as store:
        for key in KEYS:
            if key not in store:
                continue
            frame = store.get(key)
            if len(frame) > _MAX_ROWS:
                raise ValueError(f"{key} has {len(frame)} rows")
            columns = [str(name) for name in frame.columns]
            rows = [[_plain(value) for value in row] for row in frame.itertuples(index=False, name=None)]
            tables[key] = {"columns": columns, "rows": rows}
    return tables


def _plain(value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:  # a number of numpy
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    text = str(value)
    return None if text in {"NaT", "<NA>"} else text[:1000]


def main(paths: Iterable[str]) -> int:
    """Print the tables of some files as JSON, or what is wrong with the first bad one."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not by an unpickler of our own: pandas puts its own in the place of any other while it reads.
    sys.addaudithook(_arrays_only)
    out = []
    for number, path in enumerate(paths):
        try:
            out.append(read_tables(path))
        except Exception as error:  # noqa: BLE001
            # Whatever the libraries make of a damaged file; the parent says it in one line.
            text = " ".join(str(error).split())[:300] or type(error).__name__
            json.dump({"number": number, "error": text}, sys.stdout)
            return 0
    json.dump({"tables": out}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
