"""Whether two products are equal, and where they first differ if not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables
from astropy.io import fits

LEFT_OUT = frozenset({"DATE", "CREATED", "CHECKSUM", "DATASUM", "BASE_DIR"})
"""Header cards that tell when and where a file was written, and sums over them."""
RELATIVE = 1e-12
"""How far numbers may differ that were made on another kind of processor: BLAS adds in another order there."""


def difference(ours: Path, theirs: Path, *, relative: float = 0.0) -> str:
    """Return where two files of tables first differ; an empty text if they are equal.

    Parameters
    ----------
    ours, theirs : pathlib.Path
        HDF5 or FITS files.
    relative : float, optional
        Difference that is allowed between floating-point numbers, relative to the number or to the largest one of its
        column; 0 compares bytes.
    """
    compare = _of_hdf if theirs.suffix == ".h5" else _of_fits
    return next(compare(ours, theirs, relative), "")


def _of_hdf(ours: Path, theirs: Path, relative: float) -> Iterator[str]:
    with tables.open_file(str(ours)) as our_file, tables.open_file(str(theirs)) as their_file:
        our_nodes = {node._v_pathname: node for node in our_file.walk_nodes("/")}
        their_nodes = {node._v_pathname: node for node in their_file.walk_nodes("/")}
        if only := sorted(our_nodes.keys() ^ their_nodes.keys()):
            yield f"{only[0]} is only in {'ours' if only[0] in our_nodes else 'that of magic-cta-pipe'}"
        for path, theirs_node in sorted(their_nodes.items()):
            ours_node = our_nodes[path]
            yield from _of_attributes(path, ours_node._v_attrs, theirs_node._v_attrs)
            if isinstance(theirs_node, tables.Leaf):
                yield from _of_arrays(path, ours_node.read(), theirs_node.read(), relative)


def _of_attributes(path: str, ours: Any, theirs: Any) -> Iterator[str]:
    names = {*ours._f_list("all")} ^ {*theirs._f_list("all")}
    if names:
        yield f"{path}: attribute {min(names)} is only in one of them"
    for name in theirs._f_list("all"):
        if not np.array_equal(np.asarray(ours[name]), np.asarray(theirs[name])):
            yield f"{path}: attribute {name} is {ours[name]!r}, not {theirs[name]!r}"


def _of_fits(ours: Path, theirs: Path, relative: float) -> Iterator[str]:
    with fits.open(ours) as our_hdus, fits.open(theirs) as their_hdus:
        names = [[hdu.name for hdu in hdus] for hdus in (our_hdus, their_hdus)]
        if names[0] != names[1]:
            yield f"HDUs {', '.join(names[0])}, not {', '.join(names[1])}"
        for our_hdu, their_hdu in zip(our_hdus, their_hdus, strict=True):
            yield from _of_headers(their_hdu.name, our_hdu.header, their_hdu.header)
            if their_hdu.data is not None:
                yield from _of_arrays(their_hdu.name, np.asarray(our_hdu.data), np.asarray(their_hdu.data), relative)


def _of_headers(hdu: str, ours: fits.Header, theirs: fits.Header) -> Iterator[str]:
    cards = [
        [(c.keyword, c.value, c.comment) for c in one.cards if c.keyword not in LEFT_OUT] for one in (ours, theirs)
    ]
    for our_card, their_card in zip(*cards, strict=False):
        # NaN is not equal to itself, but its text is.
        if our_card != their_card and repr(our_card) != repr(their_card):
            yield f"{hdu}: card {our_card[0]} is {our_card[1]!r}, not {their_card[0]} {their_card[1]!r}"
    if len(cards[0]) != len(cards[1]):
        yield f"{hdu}: {len(cards[0])} header cards, not {len(cards[1])}"


def _of_arrays(path: str, ours: Any, theirs: Any, relative: float) -> Iterator[str]:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        yield f"{path}: {ours.dtype} of shape {ours.shape}, not {theirs.dtype} of shape {theirs.shape}"
        return
    for name in theirs.dtype.names or ("",):
        our_column, their_column = (ours[name], theirs[name]) if name else (ours, theirs)
        if our_column.tobytes() == their_column.tobytes():
            continue
        unequal = ~_is_close(our_column, their_column, relative)
        if unequal.any():
            place = tuple(int(number) for number in np.argwhere(unequal)[0])
            where = f"column {name}, " if name else ""
            yield (
                f"{path}: {where}row {place[0] if place else 0}: {our_column[place]!r}, not {their_column[place]!r} "
                f"({np.count_nonzero(unequal)} of {unequal.size} differ)"
            )


def _is_close(ours: npt.NDArray[Any], theirs: npt.NDArray[Any], relative: float) -> npt.NDArray[np.bool_]:
    if ours.dtype.kind != "f":
        return np.asarray(ours == theirs)
    if relative:
        # Of sums that cancel, what is left is small, and its rounding is that of the summands.
        scale = np.max(np.abs(theirs), initial=0.0, where=np.isfinite(theirs))
        return np.asarray(np.isclose(ours, theirs, rtol=relative, atol=relative * scale, equal_nan=True))
    # The sign of zero and the bits of NaN are part of the bytes.
    kind = f"u{ours.dtype.itemsize}"
    return np.asarray(np.ascontiguousarray(ours).view(kind) == np.ascontiguousarray(theirs).view(kind))
