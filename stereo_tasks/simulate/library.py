"""The cached library of hadron showers from which nights draw their background."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.simulate.cameras import LST
from stereo_tasks.simulate.images import parametrise
from stereo_tasks.simulate.primaries import Pointing, Primaries, draw_cone, draw_cores, draw_energies
from stereo_tasks.simulate.showers import Images, ShowerModel, Showers, join, simulate
from stereo_tasks.simulate.spec import text_hash
from stereo_tasks.simulate.streams import stream

PROTON_CONE_DEG = 3.0
PROTON_INDEX = -2.7
PROTON_ENERGY_TEV = (0.15, 50.0)
"""Cosmic protons, above the energy that triggers in this model."""

ZENITH_STEP_DEG, AZIMUTH_STEP_DEG = 10.0, 90.0
"""The library has places on this grid; a hadron background needs no finer one."""

LIBRARY_SEED = 20240110
"""One library serves nights of all seeds: a seed decides which of its showers come, when and with what noise."""

ELECTRON_FRACTION = 0.25
ELECTRON_INDEX = -3.0
"""Part of the MAGIC-triggered background that is electrons, whose showers look like gammas from everywhere.

Far more than in the sky: without them the model's gamma/hadron separation leaves no background at all in a short night,
and statistics with zero off counts are a case of their own.
"""

LST_ONLY_PER_STEREO = 1.5
"""Showers that LST-1 alone sees, kept for each one that triggers MAGIC."""


@dataclass(frozen=True)
class Library:
    """Triggered showers with their LST-1 parameters.

    Parameters
    ----------
    showers : Showers
        The showers.
    lst : dict of str to numpy.ndarray
        LST-1 image parameters, one value a shower; NaN where LST-1 saw nothing.
    """

    showers: Showers
    lst: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        """Return the number of showers."""
        return len(self.showers)

    def take(self, events: NDArray[np.int64]) -> Library:
        """Return some of the showers, in the given order (repeats allowed)."""
        return Library(self.showers.take(events), {name: values[events] for name, values in self.lst.items()})


def with_lst_parameters(showers: Showers, rng: np.random.Generator) -> Library:
    """Return showers with the parameters of their LST-1 images, noise included."""
    return Library(showers, parametrise(showers.images[0], LST, rng))


def join_libraries(parts: list[Library]) -> Library:
    """Return all showers of a non-empty list, one after the other."""
    lst = {name: np.concatenate([p.lst[name] for p in parts]) for name in parts[0].lst}
    return Library(join([p.showers for p in parts]), lst)


def cache_folder(out: Path) -> Path:
    """Return where libraries are kept: the environment variable STEREO_CACHE, or ``.cache`` under the data."""
    return Path(os.environ.get("STEREO_CACHE") or out / ".cache") / "showers"


def background(
    model: ShowerModel, zenith_deg: float, azimuth_deg: float, stereo: int, radius_m: float, cache: Path
) -> Library:
    """Return hadrons near a pointing, from the cache if they have been made before.

    Parameters
    ----------
    model : ShowerModel
        Numbers of the shower model.
    zenith_deg, azimuth_deg : float
        Pointing in deg; the nearest place of the library's grid is used.
    stereo : int
        Wanted number of showers that trigger both MAGIC telescopes.
    radius_m : float
        Radius of the circle in which cores fall, in m.
    cache : pathlib.Path
        Folder of the library.

    Returns
    -------
    Library
        `stereo` MAGIC-triggered showers, and 1.5 times as many seen by LST-1 alone.
    """
    zenith = float(np.clip(round(zenith_deg / ZENITH_STEP_DEG) * ZENITH_STEP_DEG, 10.0, 60.0))
    azimuth = round(azimuth_deg / AZIMUTH_STEP_DEG) * AZIMUTH_STEP_DEG % 360
    settings = (
        (PROTON_CONE_DEG, PROTON_INDEX, PROTON_ENERGY_TEV),
        (ELECTRON_FRACTION, ELECTRON_INDEX),
        (LIBRARY_SEED, LST_ONLY_PER_STEREO),
    )
    key = text_hash(model, settings, zenith, azimuth, stereo, radius_m)
    path = cache / f"background_zd{zenith:g}_az{azimuth:g}_{key}.npz"
    if path.is_file():
        return _load(path)
    pointing = Pointing(np.deg2rad(90 - zenith), np.deg2rad(azimuth))
    rng = stream(LIBRARY_SEED, "library", zenith, azimuth)
    library = _build(model, pointing, stereo, radius_m, rng)
    _save(library, path)
    return library


def _build(model: ShowerModel, pointing: Pointing, stereo: int, radius_m: float, rng: np.random.Generator) -> Library:
    electrons = round(stereo * ELECTRON_FRACTION)
    parts = _throw_until(model, "gamma", ELECTRON_INDEX, pointing, (electrons, 0), radius_m, rng)
    wanted = stereo - electrons, int(stereo * LST_ONLY_PER_STEREO)
    parts += _throw_until(model, "proton", PROTON_INDEX, pointing, wanted, radius_m, rng)
    return with_lst_parameters(join(parts), rng)


def _throw_until(
    model: ShowerModel,
    particle: str,
    index: float,
    pointing: Pointing,
    wanted: tuple[int, int],
    radius_m: float,
    rng: np.random.Generator,
) -> list[Showers]:
    """Throw a diffuse power law until so many showers are seen by both MAGIC telescopes, and by LST-1 alone."""
    parts: list[Showers] = []
    wanted_stereo, wanted_alone = wanted
    n_stereo, n_alone, n = 0, 0, 8000
    while n_stereo < wanted_stereo or n_alone < wanted_alone:
        energy = draw_energies(n, *PROTON_ENERGY_TEV, index, rng)
        primaries = Primaries(energy, *draw_cone(n, PROTON_CONE_DEG, rng), *draw_cores(n, radius_m, rng))
        showers = simulate(model, particle, primaries, pointing, rng)
        both = np.flatnonzero(showers.magic_stereo)[: wanted_stereo - n_stereo]
        alone = np.flatnonzero(showers.triggered[:, 0] & ~showers.magic_stereo)[: wanted_alone - n_alone]
        n_stereo, n_alone = n_stereo + len(both), n_alone + len(alone)
        parts.append(showers.take(np.concatenate([both, alone])))
    return parts


def _save(library: Library, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    showers = library.showers
    arrays: dict[str, Any] = {f.name: getattr(showers, f.name) for f in fields(Showers) if f.name != "images"}
    for t, images in enumerate(showers.images):
        arrays |= {f"image{t}_{f.name}": getattr(images, f.name) for f in fields(Images)}
    arrays |= {f"lst_{name}": values for name, values in library.lst.items()}
    # Two nights may want the same place at once: each writes its own file, the last rename wins with equal content.
    handle, temporary = tempfile.mkstemp(suffix=".npz", dir=path.parent)
    with os.fdopen(handle, "wb") as stream_:
        np.savez(stream_, **arrays)
    Path(temporary).replace(path)


def _load(path: Path) -> Library:
    with np.load(path) as data:
        arrays = dict(data)
    images = [Images(**{f.name: arrays[f"image{t}_{f.name}"] for f in fields(Images)}) for t in range(3)]
    columns = {f.name: arrays[f.name] for f in fields(Showers) if f.name not in ("images", "thrown")}
    showers = Showers(thrown=int(arrays["thrown"]), images=(images[0], images[1], images[2]), **columns)
    return Library(showers, {k.removeprefix("lst_"): v for k, v in arrays.items() if k.startswith("lst_")})
