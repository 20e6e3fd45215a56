"""Quality cuts: what the expressions of magic-cta-pipe's configuration select, without pandas."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.kernels.errors import NotCovered
from stereo_tasks.kernels.event_tables import Columns

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}


def selected(cuts: str | None, columns: Columns) -> NDArray[np.bool_]:
    """Return which rows fulfil the cuts.

    Parameters
    ----------
    cuts : str, optional
        Comparisons of float64 columns with numbers, joined by ``&``, such as ``(intensity > 50) & (width > 0)``.
    columns : dict of str to numpy.ndarray
        Shape (n,) each.

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool.

    Raises
    ------
    NotCovered
        If the expression is another one.
    """
    mask = np.ones(len(next(iter(columns.values()))), dtype=bool)
    if cuts is None:
        return mask
    try:
        tree = ast.parse(cuts, mode="eval").body
    except SyntaxError:
        raise NotCovered(f"quality_cuts: {cuts}") from None
    for comparison in _comparisons(tree, cuts):
        mask &= _compared(comparison, columns, cuts)
    return mask


def _comparisons(node: ast.expr, cuts: str) -> list[ast.Compare]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        return _comparisons(node.left, cuts) + _comparisons(node.right, cuts)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return [node]
    raise NotCovered(f"quality_cuts: {cuts}")


def _compared(node: ast.Compare, columns: Columns, cuts: str) -> NDArray[np.bool_]:
    (compare,), (number,) = node.ops, node.comparators
    name = node.left.id if isinstance(node.left, ast.Name) else ""
    known = name in columns and columns[name].dtype == np.float64 and type(compare) in _COMPARISONS
    if not known or not isinstance(number, ast.Constant) or type(number.value) not in (int, float):
        raise NotCovered(f"quality_cuts: {cuts}")
    return np.asarray(_COMPARISONS[type(compare)](columns[name], number.value))
