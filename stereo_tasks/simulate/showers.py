"""A fast model of gamma and proton showers as three telescopes see them, vectorised over showers and light."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.simulate.atmosphere import height_m
from stereo_tasks.simulate.cameras import LST, POSITIONS_M, TEL_IDS, camera
from stereo_tasks.simulate.primaries import Pointing, Primaries, axis_vectors, camera_basis, ground_cores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LIGHT_SPEED_M_NS = 0.299792458


@dataclass(frozen=True)
class ShowerModel:
    """Numbers of the model; their hash is part of the library's key, so that a change makes a new library.

    Electromagnetic showers start after an exponential path, reach their maximum after 37.15 x 0.98 ln(E / 86 MeV)
    g/cm2 (Heitler's logarithm with the radiation length and critical energy of air), shine with a Gaussian spread in
    depth, and light a flat pool of 125 m with an exponential tail. A proton is some electromagnetic sub-showers,
    scattered in angle and on the ground, with less light; the few with a single one look like gammas to any cut.
    """

    interaction_g_cm2: float = 47.0
    radiation_g_cm2: float = 37.15 * 0.98
    critical_tev: float = 86e-6
    depth_spread_g_cm2: float = 95.0
    lateral_m: float = 9.0
    light_lst: float = 5200.0
    light_magic: float = 2500.0
    light_power: float = 1.05
    light_spread: float = 0.10
    reference_height_m: float = 7500.0
    height_power: float = 0.6
    pool_m: float = 125.0
    tail_m: float = 75.0
    proton_extra_showers: float = 2.0
    proton_light: float = 0.40
    proton_scatter_rad: float = 0.012
    proton_core_m: float = 35.0
    psf_deg: float = 0.03
    gain_spread: float = 0.35
    time_floor_ns: float = 0.25
    time_spread_ns: float = 0.9
    trigger_pe: float = 45.0
    trigger_pixel_pe: float = 7.0
    trigger_pixels: int = 3
    # Brighter images are made of so many points with weights: their own fluctuations no longer matter.
    max_particles: int = 1500
    proton_max_particles: int = 400


@dataclass(frozen=True)
class Images:
    """Sparse images of one telescope: pixels, charges and times of event i lie between start[i] and start[i + 1]."""

    start: Ints
    pixel: Ints
    charge_pe: Floats
    time_ns: Floats

    def take(self, events: Ints) -> Images:
        """Return the images of some events, in the given order (repeats allowed)."""
        length = np.diff(self.start)[events]
        start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        index = np.repeat(self.start[events] - start[:-1], length) + np.arange(start[-1])
        return Images(start, self.pixel[index], self.charge_pe[index], self.time_ns[index])


@dataclass(frozen=True)
class Showers:
    """Showers with at least one triggered telescope.

    Parameters
    ----------
    thrown : int
        Number of primaries that were thrown for these.
    energy_tev, lat_rad, lon_rad, core_x_m, core_y_m : numpy.ndarray
        Shape (n,): truth; the core (north, west) is on the ground.
    triggered : numpy.ndarray
        Shape (n, 3), bool, telescopes (LST-1, MAGIC-I, MAGIC-II).
    images : tuple of Images
        One a telescope; the image of a telescope that has not triggered is empty.
    """

    thrown: int
    energy_tev: Floats
    lat_rad: Floats
    lon_rad: Floats
    core_x_m: Floats
    core_y_m: Floats
    triggered: NDArray[np.bool_]
    images: tuple[Images, Images, Images]

    def __len__(self) -> int:
        """Return the number of showers."""
        return len(self.energy_tev)

    @property
    def magic_stereo(self) -> NDArray[np.bool_]:
        """Return shape (n,): both MAGIC telescopes triggered, without which MAGIC reads nothing out."""
        return np.asarray(self.triggered[:, 1] & self.triggered[:, 2])

    def take(self, events: Ints) -> Showers:
        """Return some of the showers, in the given order (repeats allowed)."""
        lst, m1, m2 = (images.take(events) for images in self.images)
        columns = {f.name: getattr(self, f.name)[events] for f in fields(self) if f.name not in ("thrown", "images")}
        return Showers(thrown=self.thrown, images=(lst, m1, m2), **columns)


def join(parts: list[Showers]) -> Showers:
    """Return all showers of a non-empty list, one after the other."""
    columns = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts])
        for f in fields(Showers)
        if f.name not in ("thrown", "images")
    }
    lst, m1, m2 = (_join_images([p.images[t] for p in parts]) for t in range(3))
    return Showers(thrown=sum(p.thrown for p in parts), images=(lst, m1, m2), **columns)


def simulate(
    model: ShowerModel, particle: str, primaries: Primaries, pointing: Pointing, rng: np.random.Generator
) -> Showers:
    """Return the showers of the primaries that trigger at least one telescope.

    Parameters
    ----------
    model : ShowerModel
        Numbers of the model.
    particle : {"gamma", "proton"}
        Kind of the primaries.
    primaries : Primaries
        What arrives.
    pointing : Pointing
        Where the telescopes look.
    rng : numpy.random.Generator
        Source of all fluctuations.

    Returns
    -------
    Showers
        Triggered showers with their noiseless images.
    """
    batch = 4000
    parts = [
        _simulate_batch(model, particle, _slice(primaries, i, i + batch), pointing, rng)
        for i in range(0, max(len(primaries.energy_tev), 1), batch)
    ]
    return join(parts)


class _Axes(NamedTuple):
    """Electromagnetic sub-showers: parent event, axis, core and energy."""

    event: Ints
    axis: Floats
    core: Floats
    energy: Floats
    light: Floats


def _simulate_batch(
    model: ShowerModel, particle: str, primaries: Primaries, pointing: Pointing, rng: np.random.Generator
) -> Showers:
    n = len(primaries.energy_tev)
    axis = axis_vectors(pointing, primaries.lat_rad, primaries.lon_rad)
    core = ground_cores(axis, primaries.core_u_m, primaries.core_v_m)
    fluctuation = np.exp(rng.normal(0, model.light_spread, n))
    axes = _Axes(np.arange(n), axis, core, primaries.energy_tev, fluctuation)
    limit = model.max_particles
    if particle == "proton":
        axes, limit = _split(model, axes, rng), model.proton_max_particles
    start = rng.exponential(model.interaction_g_cm2, len(axes.event))
    x_max = start + model.radiation_g_cm2 * np.log(axes.energy / model.critical_tev)
    expected = _expected_light(model, axes, x_max)
    per_event = np.zeros((n, 3))
    np.add.at(per_event, axes.event, expected)
    # What has no chance to trigger (under half the threshold before all fluctuations) is not drawn.
    hopeful = per_event > model.trigger_pe * 0.5
    triggered = np.zeros((n, 3), dtype=bool)
    images = []
    for t, tel_id in enumerate(TEL_IDS):
        drawn = expected[:, t] * hopeful[axes.event, t]
        triggered[:, t], sparse = _images(model, tel_id, axes, x_max, drawn, limit, pointing, rng, n)
        images.append(sparse)
    seen = np.flatnonzero(triggered.any(axis=1))
    all_showers = Showers(
        n,
        primaries.energy_tev,
        primaries.lat_rad,
        primaries.lon_rad,
        core[:, 0],
        core[:, 1],
        triggered,
        (images[0], images[1], images[2]),
    )
    return all_showers.take(seen)


def _split(model: ShowerModel, axes: _Axes, rng: np.random.Generator) -> _Axes:
    """Return the sub-showers of protons: a random share of the energy each, scattered in angle and core."""
    number = 1 + rng.poisson(model.proton_extra_showers, len(axes.event))
    event = np.repeat(axes.event, number)
    share = rng.exponential(1.0, len(event))
    share /= np.bincount(event, share, minlength=len(axes.event))[event]
    energy = np.maximum(axes.energy[event] * share, 1e-3)
    angle = model.proton_scatter_rad * np.sqrt(0.5 / np.sqrt(energy))
    axis = axes.axis[event] + angle[:, None] * rng.normal(size=(len(event), 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    core = axes.core[event].copy()
    core[:, :2] += rng.normal(0, model.proton_core_m, (len(event), 2))
    return _Axes(event, axis, core, energy, axes.light[event] * model.proton_light)


def _expected_light(model: ShowerModel, axes: _Axes, x_max: Floats) -> Floats:
    """Return shape (n, 3): expected p.e. of each sub-shower in each telescope."""
    cos_zenith = np.clip(axes.axis[:, 2], 0.1, 1)
    h_max = height_m(x_max, cos_zenith)
    light = (
        axes.light
        * axes.energy**model.light_power
        * (model.reference_height_m / np.maximum(h_max, 1500)) ** model.height_power
        * cos_zenith
    )
    expected = np.zeros((len(axes.event), 3))
    for t, tel_id in enumerate(TEL_IDS):
        away = POSITIONS_M[t] - axes.core
        along = np.einsum("ij,ij->i", away, axes.axis)
        impact = np.sqrt(np.maximum(np.einsum("ij,ij->i", away, away) - along**2, 0))
        pool = np.exp(-np.maximum(impact - model.pool_m, 0) / model.tail_m)
        expected[:, t] = (model.light_lst if tel_id == LST else model.light_magic) * light * pool
    return expected


def _images(
    model: ShowerModel,
    tel_id: int,
    axes: _Axes,
    x_max: Floats,
    expected: Floats,
    max_particles: int,
    pointing: Pointing,
    rng: np.random.Generator,
    n_events: int,
) -> tuple[NDArray[np.bool_], Images]:
    """Draw the light of every sub-shower into one camera and return who triggers, with their sparse images."""
    cam = camera(tel_id)
    charge = rng.poisson(expected)
    particles = np.minimum(charge, max_particles)
    sub = np.repeat(np.arange(len(charge)), particles)
    weight = (charge / np.maximum(particles, 1))[sub]
    lat, lon, time = _light(model, tel_id, axes, x_max, sub, pointing, rng)
    pixel = cam.pixels(lat, lon)
    inside = pixel < cam.n_pixels
    # Dense images of the events with any light only: a batch of thrown showers is mostly dark.
    bright = np.unique(axes.event[sub])
    row = np.searchsorted(bright, axes.event[sub])
    key = (row * cam.n_pixels + pixel)[inside]
    size = len(bright) * cam.n_pixels
    image = np.bincount(key, weight[inside], size)
    time_sum = np.bincount(key, (weight * time)[inside], size)
    lit = np.flatnonzero(image)
    q = image[lit]
    t_ns = time_sum[lit] / q + rng.normal(size=len(lit)) * (model.time_floor_ns + model.time_spread_ns / np.sqrt(q))
    q = np.maximum(q + model.gain_spread * np.sqrt(q) * rng.normal(size=len(lit)), 0.05)
    event = bright[lit // cam.n_pixels] if len(bright) else np.zeros(0, dtype=np.int64)
    bright_pixels = np.bincount(event[q > model.trigger_pixel_pe], minlength=n_events)
    fires = (np.bincount(event, q, n_events) > model.trigger_pe) & (bright_pixels >= model.trigger_pixels)
    keep = fires[event]
    event, q, t_ns, pixel_lit = event[keep], q[keep], t_ns[keep], (lit % cam.n_pixels)[keep]
    total = np.maximum(np.bincount(event, q, n_events), 1e-9)
    t_ns = t_ns - (np.bincount(event, q * t_ns, n_events) / total)[event]
    start = np.searchsorted(event, np.arange(n_events + 1))
    return fires, Images(start.astype(np.int64), pixel_lit.astype(np.int64), np.asarray(q, dtype=np.float64), t_ns)


def _light(
    model: ShowerModel,
    tel_id: int,
    axes: _Axes,
    x_max: Floats,
    sub: Ints,
    pointing: Pointing,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """Return direction (lat, lon in rad) and arrival time (ns) of light from random places of the sub-showers."""
    axis = axes.axis[sub]
    depth = x_max[sub] + model.depth_spread_g_cm2 * rng.normal(size=len(sub))
    cos_zenith = np.clip(axis[:, 2], 0.1, 1)
    along = height_m(depth, cos_zenith) / cos_zenith
    sideways = rng.normal(0, model.lateral_m, (len(sub), 3))
    sideways -= np.einsum("ij,ij->i", sideways, axis)[:, None] * axis
    away = axes.core[sub] + along[:, None] * axis + sideways - POSITIONS_M[tel_id - 1]
    distance = np.sqrt(np.einsum("ij,ij->i", away, away))
    basis = camera_basis(pointing)
    front, up, side = (away @ basis.T).T
    psf = np.deg2rad(model.psf_deg)
    lat = np.arcsin(up / distance) + psf * rng.normal(size=len(sub))
    lon = np.arctan2(side, front) + psf * rng.normal(size=len(sub))
    # Particles come down the axis at the speed of light; their light then flies to the telescope.
    return lat, lon, (distance - along) / LIGHT_SPEED_M_NS


def _slice(primaries: Primaries, start: int, stop: int) -> Primaries:
    return Primaries(*(getattr(primaries, f.name)[start:stop] for f in fields(primaries)))


def _join_images(parts: list[Images]) -> Images:
    length = np.concatenate([np.diff(p.start) for p in parts])
    start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return Images(
        start,
        np.concatenate([p.pixel for p in parts]),
        np.concatenate([p.charge_pe for p in parts]),
        np.concatenate([p.time_ns for p in parts]),
    )
