"""The machine code of the kernels: compiled once for each kind of processor, and never by many jobs at once.

It lies in the folder that numba's ``NUMBA_CACHE_DIR`` names, on a file system that all nodes may share. Whoever comes
first on a kind of processor compiles, and the others wait for it.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

WAIT_S = 180.0
"""Several times what compiling takes; whoever has waited that long compiles by itself."""


def fill(wait_s: float = WAIT_S) -> bool:
    """Compile all kernels if nobody has done it yet on this kind of processor; return whether this process did.

    Parameters
    ----------
    wait_s : float, optional
        How long to wait for another process that does it, in s.
    """
    folder = Path(os.environ.get("NUMBA_CACHE_DIR", ""))
    if not folder.is_absolute():
        return False  # beside the modules, as numba does by itself
    mark = folder / f"{_key()}.filled"
    if mark.exists() or not _is_mine(mark, wait_s):
        return False
    try:
        _compile()
        mark.touch()
    finally:
        with suppress(OSError):
            _lock(mark).rmdir()
    return True


def _is_mine(mark: Path, wait_s: float) -> bool:
    """Take the work on, or wait until another process has done it. One that was killed is not waited for again."""
    deadline = time.monotonic() + wait_s
    while not mark.exists():
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            _lock(mark).mkdir()
        except FileExistsError:
            with suppress(OSError):
                if time.time() - _lock(mark).stat().st_mtime > wait_s:
                    _lock(mark).rmdir()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        except OSError:  # the folder cannot be written: numba compiles for this process alone
            return False
        else:
            return True
    return False


def _lock(mark: Path) -> Path:
    return mark.with_suffix(".compiling")


def _key() -> str:
    """Name the kind of processor and the state of the sources: what numba keeps machine code apart by."""
    import llvmlite.binding as llvm

    from stereo_tasks.kernels.sources import newest_source

    features = llvm.get_host_cpu_features().flatten()
    text = f"{llvm.get_host_cpu_name()} {features} {newest_source(Path(__file__).parent)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _compile() -> None:
    from stereo_tasks.kernels import calibrate, forests

    calibrate.compile_all()
    forests.compile_all()


if __name__ == "__main__":
    fill()
