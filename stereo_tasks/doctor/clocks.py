"""Clocks: the same time for files, database and machine. Readiness, locks and holds compare them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stereo_tasks.doctor.finding import Finding, green, red, yellow
from stereo_tasks.settings import Settings

_LIMIT_S = 5.0


def clocks(settings: Settings) -> Iterator[Finding]:
    """Check the clocks of the file systems against the machine's, and the machine's time zone."""
    for name in ("output", "state"):
        path = getattr(settings.site.paths, name)
        if path.is_dir():
            yield compare(f"clock of {name}", _offset_s(path))
    local = dt.datetime.now().astimezone()
    try:
        ZoneInfo("Atlantic/Canary")
    except ZoneInfoNotFoundError:
        yield yellow("time zone", "this machine has no time zone database", "install tzdata")
        return
    text = f"{local.tzname()} (UTC{local:%z})" + ("" if not local.utcoffset() else "; stereo writes and shows UTC")
    yield green("time zone", text)


def compare(subject: str, offset_s: float) -> Finding:
    """Return what an offset against the machine's clock means.

    Parameters
    ----------
    subject : str
        Whose clock.
    offset_s : float
        How far it is ahead, in seconds.
    """
    if abs(offset_s) <= _LIMIT_S:
        return green(subject, f"agrees with this machine within {_LIMIT_S:.0f} s")
    return red(
        subject,
        f"is {abs(offset_s):.0f} s {'ahead of' if offset_s > 0 else 'behind'} this machine",
        "set the clocks (chrony, ntpd): files would settle and holds would end at the wrong time",
    )


def _offset_s(folder: Path) -> float:
    before = time.time()
    with TemporaryFile(dir=folder) as file:
        file.write(b"doctor")
        file.flush()
        written = Path(f"/proc/self/fd/{file.fileno()}").stat().st_mtime
    after = time.time()
    # Within the two looks at the clock it is right; the kernel's own time stamps lag by some milliseconds.
    return written - before if written < before else max(written - after, 0.0)
