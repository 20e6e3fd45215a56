"""Pictures of an analysis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from astropy.visualization import quantity_support
from gammapy.modeling.models import SpectralModel
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from stereo_tasks.analysis.flux_points import ConstantFit
from stereo_tasks.analysis.reference import MAGIC_2015, crab_references, crab_spectrum, is_crab
from stereo_tasks.analysis.sky_map import CORRELATION_DEG, SkyMaps
from stereo_tasks.zoom.embed import plot_data

mpl.use("Agg")
_OURS, _BACKGROUND, _REFERENCE = "navy", "dimgrey", "tab:orange"
_E2DNDE = u.Unit("TeV cm-2 s-1")
_HZ_PER_TEV = float((1 * u.TeV).to_value("Hz", u.spectral()))
_DPI = 150


def draw_theta2(table: QTable, cut_deg: float, title: str) -> Figure:
    """Draw ON counts and background against theta2; the dashed line is the (largest) theta cut."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    middle = 0.5 * (table["theta2_min"] + table["theta2_max"]).to_value("deg2")
    half = 0.5 * (table["theta2_max"] - table["theta2_min"]).to_value("deg2")
    axes.errorbar(middle, table["on"], np.sqrt(table["on"]), half, fmt=".", color=_OURS, label="ON")
    edges = np.append(table["theta2_min"].to_value("deg2"), table["theta2_max"][-1].to_value("deg2"))
    axes.stairs(table["background"], edges, color=_BACKGROUND, fill=True, alpha=0.4, label="background (OFF)")
    axes.axvline(cut_deg**2, color=_BACKGROUND, linestyle="--", label="(largest) theta cut")
    axes.set(xlabel="theta² [deg²]", ylabel="events", xlim=(0, edges[-1]), ylim=(0, None), title=title)
    axes.legend()
    return figure


def draw_excess(table: QTable, title: str) -> Figure:
    """Draw excess, background and significance against live time; all three should grow steadily."""
    figure, (counts, sigma) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
    hours = table["total_live_time"].to_value("h")
    counts.errorbar(
        hours, table["total_excess"], table["total_excess_error"], fmt="o-", color=_OURS, markersize=4, label="excess"
    )
    counts.plot(hours, table["total_background"], "s--", color=_BACKGROUND, markersize=4, label="background")
    counts.set(ylabel="events", title=title)
    counts.legend()
    # A steady source: significance grows with the square root of time.
    fine = np.linspace(0, hours[-1], 100)
    sigma.plot(
        fine, table["total_significance"][-1] * np.sqrt(fine / hours[-1]), ":", color=_BACKGROUND, label="∝ √time"
    )
    sigma.plot(hours, table["total_significance"], "o-", color=_OURS, markersize=4, label="significance")
    sigma.set(xlabel="live time [h]", ylabel="significance [σ]", xlim=(0, None))
    sigma.legend()
    return figure


def draw_maps(maps: SkyMaps, source: SkyCoord, title: str) -> Figure:
    """Draw the counts and the significance around the source, which the cross marks."""
    figure = plt.figure(figsize=(12, 5), layout="constrained")
    smoothed = maps.counts.smooth(0.05 * u.deg)
    extreme = max(5.0, float(np.nanmax(np.abs(maps.significance.data))))
    panels = (
        (smoothed, "counts a pixel, smoothed by 0.05 deg", {"cmap": "viridis", "norm": PowerNorm(0.5)}),
        (
            maps.significance,
            f"significance [σ] within {CORRELATION_DEG:g} deg",
            {"cmap": "RdBu_r", "vmin": -extreme, "vmax": extreme},
        ),
    )
    for number, (sky, label, options) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, 2, number, projection=sky.geom.wcs)
        image = axes.imshow(sky.data, origin="lower", interpolation="nearest", **options)
        axes.plot(source.ra.deg, source.dec.deg, "+", color="black", transform=axes.get_transform("icrs"), markersize=9)
        axes.set(xlabel="right ascension (ICRS)", ylabel="declination (ICRS)", title=label)
        figure.colorbar(image, ax=axes, shrink=0.85)
    figure.suptitle(
        f"{title}; away from the source: {maps.background_mean_sigma:+.2f} ± {maps.background_width_sigma:.2f} σ"
    )
    return figure


def draw_sed(table: QTable, model: SpectralModel | None, source: SkyCoord, title: str) -> Figure:
    """Draw flux points with upper limits, the fit with its error band, and the Crab Nebula as others published it.

    Of other sources it is faint: there to compare with.
    """
    figure, axes = plt.subplots(figsize=(7.5, 5), layout="constrained")
    energies = np.geomspace(table["e_min"][0].to_value("TeV"), table["e_max"][-1].to_value("TeV"), 100) * u.TeV
    if model is not None:
        curve, error = (u.Quantity(energies**2 * part) for part in model.evaluate_error(energies)[:2])
        low, high = (curve - error).to_value(_E2DNDE), (curve + error).to_value(_E2DNDE)
        axes.fill_between(energies.to_value("TeV"), low, high, color=_OURS, alpha=0.2, linewidth=0)
        axes.plot(energies.to_value("TeV"), curve.to_value(_E2DNDE), color=_OURS, label="log-parabola, 1 σ")
    for (name, (spectrum, measured_tev)), style in zip(crab_references().items(), ("--", "-."), strict=True):
        inside = energies[(energies.value >= measured_tev[0]) & (energies.value <= measured_tev[1])]
        axes.plot(
            inside.value,
            u.Quantity(inside**2 * spectrum(inside)).to_value(_E2DNDE),
            style,
            color=_REFERENCE,
            alpha=1.0 if is_crab(source) else 0.5,
            label=f"Crab Nebula, {name}",
        )
    _points(axes, table["e_ref"].to_value("TeV"), table, "e2dnde", _E2DNDE, (table["e_min"], table["e_max"]), u.TeV)
    axes.set(
        xscale="log", yscale="log", xlabel="energy [TeV]", ylabel="E² dN/dE [TeV cm⁻² s⁻¹]", title=title
    )  # fmt: skip
    shown = np.where(table["is_ul"], table["e2dnde_ul"].value, table["e2dnde"].value)
    shown = shown[np.isfinite(shown) & (shown > 0)]
    if len(shown):
        axes.set_ylim(0.3 * shown.min(), 3 * shown.max())
    axes.xaxis.set_major_formatter("{x:g}")
    frequency = axes.secondary_xaxis("top", functions=(frequency_hz, energy_tev))
    frequency.set_xlabel("frequency [Hz]")
    axes.legend(fontsize="small")
    return figure


def frequency_hz(energy_tev: np.ndarray) -> np.ndarray:
    """Return the frequency of photons in Hz."""
    return np.asarray(energy_tev) * _HZ_PER_TEV


def energy_tev(frequency_hz: np.ndarray) -> np.ndarray:
    """Return the energy of photons in TeV."""
    return np.asarray(frequency_hz) / _HZ_PER_TEV


def draw_light_curve(table: QTable, fit: ConstantFit | None, source: SkyCoord, title: str) -> Figure:
    """Draw the integral flux by run and by night with the constant fit, against time."""
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    flux = u.Unit("cm-2 s-1")
    for kind, color, marker in (("run", "lightsteelblue", "."), ("night", _OURS, "o")):
        rows = table[table["bin"] == kind]
        middle = 0.5 * (rows["mjd_min"] + rows["mjd_max"]).to_value("d")
        _points(axes, middle, rows, "flux", flux, (rows["mjd_min"], rows["mjd_max"]), u.d, kind, color, marker)
    energies = table["e_min"][0], table["e_max"][0]
    if fit is not None and fit.ndf:
        axes.axhline(
            fit.flux_per_cm2_s,
            color=_BACKGROUND,
            linestyle=":",
            label=f"constant, by night: χ²/ndf = {fit.chi2:.1f}/{fit.ndf}",
        )
    if is_crab(source):
        reference = crab_spectrum().integral(*energies).to_value(flux)
        axes.axhline(reference, color=_REFERENCE, linestyle="--", label=f"Crab Nebula, {MAGIC_2015}")
    axes.set(
        xlabel="MJD [d, UTC]",
        ylabel=f"flux {energies[0].to_value('TeV'):.2g}-{energies[1].to_value('TeV'):.2g} TeV [cm⁻² s⁻¹]",
        title=title,
    )
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.margins(y=0.3)
    axes.legend(fontsize="small")
    return figure


def save(path: Path, draw: Callable[[], Figure], *, zooms: bool = False) -> str:
    """Draw a picture into a PNG file; return what the page makes a plot of if it zooms, otherwise nothing."""
    with quantity_support():
        figure = draw()
    figure.savefig(path, dpi=_DPI)
    data = plot_data(figure) if zooms else ""
    plt.close(figure)
    return data


def _points(
    axes: Axes,
    middle: np.ndarray,
    table: QTable,
    name: str,
    unit: u.Unit,
    edges: tuple[u.Quantity, u.Quantity],
    x_unit: u.Unit,
    label: str = "flux points",
    color: str = _OURS,
    marker: str = "o",
) -> None:
    """Draw points with errors, and arrows where they are upper limits."""
    limit = np.asarray(table["is_ul"], dtype=bool)
    value = np.where(limit, table[f"{name}_ul"].to_value(unit), table[name].to_value(unit))
    error = np.where(limit, 0.25 * np.abs(value), table[f"{name}_err"].to_value(unit))
    widths = np.abs([middle - edges[0].to_value(x_unit), edges[1].to_value(x_unit) - middle])
    axes.errorbar(
        middle, value, error, widths, fmt=marker, uplims=limit, color=color, markersize=4, label=label, zorder=3
    )
