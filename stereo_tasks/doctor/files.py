"""Paths and free space."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from astropy import units as u

from stereo_tasks.doctor.finding import Finding, green, red, yellow
from stereo_tasks.settings import Settings

_SLOW_S = 2.0
_INPUTS = ("magic_calibrated", "lst_dl1")
_MONTE_CARLO = ("monte_carlo", "models", "irfs")
_STANDALONE = ("lst_dl2", "melibea")
_WRITTEN = ("output", "state")


def paths(settings: Settings) -> Iterator[Finding]:
    """Check that inputs can be read, and that products and state can be written as they are written."""
    places = settings.site.paths
    yield _log(settings.site.paths.stereo_log)
    for name in _INPUTS:
        yield _readable(name, getattr(places, name))
    for name in _MONTE_CARLO:
        yield _readable(name, getattr(places, name), without="nights are held without Monte Carlo")
    for name in _STANDALONE:
        if path := getattr(places, name):
            yield _readable(name, path, without="data sets lack the events of this standalone analysis")
    for name in _WRITTEN:
        yield _writable(name, getattr(places, name))


def _log(origin: Path | str) -> Finding:
    if "://" in str(origin):
        return green("path stereo_log", f"{_without_login(str(origin))}: detection reads it")
    path = Path(origin)
    if not path.exists():
        return red("path stereo_log", f"{path} does not exist", "set paths.stereo_log in config/site.yaml")
    if not os.access(path, os.R_OK):
        return red("path stereo_log", f"{path} cannot be read", f"let this user read it: chmod u+r {path}")
    return green("path stereo_log", f"{path} can be read")


def _without_login(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def _readable(name: str, path: Path, *, without: str = "") -> Finding:
    """Check an input; `without` says what happens where it may be missing."""
    subject = f"path {name}"
    if not path.is_dir():
        text = f"{path} is no folder" if path.exists() else f"{path} does not exist"
        if not without:
            return red(subject, text, f"set paths.{name} in config/site.yaml, or mount the file system")
        return yellow(subject, text, f"{without}: set paths.{name}, or prepare it")
    if not os.access(path, os.R_OK | os.X_OK):
        return red(subject, f"{path} cannot be read by this user", "ask its owner for read permission")
    begin = time.monotonic()
    with os.scandir(path) as entries:
        entry = next(entries, None)
    if (took_s := time.monotonic() - begin) > _SLOW_S:
        return yellow(subject, f"{path} answers after {took_s:.1f} s", "the file system is slow: ask its operators")
    if entry is None and not without:
        return yellow(subject, f"{path} is empty", "nothing can be processed yet; is the right path configured?")
    return green(subject, f"{path} can be read")


def _writable(name: str, path: Path) -> Finding:
    subject = f"path {name}"
    if not path.exists():
        parent = next(folder for folder in path.parents if folder.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return red(subject, f"{path} cannot be made in {parent}", f"make it writable, or set paths.{name}")
        return yellow(subject, f"{path} does not exist yet", "it is made when the site starts (`stereo up`)")
    trial = path / f".tmp-doctor-{secrets.token_hex(4)}"
    new, link = trial.with_name(trial.name + ".new"), trial.with_name(trial.name + ".link")
    try:
        begin = time.monotonic()
        with trial.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write("doctor")
            file.flush()
            os.fsync(file.fileno())
        trial.rename(new)
        took_s = time.monotonic() - begin
        linked = _can_link(new, link)
    except OSError as error:
        return red(subject, f"{path} cannot be written ({error.strerror})", "give this user write permission")
    finally:
        for made in (trial, new, link):
            with suppress(OSError):
                made.unlink(missing_ok=True)
    if took_s > _SLOW_S:
        text = f"a small file in {path} takes {took_s:.1f} s"
        return yellow(subject, text, "the file system is slow: ask its operators")
    if not linked and name == "output":
        return yellow(subject, f"{path} has no hard links", "publications are copies and need their space twice")
    return green(subject, f"{path} can be written, renamed in, and locked")


def _can_link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def free_space(settings: Settings) -> Iterator[Finding]:
    """Check the free space of the file systems with products and state."""
    needed = settings.alarms.free_space.to_value(u.GB)
    seen: set[int] = set()
    for name in _WRITTEN:
        path = getattr(settings.site.paths, name)
        place = next(folder for folder in (path, *path.parents) if folder.exists())
        if (device := place.stat().st_dev) in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(place).free / 1e9
        inodes = os.statvfs(place)
        text = f"{free:.0f} GB free at {place}"
        if inodes.f_files and inodes.f_favail / inodes.f_files < 0.02:
            yield red("free space", f"{inodes.f_favail} files can be made at {place}", "remove files that nobody needs")
        elif free < needed / 10:
            yield red("free space", text, "make room: nothing can be written soon")
        elif free < needed:
            yield yellow("free space", text, f"make room: {needed:.0f} GB are wanted (alarms.free_space)")
        else:
            yield green("free space", text)
