"""The DL2 file of a run of LST-1 alone, in the layout of lstchain 0.12.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atomic import atomic
from stereo_tasks.simulate.cameras import FOCAL_M, LST
from stereo_tasks.simulate.lst_files import LstSubrun, dl1_columns
from stereo_tasks.simulate.standalone import LST_ALONE, altaz_rad, reconstruct

GAMMA, PROTON = 0, 101
"""lstchain's numbers of the classes."""


def lst_dl2_path(out: Path, night: Night, version: str, tailcut: str, run: int) -> Path:
    """Return the path of a run's DL2 file."""
    return out / "LST" / "DL2" / night.lst_date / version / tailcut / f"dl2_LST-1.Run{run:05d}.h5"


def write_lst_dl2(path: Path, subruns: list[LstSubrun], rng: np.random.Generator) -> None:
    """Write the DL2 of a run: every trigger with an image that survived the cleaning, as lstchain filters them.

    Parameters
    ----------
    path : pathlib.Path
        Target; replaced if it exists.
    subruns : list of LstSubrun
        What LST-1 recorded; their parameters hold the truth, too.
    rng : numpy.random.Generator
        Source of all fluctuations.
    """
    import pandas as pd
    from lstchain.io import write_dl2_dataframe

    table = pd.concat([_dl2(subrun, rng) for subrun in subruns], ignore_index=True)
    with atomic(path) as temporary:
        temporary.unlink()
        write_dl2_dataframe(table, str(temporary))


def _dl2(subrun: LstSubrun, rng: np.random.Generator) -> Any:
    import pandas as pd

    table = pd.DataFrame(dl1_columns(subrun))
    # From all triggers, interleaved ones too, before any is left out; lstchain writes 0 for the first of a file.
    table["delta_t"] = np.insert(np.diff(table["dragon_time"]), 0, 0.0)
    images = np.isfinite(subrun.parameters["length"]) & np.isfinite(subrun.parameters["true_energy"])
    table = table[images].reset_index(drop=True)
    truth = {name: values[images] for name, values in subrun.parameters.items() if name.startswith("true_")}
    found = reconstruct(truth, LST_ALONE, rng)
    table["log_reco_energy"] = np.log10(found.energy_tev)
    table["reco_energy"] = found.energy_tev
    table["reco_src_x"] = FOCAL_M[LST] * found.lat_rad
    table["reco_src_y"] = FOCAL_M[LST] * found.lon_rad
    table["reco_disp_dx"] = table["reco_src_x"] - table["x"]
    table["reco_disp_dy"] = table["reco_src_y"] - table["y"]
    table["reco_disp_norm"] = np.hypot(table["reco_disp_dx"], table["reco_disp_dy"])
    along = table["reco_disp_dx"] * np.cos(table["psi"]) + table["reco_disp_dy"] * np.sin(table["psi"])
    table["reco_disp_sign"] = np.where(along > 0, 1, -1)
    table["reco_alt"], table["reco_az"] = altaz_rad(
        table["alt_tel"].to_numpy(), table["az_tel"].to_numpy(), found.lat_rad, found.lon_rad
    )
    table["gammaness"] = found.gammaness
    table["reco_type"] = np.where(found.gammaness > 0.5, GAMMA, PROTON)
    return table
