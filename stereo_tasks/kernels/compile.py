"""Compiled functions with types: what numba's decorators do not tell a type checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def jit(function: Function) -> Function:
    """Compile a function with numba, once for all processes: the machine code is kept beside the module."""
    return cast(Function, numba.njit(cache=True)(function))
