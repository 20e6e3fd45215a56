"""Compiled functions with types: what numba's decorators do not tell a type checker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba

from stereo_tasks.kernels.sources import newest_source

Function = TypeVar("Function", bound=Callable[..., object])

_STAMP = newest_source(Path(__file__).parent)


def jit(function: Function) -> Function:
    """Compile a function with numba, once for all processes: the machine code is kept beside the module.

    numba compiles a function anew when its own module has changed, but not when a function that it calls from another
    module has: here any change of the package counts.
    """
    compiled = numba.njit(cache=True)(function)
    compiled._cache._cache_file._source_stamp = _STAMP
    return cast(Function, compiled)
