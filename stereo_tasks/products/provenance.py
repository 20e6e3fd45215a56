"""Which software made a product."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from pathlib import Path

import stereo_tasks
from stereo_tasks.errors import StereoError

_PACKAGES = (
    "magic-cta-pipe", "ctapipe", "ctapipe-io-magic", "ctapipe-io-lst", "lstchain", "pyirf", "gammapy", "scikit-learn",
    "numpy", "astropy", "uproot",
)  # fmt: skip

_ANALYSIS_PACKAGES = ("gammapy", "regions", "iminuit", "astropy", "numpy", "scipy")


class EnvironmentMissingError(StereoError):
    """An environment is not there, or lacks what it is for."""


def science_versions(python: Path) -> dict[str, str]:
    """Read the versions of the science packages from an environment, without starting its interpreter.

    Parameters
    ----------
    python : pathlib.Path
        The environment's interpreter, ``.../bin/python``.

    Raises
    ------
    EnvironmentMissingError
        If there is no such environment, or no magic-cta-pipe in it.
    """
    found = _installed(python, _PACKAGES)
    if "magic-cta-pipe" not in found:
        raise EnvironmentMissingError(f"no magic-cta-pipe in the environment of {python}: run 'make setup'")
    return found


def analysis_versions(python: Path) -> dict[str, str]:
    """Read the versions of what an analysis depends on from an environment, without starting its interpreter.

    Parameters
    ----------
    python : pathlib.Path
        The environment's interpreter, ``.../bin/python``.

    Raises
    ------
    EnvironmentMissingError
        If there is no such environment, or no gammapy in it.
    """
    found = _installed(python, _ANALYSIS_PACKAGES)
    if "gammapy" not in found:
        raise EnvironmentMissingError(f"no gammapy in the environment of {python}: run 'make setup'")
    return found


def own_versions() -> dict[str, str]:
    """Return the versions of the packages that matter, as far as the running interpreter has them."""
    found = {}
    for name in sorted({*_PACKAGES, *_ANALYSIS_PACKAGES}):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _installed(python: Path, packages: Sequence[str]) -> dict[str, str]:
    folders = sorted((python.parent.parent / "lib").glob("python3*/site-packages"))
    found: dict[str, str] = {}
    for distribution in distributions(path=[str(folder) for folder in folders]):
        name = _name(distribution)
        if name in packages:
            found[name] = distribution.version
    return dict(sorted(found.items()))


def _name(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"]).lower().replace("_", "-")


@cache
def software() -> dict[str, str]:
    """Return our own version and the git commit: of the checkout, else ``$STEREO_REVISION``, since images have none."""
    found = {"stereo-nights": stereo_tasks.__version__}
    if revision := _described() or os.environ.get("STEREO_REVISION"):
        found["git"] = revision
    return found


def _described() -> str:
    try:
        git = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],  # noqa: S607
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:  # no git here
        return ""
    return git.stdout.strip() if git.returncode == 0 else ""


@cache
def processor() -> str:
    """Return the kind of this machine's processor, as Linux calls it; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
