"""Layers of settings: one laid over the other, key by key, and which layer each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def overlay(base: Any, over: Any, *, nulls: bool = False) -> Any:
    """Lay a layer over another, key by key.

    Parameters
    ----------
    base, over : dict or value
        The lower layer and the upper one. Keys that the upper one has not are left as they are.
    nulls : bool, optional
        Whether null replaces a value, too; else it leaves it as it is, as a file with an empty section does.
    """
    if over is None and not nulls:
        return base
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: overlay(base.get(key), value, nulls=nulls) for key, value in over.items()}}
    return over


def leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value with its dotted key, such as ``create_irf.event_type``; a list is one value."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def leaf(content: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; None if there is none."""
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
