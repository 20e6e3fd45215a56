"""Where showers come from and fall to: directions, images in the cameras, impact points, heights of the maxima."""

from __future__ import annotations

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord
from astropy.table import Table, vstack
from matplotlib.figure import Figure

from stereo_tasks.summary import pictures
from stereo_tasks.summary.chains import TELESCOPES
from stereo_tasks.summary.counting import Floats, Histogram
from stereo_tasks.summary.distributions import GAMMA_LIKE
from stereo_tasks.summary.result import Result

_SKY_DEG = np.linspace(-1.5, 1.5, 61)
_GROUND_M = np.linspace(-300, 300, 101)
_CAMERA_M = np.linspace(-1.2, 1.2, 81)
_HEIGHT_KM = np.linspace(0, 20, 101)
_ENERGIES_TEV = np.logspace(-1.7, 1.1, 29)


class Maps:
    """Collects events; see the module.

    Parameters
    ----------
    source_ra_deg, source_dec_deg : float
        The source, in ICRS.
    """

    def __init__(self, source_ra_deg: float, source_dec_deg: float) -> None:
        self._source = SkyCoord(source_ra_deg, source_dec_deg, unit="deg")
        self.sky = Histogram(_SKY_DEG, _SKY_DEG)
        self.cores = {name: Histogram(_GROUND_M, _GROUND_M) for name in ("data", "simulated", "true")}
        self.cameras = {name: Histogram(_CAMERA_M, _CAMERA_M) for name in TELESCOPES}
        self.heights = {name: Histogram(_ENERGIES_TEV, _HEIGHT_KM) for name in ("data", "simulated")}

    def fill(self, events: pd.DataFrame) -> None:
        """Add events of data."""
        like_gammas = events[events["stereo_gammaness"] >= GAMMA_LIKE]
        known = like_gammas[["stereo_reco_ra", "stereo_reco_dec"]].dropna().astype(np.float64)
        positions = SkyCoord(known["stereo_reco_ra"].to_numpy(), known["stereo_reco_dec"].to_numpy(), unit="deg")
        lon, lat = self._source.spherical_offsets_to(positions)
        self.sky.fill(lon.to_value("deg"), lat.to_value("deg"))
        for telescope, histogram in self.cameras.items():
            histogram.fill(events[f"{telescope}_x"], events[f"{telescope}_y"])
        self.cores["data"].fill(events["core_x"], events["core_y"])
        self.heights["data"].fill(like_gammas["stereo_reco_energy"], like_gammas["h_max"] / 1000)

    def fill_simulated(self, events: pd.DataFrame, weights: Floats) -> None:
        """Add simulated gamma rays with the weights of a spectrum."""
        self.cores["simulated"].fill(events["core_x"], events["core_y"], weights=weights)
        self.cores["true"].fill(events["true_core_x"], events["true_core_y"], weights=weights)
        like = events["stereo_gammaness"].to_numpy() >= GAMMA_LIKE
        heights_km = events["h_max"] / 1000
        self.heights["simulated"].fill(events["stereo_reco_energy"][like], heights_km[like], weights=weights[like])

    def results(self) -> list[Result]:
        """Return the tables and pictures."""
        return [self._cores(), self._directions(), self._of_cameras(), self._h_max()]

    def _cores(self) -> Result:
        counts = {name: one.counts for name, one in self.cores.items()}
        table = pictures.map_table(self.cores["data"], ("north", "west"), "m", **counts)
        titles = {"data": "data", "simulated": "simulated gamma rays", "true": "simulated, true impact points"}

        def draw(figure: Figure) -> None:
            there = {name: one for name, one in self.cores.items() if name == "data" or one.counts.any()}
            for axes, (name, one) in zip(pictures.panels(figure, len(there)), there.items(), strict=True):
                pictures.draw_map(axes, one, "events" if name == "data" else "weighted events")
                axes.set(xlabel="to the North (m)", ylabel="to the West (m)", title=titles[name], aspect="equal")

        caption = "Impact points on the ground of the events with three telescopes, without any cut."
        return Result("cores", "Impact points", caption, table, draw)

    def _directions(self) -> Result:
        table = pictures.map_table(self.sky, ("ra_offset", "dec_offset"), "deg", events=self.sky.counts)

        def draw(figure: Figure) -> None:
            axes = figure.add_subplot()
            pictures.draw_map(axes, self.sky)
            axes.plot(0, 0, "+", color="red", ms=10)
            axes.set(xlabel="right ascension, from the source (deg)", ylabel="declination, from the source (deg)")
            axes.set(xlim=(_SKY_DEG[-1], _SKY_DEG[0]), aspect="equal")

        caption = (
            f"Directions of the events with a gammaness of at least {GAMMA_LIKE:g}; East is left; cross: the source."
        )
        return Result("directions", "Directions in the sky", caption, table, draw)

    def _of_cameras(self) -> Result:
        tables: list[Table] = []
        for name, one in self.cameras.items():
            own = pictures.map_table(one, ("x", "y"), "m", events=one.counts)
            own["telescope"] = [name] * len(own)
            tables.append(own)

        def draw(figure: Figure) -> None:
            for axes, (name, one) in zip(pictures.panels(figure, len(TELESCOPES)), self.cameras.items(), strict=True):
                pictures.draw_map(axes, one)
                axes.set(xlabel="x (m)", ylabel="y (m)", title=name, aspect="equal")

        caption = "Centres of gravity of the images in the cameras, all events: even, but for stars and broken pixels."
        return Result("cameras", "Images in the cameras", caption, vstack(tables), draw)

    def _h_max(self) -> Result:
        columns = {f"{what}_{name}": values for name, one in self.heights.items() for what, values in _profile(one)}
        table = pictures.bins_table(_ENERGIES_TEV, "TeV", "energy", **columns)
        for name in columns:
            table[name].unit = "km" if name.startswith(("mean", "spread")) else None

        def draw(figure: Figure) -> None:
            left, right = pictures.panels(figure, 2, height_in=4)
            pictures.draw_map(left, self.heights["data"])
            for name, colour in (("data", pictures.STEREO), ("simulated", pictures.SIMULATED)):
                if not self.heights[name].counts.any():
                    continue
                label = "data" if name == "data" else "simulated gamma rays"
                middle = np.sqrt(_ENERGIES_TEV[1:] * _ENERGIES_TEV[:-1])
                for axes in (left, right):
                    some = np.isfinite(columns[f"mean_{name}"])
                    axes.errorbar(
                        middle[some], columns[f"mean_{name}"][some], columns[f"spread_{name}"][some], fmt="o-", ms=3,
                        color="red" if axes is left and name == "data" else colour, elinewidth=0.7, label=label,
                    )  # fmt: skip
            for axes in (left, right):
                pictures.logarithmic(axes, "x")
                axes.set(xlabel="reconstructed energy (TeV)", ylabel="height of the maximum (km)", ylim=(0, 20))
                pictures.legend(axes)

        caption = (
            f"Height of the shower maximum above the telescopes, gammaness of at least {GAMMA_LIKE:g}: all events, and "
            "means with standard deviations."
        )
        return Result("h_max", "Heights of the shower maxima", caption, table, draw)


def _profile(histogram: Histogram) -> list[tuple[str, Floats]]:
    """Return mean and standard deviation along the second axis, and the events, for each bin of the first."""
    counts, middle = histogram.counts, histogram.centers(1)
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = counts @ middle / total
        spread = np.sqrt(np.maximum(counts @ middle**2 / total - mean**2, 0))
    return [("mean", mean), ("spread", spread), ("events", total)]
