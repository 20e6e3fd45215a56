"""What differs between two HDF5 files: nodes, attributes, layout and every byte of every column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tables


def differences(path: Path, expected: Path) -> list[str]:
    """Return what differs; nothing if the files are equal."""
    with tables.open_file(str(path)) as file, tables.open_file(str(expected)) as other:
        nodes = {node._v_pathname: node for node in file.walk_nodes()}
        wanted = {node._v_pathname: node for node in other.walk_nodes()}
        if list(nodes) != list(wanted):
            return [f"nodes {list(nodes)} instead of {list(wanted)}"]
        return [text for name in nodes for text in _of_node(nodes[name], wanted[name])]


def _of_node(node: Any, wanted: Any) -> list[str]:
    found = []
    name = node._v_pathname
    if _attributes(node) != _attributes(wanted):
        changed = set(_attributes(node).items()) ^ set(_attributes(wanted).items())
        found.append(f"{name}: attributes {sorted(changed)}")
    if isinstance(wanted, tables.Table):
        for what in ("dtype", "chunkshape", "filters", "title", "byteorder"):
            if getattr(node, what) != getattr(wanted, what):
                found.append(f"{name}: {what} {getattr(node, what)} instead of {getattr(wanted, what)}")
        if not found:
            rows, others = node.read(), wanted.read()
            names = [column for column in rows.dtype.names if rows[column].tobytes() != others[column].tobytes()]
            found += [f"{name}: column {column}" for column in names]
    return found


def _attributes(node: Any) -> dict[str, tuple[str, str]]:
    values = {key: node._v_attrs[key] for key in node._v_attrs._f_list("all")}
    return {key: (type(value).__name__, repr(value)) for key, value in values.items()}
