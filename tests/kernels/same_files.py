"""Whether two HDF5 files hold the same to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tables


def differences(first: Path, second: Path) -> list[str]:
    """What differs: nodes, attributes with their types, columns, types, filters, chunks and bytes of the rows."""
    with tables.open_file(str(first)) as one, tables.open_file(str(second)) as other:
        names, others = ({node._v_pathname for node in file.walk_nodes("/")} for file in (one, other))
        found = [f"only in one: {name}" for name in sorted(names ^ others)]
        for name in sorted(names & others):
            found += [f"{name}: {text}" for text in _of_nodes(one.get_node(name), other.get_node(name))]
        return found


def _of_nodes(one: Any, other: Any) -> list[str]:
    mine, its = ({key: repr(node._v_attrs[key]) for key in node._v_attrs._f_list("all")} for node in (one, other))
    found = [f"attribute {key} {mine.get(key)} {its.get(key)}" for key in mine | its if mine.get(key) != its.get(key)]
    if not isinstance(one, tables.Table):
        return found
    for key in ("dtype", "nrows", "chunkshape", "filters", "byteorder", "title"):
        if repr(getattr(one, key)) != repr(getattr(other, key)):
            found.append(f"{key} {getattr(one, key)} {getattr(other, key)}")
    if found:
        return found
    rows, others = one.read(), other.read()
    for name in rows.dtype.names:
        number = sum(a.tobytes() != b.tobytes() for a, b in zip(rows[name], others[name], strict=True))
        if number:
            found.append(f"column {name}: {number} values")
    return found
