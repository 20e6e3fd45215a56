"""Small DL1 files of all three telescopes, made from showers that consist of an axis and a maximum."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tables

POSITIONS_M = np.array([[-8.09, 77.13, 0.78], [39.3, -62.55, -0.97], [-31.21, -14.57, 0.2]])
FOCAL_M = np.array([29.30565, 17 * 1.0713, 17 * 1.0713])
START_S = 1_704_920_400
OFFSET_NS = -3_200

CONFIG: dict[str, Any] = {
    "mc_tel_ids": {"LST-1": 1, "LST-2": 0, "LST-3": 0, "LST-4": 0, "MAGIC-I": 2, "MAGIC-II": 3},
    "save_images": False,
    "event_coincidence": {
        "timestamp_type_lst": "dragon_time",
        "window_half_width": "300 ns",
        "pre_offset_search": True,
        "n_pre_offset_search_events": 15,
        "time_offset": {"start": "-10 us", "stop": "0 us"},
    },
    "stereo_reco": {"quality_cuts": "(intensity > 50) & (width > 0)", "theta_uplim": "6 arcmin"},
}


def config(**changes: Any) -> dict[str, Any]:
    """magic-cta-pipe's configuration, with other values in the sections."""
    return {
        key: ({**value, **{k: v for k, v in changes.items() if k in value}} if isinstance(value, dict) else value)
        for key, value in CONFIG.items()
    }


def images(n: int, rng: np.random.Generator, *, alt_rad: float = 1.2, az_rad: float = 1.7) -> list[dict[str, Any]]:
    """Image parameters of n showers in each of the telescopes, with small errors, in magic-cta-pipe's units."""
    source, core = rng.normal(0, 0.012, (n, 2)), rng.normal(0, 120, (n, 2))
    height, light = rng.uniform(6_000, 11_000, n)[:, np.newaxis], rng.lognormal(5, 1, n)
    result = []
    for position, focal in zip(POSITIONS_M, FOCAL_M, strict=True):
        centre = source + (core - position[:2]) / height
        axis = centre - source
        x, y = (focal * centre).T
        length = rng.uniform(0.03, 0.2, n)
        psi = np.degrees(np.arctan2(axis[:, 1], axis[:, 0])) + rng.normal(0, 4, n)
        result.append(
            {
                "pointing_alt": alt_rad + rng.normal(0, 1e-6, n),
                "pointing_az": (az_rad + rng.normal(0, 1e-6, n)) % (2 * np.pi),
                "intensity": light * rng.lognormal(0, 0.1, n),
                "x": x,
                "y": y,
                "r": np.hypot(x, y),
                "phi": np.degrees(np.arctan2(y, x)),
                "psi": (psi + 90) % 180 - 90,
                "length": length,
                "length_uncertainty": 0.02 * length,
                "width": length * rng.uniform(0.2, 0.9, n),
                "width_uncertainty": 0.01 * length,
                "skewness": rng.normal(0, 0.5, n),
                "kurtosis": rng.normal(2.5, 0.5, n),
                "slope": rng.normal(0, 8, n),
                "intercept": rng.normal(20, 2, n),
                "intensity_width_1": rng.uniform(0, 0.1, n),
                "intensity_width_2": rng.uniform(0, 0.2, n),
                "pixels_width_1": rng.uniform(0, 0.1, n),
                "pixels_width_2": rng.uniform(0, 0.2, n),
                "n_pixels": rng.integers(2, 40, n),
                "n_islands": rng.integers(1, 4, n),
            }
        )
    return result


@dataclass
class Coincident:
    """The tables of a subrun of LST-1 and of the MAGIC run of its time, to be changed before they are written."""

    lst: dict[str, Any]
    magic: dict[str, Any]
    rng: np.random.Generator = field(repr=False)

    def write(self, folder: Path, *, split: bool = False) -> tuple[str, str]:
        """Write the files; returns the path of LST-1's and the folder of MAGIC's."""
        path, runs = folder / "dl1_LST-1.Run16270.0003.h5", folder / "magic"
        runs.mkdir(parents=True)
        write_table(path, "/dl1/event/telescope/parameters/LST_LSTCam", self.lst)
        subarray("lst").to_hdf(path)
        rows = len(self.magic["tel_id"])
        second = self.magic["tel_id"] == 3
        for name, mask in (
            {"M1": ~second, "M2": second}.items() if split else {"MAGIC": np.ones(rows, dtype=bool)}.items()
        ):
            file = runs / f"dl1_{name}.Run05114600.h5"
            write_table(file, "/events/parameters", {key: values[mask] for key, values in self.magic.items()})
            subarray("joint").to_hdf(file)
        return str(path), str(runs)


def subarray(name: str) -> Any:
    """ctapipe's description of LST-1 alone, or of all three telescopes."""
    from stereo_tasks.simulate.cameras import joint_subarray, lst_subarray

    return lst_subarray() if name == "lst" else joint_subarray()


def coincident(seed: int = 1, *, n_lst: int = 500, n_magic: int = 110) -> Coincident:
    """Four seconds in which MAGIC sees LST-1's brightest showers 3.2 us earlier, and some showers more."""
    rng = np.random.default_rng(seed)
    lst, m1, m2 = images(n_lst, rng)
    time_ns = np.sort(rng.integers(0, 4_000_000_000, n_lst))
    seen = np.sort(np.argsort(lst["intensity"])[15 - n_magic :])
    alone = np.sort(rng.choice(n_lst, 15, replace=False))
    magic_ns = np.concatenate([time_ns[seen] + OFFSET_NS + rng.normal(0, 40, len(seen)).astype(int),
                               time_ns[alone] + 1_000_000])  # fmt: skip
    source = np.concatenate([seen, alone])
    order = np.argsort(magic_ns)
    magic_ns, source = magic_ns[order], source[order]
    tables_ = []
    for tel_id, one in ((2, m1), (3, m2)):
        keep = np.sort(rng.choice(n_magic, n_magic - 12, replace=False))
        tables_.append(
            {
                "obs_id": np.full(len(keep), 5_114_600),
                "event_id": keep + 11,
                "tel_id": np.full(len(keep), tel_id),
                "tels_with_trigger": np.full(len(keep), 12),
                "time_sec": START_S + magic_ns[keep] // 1_000_000_000,
                "time_nanosec": magic_ns[keep] % 1_000_000_000,
                "time_diff": rng.exponential(0.003, len(keep)),
            }
            | {key: values[source[keep]] for key, values in one.items()}
        )
    magic = {key: np.concatenate([table[key] for table in tables_]) for key in tables_[0]}
    for key in ("intensity_width_1", "intensity_width_2"):
        magic[key] = magic[key].astype(np.float32)
    return Coincident(_lst_columns(lst, time_ns, rng), magic, rng)


def _lst_columns(one: dict[str, Any], time_ns: Any, rng: np.random.Generator) -> dict[str, Any]:
    n = len(time_ns)
    time_s = START_S + time_ns // 1_000_000_000 + (time_ns % 1_000_000_000) * 1e-9
    return {
        "obs_id": np.full(n, 16270),
        "event_id": np.arange(n) + 5_000,
        "tel_id": np.ones(n, dtype=np.int16),
        "event_type": np.where(rng.random(n) < 0.03, 2, 32),
        "trigger_type": np.ones(n, dtype=np.int64),
        "dragon_time": time_s,
        "alt_tel": one["pointing_alt"],
        "az_tel": one["pointing_az"],
        "phi": np.radians(one["phi"]),
        "psi": np.radians(one["psi"]),
        "time_gradient": one["slope"],
        "wl": one["width"] / one["length"],
        **{key: one[key] for key in ("n_pixels", "n_islands", "intensity", "x", "y", "r", "skewness", "kurtosis")},
        "intercept": one["intercept"],
        **{
            key: np.degrees(np.arctan(one[key] / 28.0))
            for key in ("length", "length_uncertainty", "width", "width_uncertainty")
        },
        **{f"leakage_{key}": one[key] for key in ("intensity_width_1", "intensity_width_2")},
        **{f"leakage_{key}": one[key] for key in ("pixels_width_1", "pixels_width_2")},
    }


def stereo_table(n: int, rng: np.random.Generator, *, simulated: bool = False) -> dict[str, Any]:
    """A table of images as the coincidence tool writes it, or as the Monte Carlo has it."""
    parts = []
    for tel_id, one in enumerate(images(n, rng), start=1):
        keep = np.flatnonzero(rng.random(n) < 0.85)
        ids = {"obs_id": np.full(n, 16270), "event_id": np.arange(n) * 3 + 7, "tel_id": np.full(n, tel_id)}
        extra: dict[str, Any] = {
            "obs_id_magic": np.full(n, 5_114_600),
            "event_id_magic": np.arange(n),
            "obs_id_lst": np.full(n, 16270.0),
            "event_id_lst": np.where(rng.random(n) < 0.2, np.nan, np.arange(n) * 3.0),
            "timestamp": START_S + np.arange(n) * 0.01,
        }
        last: dict[str, Any] = {"multiplicity": np.full(n, 3), "combo_type": np.full(n, 1)}
        if simulated:
            extra = {"true_energy": rng.uniform(0.1, 10, n), "true_alt": np.full(n, 70.0), "true_az": np.full(n, 100.0),
                     "magic_stereo": rng.random(n) < 0.5, "tels_with_trigger": np.full(n, 14)}  # fmt: skip
            last = {}
        parts.append({key: values[keep] for key, values in (ids | extra | one | last).items()})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def write_stereo_input(path: Path, table: dict[str, Any]) -> Path:
    """Write such a table with the instrument, and with the settings of a simulation where it is one."""
    write_table(path, "/events/parameters", table)
    subarray("joint").to_hdf(path)
    if "true_energy" in table:
        settings = {"obs_id": np.array([1]), "n_showers": np.array([1000]), "diffuse": np.array([True]),
                    "energy_range_min": np.array([0.1])}  # fmt: skip
        write_table(path, "/simulation/config", settings)
    return path


def write_table(path: Path, node: str, columns: dict[str, Any]) -> None:
    """Write columns as a table."""
    rows = np.empty(len(next(iter(columns.values()))), dtype=[(k, v.dtype, v.shape[1:]) for k, v in columns.items()])
    for key, values in columns.items():
        rows[key] = values
    parent, name = node.rsplit("/", 1)
    with tables.open_file(str(path), "a") as file:
        file.create_table(parent, name, obj=rows, createparents=True)
