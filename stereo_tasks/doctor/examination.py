"""All checks, one after the other; a check that breaks is a red line, not the end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from stereo_tasks.doctor import airflow, clocks, cluster, database, environments, files
from stereo_tasks.doctor.finding import Finding, green, red
from stereo_tasks.errors import StereoError
from stereo_tasks.settings import Settings, SettingsError, load_settings
from stereo_tasks.settings.load import base_folder, site_folder

if TYPE_CHECKING:
    from pathlib import Path

Check = Callable[[Settings], Iterable[Finding]]
"""What looks at one thing of a site, and yields what it finds."""

CHECKS: dict[str, Check] = {
    "paths": files.paths,
    "free space": files.free_space,
    "clocks": clocks.clocks,
    "control environment": environments.control,
    "science environment": environments.science,
    "analysis environment": environments.analysis,
    "catalog": database.catalog,
    "backup": database.backup,
    "cluster": cluster.cluster,
    "Airflow": airflow.airflow,
}
"""What is checked on any site."""


def examine(site: Path | None = None, *, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """Check a site, and yield what is found as it is found.

    Nothing is changed; small files are written and removed again where products and state go.

    Parameters
    ----------
    site : pathlib.Path, optional
        Root of the site; the one of the environment by default.
    checks : mapping, optional
        What is checked, by name; what any site has by default.
    """
    root = site or site_folder()
    try:
        settings = load_settings(root)
    except SettingsError as error:
        yield red("configuration", str(error), "correct the file that is named; nothing else was checked")
        return
    name = f"{base_folder()} with {root / 'config'} over it" if (root / "config").is_dir() else str(base_folder())
    yield green("configuration", f"{name}; default production {settings.productions.default}")
    for subject, check in checks.items():
        yield from _guarded(subject, partial(check, settings))


def _guarded(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except (OSError, StereoError, subprocess.SubprocessError) as error:
        yield red(subject, f"the check broke: {error}", "mend what the text says, and run it again")
