"""Making values fit for PostgreSQL, which takes neither NUL in texts nor NaN in JSON."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Any


def plain(value: Any) -> Any:
    """Return a value as the database can keep it.

    NUL characters and undecodable bytes in texts become question marks, numbers that are not finite become None, tuples
    become lists and paths texts.

    Parameters
    ----------
    value : object
        Text, number, None, or containers of them.
    """
    if isinstance(value, str):
        return value.replace("\0", "?").encode("utf-8", "replace").decode()
    if isinstance(value, PurePath):
        return plain(str(value))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
