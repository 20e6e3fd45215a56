"""Quality cuts as magic-cta-pipe writes them into the headers of IRFs: a subset of what pandas' ``query`` takes."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from stereo_tasks.kernels.errors import NotCovered

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def parse(cuts: str) -> ast.expr:
    """Parse cuts: comparisons of columns with numbers, joined by & and | (or ``and`` and ``or``), which bind alike.

    Raises
    ------
    NotCovered
        If there is more in them.
    """
    try:
        tree = ast.parse(cuts.replace("&", " and ").replace("|", " or ").strip(), mode="eval").body
    except SyntaxError:
        raise NotCovered(f"quality cuts that are no expression: {cuts}") from None
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare | ast.BoolOp | ast.boolop | ast.cmpop | ast.Name | ast.Constant | ast.Load):
            raise NotCovered(f"quality cuts with more than comparisons: {cuts}")
    _check(tree, cuts)
    return tree


def _check(node: ast.expr, cuts: str) -> None:
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check(value, cuts)
        return
    good = isinstance(node, ast.Compare) and all(type(kind) in _COMPARISONS for kind in node.ops)
    if not good or not all(_is_value(value) for value in [node.left, *node.comparators]):  # type: ignore[attr-defined]
        raise NotCovered(f"quality cuts with more than comparisons of columns and numbers: {cuts}")


def _is_value(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and type(node.value) in (int, float))


def columns(tree: ast.expr) -> set[str]:
    """Return the names of the columns that cuts are on."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def passed(tree: ast.expr, rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Return which rows pass, shape (n_rows,)."""
    if isinstance(tree, ast.BoolOp):
        join = np.logical_and if isinstance(tree.op, ast.And) else np.logical_or
        return np.asarray(join.reduce([passed(value, rows) for value in tree.values]), bool)
    assert isinstance(tree, ast.Compare)  # noqa: S101 - parsed
    values = [rows[v.id] if isinstance(v, ast.Name) else v.value for v in [tree.left, *tree.comparators]]  # type: ignore[attr-defined]
    each = [
        np.broadcast_to(_COMPARISONS[type(kind)](one, other), len(rows))
        for kind, one, other in zip(tree.ops, values[:-1], values[1:], strict=True)
    ]
    return np.asarray(np.logical_and.reduce(each), bool)
