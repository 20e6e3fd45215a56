"""Tables of DL2 with a known source, and published nights of them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import tables
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time

RA_DEG, DEC_DEG = 83.6331, 22.0145
START_S = 1704931200.0  # 2024-01-11 00:00 UTC, the Crab at zenith distance 14 to 20 deg
TELESCOPES = {0: (1, 2), 1: (1, 2, 3), 2: (1, 3), 3: (2, 3)}
LOCATION = EarthLocation.from_geodetic(lon=-17.89064 * u.deg, lat=28.76177 * u.deg, height=2199.835 * u.m)
PSF_DEG = 0.06


def make_dl2(
    run: int = 1622,
    events: int = 1500,
    *,
    seed: int = 1,
    gammas: float = 0.4,
    wobble_deg: float = 0.4,
    angles_deg: tuple[float, ...] = (35.0,),
    start_s: float = START_S,
) -> pd.DataFrame:
    """Return the DL2 of a run in the columns and units of magic-cta-pipe 0.6.2.

    `angles_deg`: position angles of the pointing around the source, one after the other in equal times.
    """
    from stereo_tasks.datasets.directions import interpolated_earth

    rng = np.random.default_rng(seed)
    times = start_s + np.sort(rng.uniform(0, 900, events))
    source = SkyCoord(RA_DEG, DEC_DEG, unit="deg")
    angle = np.asarray(angles_deg)[np.minimum(np.arange(events) * len(angles_deg) // events, len(angles_deg) - 1)]
    pointing = source.directional_offset_by(angle * u.deg, wobble_deg * u.deg)
    is_gamma = rng.uniform(size=events) < gammas
    around, spread = rng.uniform(0, 360, events), rng.rayleigh(PSF_DEG, events)
    gamma = source.directional_offset_by(around * u.deg, spread * u.deg)
    hadron = pointing.directional_offset_by(around * u.deg, 1.2 * np.sqrt(rng.uniform(size=events)) * u.deg)
    true = SkyCoord(np.where(is_gamma, gamma.ra, hadron.ra), np.where(is_gamma, gamma.dec, hadron.dec), unit="deg")
    frame = AltAz(obstime=Time(times, format="unix"), location=LOCATION)
    with interpolated_earth():
        pointed, seen = pointing.transform_to(frame), true.transform_to(frame)

    combination = rng.choice(4, events, p=[0.15, 0.5, 0.15, 0.2])
    event = np.repeat(np.arange(events), [len(TELESCOPES[number]) for number in combination])
    tel_id = np.concatenate([TELESCOPES[number] for number in combination])
    has_lst, magic_id = combination[event] != 3, 3 * event + 7
    n = len(event)
    energy = (10 ** rng.uniform(-1, 1, events))[event] * rng.lognormal(0, 0.1, n)
    gammaness = np.clip(np.where(is_gamma, 0.8, 0.3)[event] + rng.normal(0, 0.1, n), 0.01, 0.99)
    table = {
        "obs_id": np.where(has_lst, run, 5093711),
        "event_id": np.where(has_lst, 10 * event + 3, magic_id),
        "tel_id": tel_id,
        "obs_id_magic": np.full(n, 5093711),
        "event_id_magic": magic_id,
        "obs_id_lst": np.where(has_lst, run, np.nan),
        "event_id_lst": np.where(has_lst, 10 * event + 3, np.nan),
        "timestamp": times[event],
        "pointing_alt": pointed.alt.rad[event],
        "pointing_az": pointed.az.rad[event],
        "intensity": rng.lognormal(5, 1, n),
        "time_diff": rng.exponential(0.003, n),
        "multiplicity": np.array([len(TELESCOPES[number]) for number in combination])[event],
        "combo_type": combination[event],
        "reco_energy": energy,
        "reco_energy_var": rng.uniform(0.001, 0.05, n),
        "reco_disp": rng.uniform(0.2, 1.2, n),
        "reco_disp_var": rng.uniform(0.001, 0.05, n),
        "reco_alt": seen.alt.deg[event] + rng.normal(0, 0.01, n),
        "reco_az": seen.az.deg[event] + rng.normal(0, 0.02, n),
        "disp_diff_mean": rng.exponential(0.15, events)[event],
        "gammaness": gammaness,
        "gammaness_var": gammaness * (1 - gammaness),
        "x": rng.normal(0, 0.3, n),
        "y": rng.normal(0, 0.3, n),
        **{name: rng.normal(0, 80, events)[event] for name in ("core_x", "core_y")},
        "h_max": rng.normal(9000, 1000, events)[event],
    }
    return pd.DataFrame(table)


def write_table(path, frame: pd.DataFrame, where: str = "events/parameters") -> None:
    """Write a table as magic-cta-pipe does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    group, _, name = where.rpartition("/")
    with tables.open_file(str(path), mode="a") as file:
        file.create_table(f"/{group}", name, obj=frame.to_records(index=False).view(np.ndarray), createparents=True)


def profile(offsets_us, peak_us: float) -> pd.DataFrame:
    """Return a profile of coincidences as magic-cta-pipe writes it."""
    offsets_us = np.round(offsets_us, 1)
    number = (100 * np.exp(-((offsets_us - peak_us) ** 2) / 0.02)).astype(int)
    return pd.DataFrame({"time_offset": offsets_us, "n_coincidence_tel12": number, "n_coincidence_tel13": number + 1})


def feature(run: int) -> pd.DataFrame:
    """Return the features of a subrun."""
    return pd.DataFrame(
        {"coincidence_id": [12, 13], "window_half_width": [300, 300], "unix_time": [START_S + run] * 2,
         "pointing_alt_lst": [1.2] * 2, "pointing_az_lst": [1.7] * 2, "pointing_alt_magic": [1.2] * 2,
         "pointing_az_magic": [1.7] * 2, "average_offset": [-3.2, -3.19], "n_coincidence": [100, 101],
         "n_events_magic": [2000, 2100]}
    )  # fmt: skip


def publish_night(root, night: str, runs: dict[int, pd.DataFrame], cuts: str = "g_dyn_0.9_th_glo_0.2") -> None:
    """Write DL2 and coincidences of runs, and a publication that names them."""
    from stereo_tasks.nights import Night
    from stereo_tasks.products.tree import NightTree

    tree = NightTree(root, Night(night), cuts)
    for run, frame in runs.items():
        tree.dl2(run).unlink(missing_ok=True)
        write_table(tree.dl2(run), frame)
        for subrun in range(2):
            path = tree.coincident(run, subrun)
            path.unlink(missing_ok=True)
            write_table(path, profile(np.arange(-4, -2, 0.1) + 0.3 * subrun, -3.2), "coincidence/profile")
            write_table(path, feature(run), "coincidence/feature")
    folder = tree.published.parent / ".versions" / f"{tree.night.lst_date}.0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "published.json").write_text(json.dumps({"plan": "", "runs": {f"dl3/{run:05d}": {} for run in runs}}))
    if not tree.published.is_symlink():
        tree.published.symlink_to(folder)
