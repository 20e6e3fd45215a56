"""The analysis of a source from folders of DL3, from the events to its files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from gammapy.datasets import SpectrumDatasetOnOff

from stereo_tasks.analysis import pictures
from stereo_tasks.analysis.counts import Counts, count, excess_table
from stereo_tasks.analysis.flux_points import common_energies, constant_fit, light_curve, sed_table
from stereo_tasks.analysis.observations import SourceObservations, find_observations
from stereo_tasks.analysis.reduction import Reduction, reduce, stack
from stereo_tasks.analysis.results import check_writable, versions, write_results
from stereo_tasks.analysis.runs import runs_table
from stereo_tasks.analysis.settings import AnalysisSettings
from stereo_tasks.analysis.sky_map import SkyMaps, sky_maps
from stereo_tasks.analysis.spectrum import Spectrum, assumed_power_law, fit_log_parabola, fit_power_law
from stereo_tasks.analysis.theta2 import theta2_table

_CM2_S = u.Unit("cm-2 s-1")


def analyse(
    folders: Sequence[Path],
    name: str,
    out: Path,
    *,
    settings: AnalysisSettings,
    position: SkyCoord | None = None,
    use_bad: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Analyse the observations of a source, and leave results, tables, pictures and a page.

    Parameters
    ----------
    folders : sequence of pathlib.Path
        DL3 with an index, such as the folders of several nights.
    name : str
        Name of the source.
    out : pathlib.Path
        Where the results are written.
    settings : AnalysisSettings
    position : astropy.coordinates.SkyCoord, optional
        Of the source; that of the headers if not given.
    use_bad : bool
        Also use observations of bad quality.
    origin : mapping, optional
        What else is to be said of where the DL3 is from; goes into the results as it is.

    Returns
    -------
    dict
        What is in ``results.yaml``.

    Raises
    ------
    AnalysisError
        If there is nothing to analyse, or the files cannot be read or written.
    """
    check_writable(out)
    found = find_observations(folders, name, position, offset_max_deg=settings.offset_max_deg, use_bad=use_bad)
    reduction = reduce(found.observations, found.source, settings)
    stacked = stack(reduction.datasets, "all")
    total = count(reduction.datasets, reduction.off_regions)
    power_law, spectrum = _spectra(stacked, total, settings)
    model = spectrum.model or power_law.model or assumed_power_law(settings)
    low_tev, high_tev = (float(edge.to_value("TeV")) for edge in stacked.energy_range_total)
    maps = sky_maps(reduction.observations, found.source, (low_tev, high_tev))
    tables = {
        "sed": sed_table(stacked, model, reduction.off_regions, settings),
        "lightcurve": light_curve(reduction.datasets, model, reduction.off_regions, settings),
        "excess": excess_table(reduction.datasets, reduction.off_regions),
        "theta2": theta2_table(reduction.observations, found.source, reduction.off_regions, (low_tev, high_tev)),
        "runs": runs_table(found, reduction),
    }
    results = {
        "source": {
            "name": name,
            "ra_deg": float(found.source.icrs.ra.deg),
            "dec_deg": float(found.source.icrs.dec.deg),
        },
        "origin": {"folders": [str(folder) for folder in folders], **(origin or {})},
        "observations": [int(observation.obs_id) for observation in reduction.observations],
        "nights": sorted(set(tables["runs"]["night"][tables["runs"]["used"]].tolist())),
        "left_out": {**found.left_out, **reduction.left_out},
        "bad_quality_used": use_bad,
        **_counts(total),
        "energy_min_tev": low_tev,
        "energy_max_tev": high_tev,
        **_shape("spectrum", "log-parabola", spectrum),
        **_shape("power_law", "power law", power_law),
        "curvature_sigma": _curvature_sigma(power_law, spectrum),
        "flux": _flux(tables["lightcurve"]),
        "light_curve": _light_curve(tables["lightcurve"], reduction, spectrum, power_law),
        "regions": {
            "irfs": "point-like" if reduction.point_like else "full-enclosure",
            "on_radius_largest_deg": reduction.on_radius_deg,
            "off_regions": reduction.off_regions,
        },
        "map_away_from_source": {"mean_sigma": maps.background_mean_sigma, "width_sigma": maps.background_width_sigma},
        "settings": settings.model_dump(),
        "versions": versions(),
    }
    write_results(out, results, tables, _pictures(name, found, reduction, total, spectrum, tables, maps))
    return results


def _spectra(stacked: SpectrumDatasetOnOff, total: Counts, settings: AnalysisSettings) -> tuple[Spectrum, Spectrum]:
    """Fit power law and log-parabola, or say why not."""
    if total.significance_sigma < settings.spectrum_min_sigma:
        reason = (
            f"the excess has {total.significance_sigma:.1f} sigma; "
            f"a spectrum is fitted from {settings.spectrum_min_sigma:g} sigma on"
        )
        return Spectrum(None, reason), Spectrum(None, reason)
    power_law = fit_power_law(stacked, settings)
    return power_law, fit_log_parabola(stacked, power_law, settings)


def _counts(total: Counts) -> dict[str, float]:
    return {
        "live_time_s": total.live_time_s,
        "on": total.on,
        "off": total.off,
        "alpha_off": total.alpha,
        "excess": total.excess,
        "excess_error": total.excess_error,
        "significance_sigma": total.significance_sigma,
    }


def _shape(key: str, model: str, spectrum: Spectrum) -> dict[str, Any]:
    parameters = spectrum.as_dict()
    if parameters is None:
        return {key: None, "reason" if key == "spectrum" else f"{key}_reason": spectrum.reason}
    return {key: {"model": model, **parameters}}


def _curvature_sigma(power_law: Spectrum, spectrum: Spectrum) -> float | None:
    """Return by how many sigma the log-parabola describes the counts better: its one more parameter (Wilks 1938)."""
    if power_law.model is None or spectrum.model is None:
        return None
    return math.sqrt(max(power_law.stat - spectrum.stat, 0.0))


def _flux(curve: QTable) -> dict[str, Any]:
    """Return the flux of all runs together; the upper limit is there whether or not it is needed."""
    (row,) = curve[curve["bin"] == "all"]
    return {
        "energy_min_tev": float(row["e_min"].to_value("TeV")),
        "energy_max_tev": float(row["e_max"].to_value("TeV")),
        "flux_per_cm2_s": float(row["flux"].to_value(_CM2_S)),
        "flux_error_per_cm2_s": float(row["flux_err"].to_value(_CM2_S)),
        "upper_limit_per_cm2_s": float(row["flux_ul"].to_value(_CM2_S)),
        "is_upper_limit": bool(row["is_ul"]),
    }


def _light_curve(curve: QTable, reduction: Reduction, spectrum: Spectrum, power_law: Spectrum) -> dict[str, Any]:
    low, high = common_energies(reduction.datasets).to_value("TeV")
    shape = "the log-parabola" if spectrum.model else "the power law" if power_law.model else "an assumed power law"
    result: dict[str, Any] = {"energy_min_tev": float(low), "energy_max_tev": float(high), "shape": f"that of {shape}"}
    for kind in ("run", "night"):
        fit = constant_fit(curve, kind)
        result[f"constant_by_{kind}"] = fit and {**asdict(fit), "probability": fit.probability}
    return result


def _pictures(
    name: str,
    found: SourceObservations,
    reduction: Reduction,
    total: Counts,
    spectrum: Spectrum,
    tables: dict[str, QTable],
    maps: SkyMaps,
) -> dict[str, Any]:
    title = f"{name}, {total.live_time_s / 3600:.1f} h, {total.significance_sigma:.1f} σ"
    curve = tables["lightcurve"]
    return {
        "theta2": partial(pictures.draw_theta2, tables["theta2"], reduction.on_radius_deg, title),
        "excess": partial(pictures.draw_excess, tables["excess"], title),
        "maps": partial(pictures.draw_maps, maps, found.source, title),
        "sed": partial(pictures.draw_sed, tables["sed"], spectrum.model, found.source, title),
        "lightcurve": partial(pictures.draw_light_curve, curve, constant_fit(curve, "night"), found.source, title),
    }
