"""Monte Carlo DL1 files of gammas and protons, as magic-cta-pipe's own tool would write them from simtel files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from stereo_tasks.simulate.atomic import atomic, write_text
from stereo_tasks.simulate.cameras import FOCAL_M, POSITIONS_M, TEL_IDS, joint_subarray
from stereo_tasks.simulate.images import parametrise
from stereo_tasks.simulate.primaries import (
    Pointing,
    Primaries,
    directions,
    draw_cone,
    draw_cores,
    draw_energies,
    draw_ring,
)
from stereo_tasks.simulate.showers import ShowerModel, Showers, simulate
from stereo_tasks.simulate.spec import MonteCarloSpec, NodeSpec, spec_hash
from stereo_tasks.simulate.streams import stream

Progress = Callable[[str, int, int], None]
"""Called with a text, the number of finished steps and the number of all steps."""


@dataclass(frozen=True)
class _Set:
    """One of the samples at each node."""

    folder: str
    particle: str
    showers: int
    only_magic_stereo: bool


def simulate_monte_carlo(
    spec: MonteCarloSpec, out: Path, *, processes: int = 1, progress: Progress | None = None
) -> list[Path]:
    """Write training gammas, training protons and test gammas at every node.

    Parameters
    ----------
    spec : MonteCarloSpec
        What to simulate.
    out : pathlib.Path
        Data folder; files go to ``mc/DL1/{period}/NSB{nsb}/v{version}/dec_{declination}/{sample}/``.
    processes : int, optional
        So many files are made at once, with 0.8 GB of memory each. They are the same as one by one: each has random
        numbers of its own.
    progress : callable, optional
        Told about every finished file.

    Returns
    -------
    list of pathlib.Path
        The files. If the same spec has been simulated before, they are returned at once.
    """
    folder = out / "mc" / "DL1" / spec.period / f"NSB{spec.nsb:.1f}" / f"v{spec.version}" / f"dec_{spec.declination}"
    digest = spec_hash(spec)
    done = folder / "simulated.json"
    known = _finished(done, digest)
    if known is not None:
        return known
    sets = (
        # All telescope pairs are trained, so that every forest has events; MAGIC data always have both telescopes,
        # and the effective area asks for both, so that test showers without them would only cost time.
        _Set("GammaTrain", "gamma", spec.gamma_train_showers, False),
        _Set("ProtonTrain", "proton", spec.proton_train_showers, False),
        _Set("GammaTest", "gamma", spec.gamma_test_showers, True),
    )
    steps = [(sample, number, node) for sample in sets for number, node in enumerate(spec.nodes, start=1)]
    paths = []
    for i, path in enumerate(_files(spec, steps, folder, processes), start=1):
        paths.append(path)
        if progress is not None:
            progress(path.parent.name, i, len(steps))
    record = {
        "spec": json.loads(spec.model_dump_json()),
        "spec_hash": digest,
        "files": [p.relative_to(folder).as_posix() for p in paths],
    }
    write_text(done, json.dumps(record, indent=1))
    return paths


def _files(
    spec: MonteCarloSpec, steps: Sequence[tuple[_Set, int, NodeSpec]], folder: Path, processes: int
) -> Iterator[Path]:
    """Write the files of all steps, and yield them in the order of these."""
    if processes == 1:
        yield from (_write_node(spec, *step, folder) for step in steps)
        return
    # Not forked from this process: it may have threads, as that of a progress bar.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        made = [pool.submit(_write_node, spec, *step, folder) for step in steps]
        try:
            yield from (each.result() for each in made)
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(record: Path, digest: str) -> list[Path] | None:
    if not record.is_file():
        return None
    content = json.loads(record.read_text(encoding="utf-8"))
    paths = [record.parent / name for name in content["files"]]
    if content["spec_hash"] == digest and all(path.is_file() for path in paths):
        return paths
    # Another spec in the same folder: its files must not be mixed with the new ones by a reader that globs.
    for path in paths:
        path.unlink(missing_ok=True)
    record.unlink()
    return None


def _write_node(spec: MonteCarloSpec, sample: _Set, number: int, node: NodeSpec, folder: Path) -> Path:
    pointing = Pointing(np.deg2rad(90 - node.zenith_deg), np.deg2rad(node.azimuth_deg))
    rng = stream(spec.seed, "mc", sample.folder, node.zenith_deg, node.azimuth_deg)
    showers = _throw(spec, sample, pointing, rng)
    if sample.only_magic_stereo:
        showers = showers.take(np.flatnonzero(showers.magic_stereo))
    else:
        showers = showers.take(np.flatnonzero(showers.triggered.sum(axis=1) >= 2))
    name = (
        f"dl1_{sample.particle}_zd_{node.zenith_deg:.1f}deg_az_{node.azimuth_deg:.1f}deg_LST1_MAGIC1_MAGIC2"
        f"_run{number}.h5"
    )
    path = folder / sample.folder / name
    _write(path, _event_table(showers, pointing, number, rng), _config_table(spec, sample, pointing, number))
    return path


def _throw(spec: MonteCarloSpec, sample: _Set, pointing: Pointing, rng: np.random.Generator) -> Showers:
    n = sample.showers
    low, high = _energies(spec, sample)
    energy = draw_energies(n, low, high, spec.spectral_index, rng)
    if sample.particle == "gamma":
        lat, lon = draw_ring(n, spec.gamma_offset_deg, rng)
    else:
        lat, lon = draw_cone(n, spec.proton_cone_deg, rng)
    primaries = Primaries(energy, lat, lon, *draw_cores(n, spec.scatter_radius_m, rng))
    return simulate(ShowerModel(), sample.particle, primaries, pointing, rng)


def _energies(spec: MonteCarloSpec, sample: _Set) -> tuple[float, float]:
    if sample.particle == "gamma":
        return spec.energy_min_tev, spec.energy_max_tev
    return spec.proton_energy_min_tev, spec.proton_energy_max_tev


def _event_table(showers: Showers, pointing: Pointing, run: int, rng: np.random.Generator) -> Any:
    """Return one row for each telescope image that survived, sorted by event and telescope."""
    from astropy.table import QTable, vstack

    tables = []
    for t, tel_id in enumerate(TEL_IDS):
        events = np.flatnonzero(showers.triggered[:, t])
        parameters = parametrise(showers.images[t].take(events), tel_id, rng)
        good = np.isfinite(parameters["width"])
        columns = _event_columns(showers, events[good], t, pointing, run)
        parameters = {name: values[good] for name, values in parameters.items()}
        columns |= _with_units(parameters)
        lat, lon = parameters["x"] / FOCAL_M[tel_id], parameters["y"] / FOCAL_M[tel_id]
        columns["true_disp"] = _disp_deg(showers, events[good], lat, lon)
        tables.append(QTable(columns))
    table = vstack(tables)
    table.sort(["event_id", "tel_id"])
    return table


def _event_columns(showers: Showers, events: Any, t: int, pointing: Pointing, run: int) -> dict[str, Any]:
    import astropy.units as u
    from magicctapipe.utils import calculate_impact

    n = len(events)
    alt, az = directions(pointing, showers.lat_rad[events], showers.lon_rad[events])
    core_x, core_y = showers.core_x_m[events] * u.m, showers.core_y_m[events] * u.m
    position = POSITIONS_M[t] * u.m
    impact = calculate_impact(alt * u.rad, az * u.rad, core_x, core_y, *position)
    offset = np.arccos(np.clip(np.cos(showers.lat_rad[events]) * np.cos(showers.lon_rad[events]), -1, 1))
    triggers = (showers.triggered[events] * 2 ** np.array(TEL_IDS)).sum(axis=1)
    return {
        "obs_id": np.full(n, run, dtype=np.int64),
        "event_id": events.astype(np.int64),
        "tel_id": np.full(n, TEL_IDS[t], dtype=np.int64),
        "pointing_alt": np.full(n, pointing.alt_rad) * u.rad,
        "pointing_az": np.full(n, pointing.az_rad) * u.rad,
        "tels_with_trigger": triggers.astype(np.int64),
        "true_energy": showers.energy_tev[events] * u.TeV,
        "true_alt": np.rad2deg(alt) * u.deg,
        "true_az": np.rad2deg(az) * u.deg,
        "true_core_x": core_x,
        "true_core_y": core_y,
        "true_impact": impact.to("m"),
        "off_axis": np.rad2deg(offset) * u.deg,
        "magic_stereo": showers.magic_stereo[events],
    }


def _disp_deg(showers: Showers, events: Any, lat: Any, lon: Any) -> Any:
    """Return the angle between the image's centre of gravity and the true direction, both in the offset frame."""
    import astropy.units as u
    from astropy.coordinates import angular_separation

    angle = angular_separation(lon, lat, showers.lon_rad[events], showers.lat_rad[events])
    return np.rad2deg(angle) * u.deg


_UNITS = {"m": ("x", "y", "r", "length", "length_uncertainty", "width", "width_uncertainty"), "deg": ("phi", "psi")}


def _with_units(parameters: dict[str, Any]) -> dict[str, Any]:
    import astropy.units as u

    columns: dict[str, Any] = dict(parameters)
    for unit, names in _UNITS.items():
        for name in names:
            columns[name] = parameters[name] * u.Unit(unit)
    columns["slope"] = parameters["slope"] / u.m
    for name in ("n_pixels", "n_islands"):
        columns[name] = parameters[name].astype(np.int64)
    return columns


def _config_table(spec: MonteCarloSpec, sample: _Set, pointing: Pointing, run: int) -> Any:
    import astropy.units as u
    from astropy.table import QTable

    low, high = _energies(spec, sample)
    gamma = sample.particle == "gamma"
    cone = (spec.gamma_offset_deg, spec.gamma_offset_deg) if gamma else (0.0, spec.proton_cone_deg)
    values: dict[str, Any] = {
        "obs_id": run,
        "run_number": run,
        "energy_range_min": low * u.TeV,
        "energy_range_max": high * u.TeV,
        "spectral_index": spec.spectral_index,
        "n_showers": sample.showers,
        "shower_reuse": 1,
        "min_alt": pointing.alt_rad * u.rad,
        "max_alt": pointing.alt_rad * u.rad,
        "min_az": pointing.az_rad * u.rad,
        "max_az": pointing.az_rad * u.rad,
        "diffuse": not gamma,
        "min_viewcone_radius": cone[0] * u.deg,
        "max_viewcone_radius": cone[1] * u.deg,
        "min_scatter_range": 0.0 * u.m,
        "max_scatter_range": spec.scatter_radius_m * u.m,
        "prod_site_alt": 2199.0 * u.m,
    }
    rows = {k: u.Quantity([v]) if isinstance(v, u.Quantity) else np.array([v]) for k, v in values.items()}
    return QTable(rows)


def _write(path: Path, events: Any, config: Any) -> None:
    from ctapipe.io import write_table

    with atomic(path) as temporary:
        temporary.unlink()
        write_table(events, temporary, "/events/parameters", overwrite=True)
        write_table(config, temporary, "/simulation/config", overwrite=True)
        joint_subarray().to_hdf(temporary, overwrite=True)
