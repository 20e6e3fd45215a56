"""The page of an analysis: one HTML file with nothing to load from elsewhere; its only scripts make plots zoom."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from astropy.table import QTable

from stereo_tasks.zoom.embed import scripts
from stereo_tasks.zoom.policy import page_policy

_STYLE = Path(__file__).with_name("page.css")
_NOTHING = "–"
_FLUX = "TeV⁻¹ cm⁻² s⁻¹"
_CAPTIONS = {
    "sed": "Flux points of all runs together with the fit; arrows are upper limits.",
    "lightcurve": "Integral flux by run and by night; arrows are upper limits.",
    "theta2": "Squared distance of the events from the source, and from the centres of the OFF regions.",
    "excess": "Excess, background and significance as live time adds up; all should grow steadily.",
    "maps": "Counts and significance around the source (cross), with the background of a ring.",
}
_WIDE = ("maps",)
ZOOMING = ("sed", "lightcurve", "theta2", "excess")
_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(
    results: Mapping[str, Any],
    tables: Mapping[str, QTable],
    pictures: Mapping[str, bytes],
    plots: Mapping[str, str] | None = None,
) -> str:
    """Return the page as HTML; all texts are escaped.

    Parameters
    ----------
    results : mapping
        As in ``results.yaml``.
    tables : mapping of str to astropy.table.QTable
        ``lightcurve`` and ``runs`` are shown.
    pictures : mapping of str to bytes
        PNG files by name.
    plots : mapping of str to str, optional
        What plots that zoom are made of, by the name of the picture.
    """
    plots = plots or {}
    style = _STYLE.read_text()
    name = escape(results["source"]["name"])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{page_policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: analysis of {len(results["nights"])} nights</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{name}, {_range(results["nights"])}</h1>
<p class="soft">{_subtitle(results)}</p>
</header>
<dl class="tiles">
{"".join(_tile(*tile) for tile in _tiles(results))}
</dl>
<section>
<h2>Pictures</h2>
<div class="plots">
{"".join(_figure(name, pictures[name], plots.get(name, "")) for name in _CAPTIONS if name in pictures)}
</div>
{_background(results)}
</section>
<section>
<h2>Spectrum of all runs</h2>
{_spectrum(results)}
</section>
<section>
<h2>Light curve by night</h2>
{_light_curve(results, tables["lightcurve"])}
</section>
<section>
<h2>Runs used, and runs left out</h2>
{_runs(tables["runs"])}
</section>
<section>
<h2>Where it comes from</h2>
<details><summary>DL3, versions and settings</summary>
{_mapping(results["origin"], "DL3", "")}
{_mapping(results["versions"], "Package", "Version")}
{_mapping(results["settings"], "Setting (config/analysis.yaml)", "Value")}
</details>
</section>
{scripts() if any(plots.values()) else ""}
</body>
</html>
"""


def _range(nights: Sequence[str]) -> str:
    if len(nights) == 1:
        return f"night of {nights[0]}"
    return f"{len(nights)} nights, {nights[0]} to {nights[-1]}"


def _subtitle(results: Mapping[str, Any]) -> str:
    source, origin = results["source"], results["origin"]
    parts = [f"production {origin['production']}"] if "production" in origin else []
    parts.append(f"right ascension {source['ra_deg']:.4f}°, declination {source['dec_deg']:+.4f}° (ICRS)")
    parts.append("evening dates")
    return escape("; ".join(parts))


def _tiles(results: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Yield what, value and remark."""
    used, left_out = len(results["observations"]), len(results["left_out"])
    regions = results["regions"]
    yield "Live time", _hours(results["live_time_s"]), f"{used} runs used, {left_out} left out"
    yield "Significance", f"{results['significance_sigma']:.1f} σ", "Li & Ma, equation 17"
    yield (
        "Excess",
        f"{results['excess']:,.1f} ± {results['excess_error']:,.1f}",
        f"{results['on']:,} ON, {results['off']:,} in {regions['off_regions']} OFF regions",
    )
    shape = results["spectrum"] or results["power_law"]
    if shape is None:
        flux = results["flux"]
        yield (
            f"Flux above {flux['energy_min_tev']:.2g} TeV",
            f"< {_scientific(flux['upper_limit_per_cm2_s'])}",
            "cm⁻² s⁻¹, 95 % upper limit" if results["settings"]["upper_limit_sigma"] == 2 else "cm⁻² s⁻¹, upper limit",
        )
        return
    amplitude = _scientific(shape["amplitude_per_tev_cm2_s"], shape["amplitude_per_tev_cm2_s_error"])
    yield f"Flux at {shape['reference_tev']:g} TeV", amplitude, f"{_FLUX}, statistical error"
    yield "Spectral index", f"{shape['alpha']:.2f} ± {shape['alpha_error']:.2f}", shape["model"]


def _background(results: Mapping[str, Any]) -> str:
    sky = results["map_away_from_source"]
    return (
        f'<p class="soft">Significance away from the source: mean {sky["mean_sigma"]:+.2f} σ, '
        f"width {sky['width_sigma']:.2f} σ; 0 and 1 if the background is right.</p>"
    )


def _spectrum(results: Mapping[str, Any]) -> str:
    rows = []
    for key in ("spectrum", "power_law"):
        if (shape := results[key]) is None:
            continue
        curvature = f"{shape['beta']:.3f} ± {shape['beta_error']:.3f}" if "beta" in shape else _NOTHING
        rows.append(
            (
                shape["model"],
                _scientific(shape["amplitude_per_tev_cm2_s"], shape["amplitude_per_tev_cm2_s_error"]),
                f"{shape['alpha']:.3f} ± {shape['alpha_error']:.3f}",
                curvature,
                f"{shape['stat']:.1f} / {shape['bins']}",
                _NOTHING if shape["probability"] is None else f"{shape['probability']:.2g}",
            )
        )
    if not rows:
        return f"<p>{escape(results['reason'])}.</p>"
    reference = (results["spectrum"] or results["power_law"])["reference_tev"]
    text = (
        f"Energies {results['energy_min_tev']:.3g} to {results['energy_max_tev']:.3g} TeV, "
        f"dN/dE = flux × (E / {reference:g} TeV)^(−α − β ln(E / {reference:g} TeV)); statistical errors."
    )
    if results["curvature_sigma"] is not None:
        text += f" The log-parabola is better than the power law by {results['curvature_sigma']:.1f} σ."
    if results["spectrum"] is None:
        text += f" No log-parabola: {results['reason']}."
    heads = (
        "Model",
        f"#Flux at {reference:g} TeV ({_FLUX})",
        "#α",
        "#β (natural logarithm)",
        "#W statistic / bins",
        "#Chance",
    )
    return f"<p>{escape(text)}</p>{_table(heads, rows)}"


def _light_curve(results: Mapping[str, Any], curve: QTable) -> str:
    lights = results["light_curve"]
    text = (
        f"Flux from {lights['energy_min_tev']:.3g} to {lights['energy_max_tev']:.3g} TeV, the energies that all runs "
        f"have; its shape is {lights['shape'].removeprefix('that of ')}."
    )
    if (fit := lights["constant_by_night"]) and fit["ndf"]:
        text += f" Constant flux by night: χ²/ndf = {fit['chi2']:.1f}/{fit['ndf']}, chance {fit['probability']:.2g}."
    rows = []
    for row in curve[curve["bin"] == "night"]:
        flux, error, limit = (float(row[name].to_value("cm-2 s-1")) for name in ("flux", "flux_err", "flux_ul"))
        shown = f"< {_scientific(limit)}" if row["is_ul"] else _scientific(flux, error)
        live_time = _hours(float(row["live_time"].to_value("s")))
        counts = (f"{row['on']:,}", f"{row['excess']:,.1f}", f"{row['significance']:.1f}")
        rows.append((str(row["name"]), live_time, *counts, shown))
    heads = ("Night", "#Live time", "#ON", "#Excess", "#Significance (σ)", "#Flux (cm⁻² s⁻¹)")
    return f"<p>{escape(text)}</p>{_table(heads, rows)}"


def _runs(runs: QTable) -> str:
    rows = [
        (
            str(row["obs_id"]),
            str(row["night"]),
            _number(row["zenith"].to_value("deg"), ".1f"),
            _number(row["offset"].to_value("deg"), ".2f"),
            _hours(float(row["live_time"].to_value("s"))),
            str(row["quality"]),
            "used" if row["used"] else f"!left out: {row['reason']}",
        )
        for row in runs
    ]
    heads = ("Run", "Night", "#Zenith (deg)", "#Offset (deg)", "#Live time", "#QUALITY", "Used?")
    return _table(heads, rows)


def _mapping(values: Mapping[str, Any], key: str, value: str) -> str:
    rows = [
        (name, ", ".join(map(str, content)) if isinstance(content, list) else str(content))
        for name, content in values.items()
    ]
    return _table((key, value), rows)


def _tile(what: str, value: str, remark: str) -> str:
    return f'<div class="tile"><dt>{escape(what)}</dt><dd>{escape(value)}<small>{escape(remark)}</small></dd></div>\n'


def _figure(name: str, picture: bytes, plot: str) -> str:
    kind = ' class="wide"' if name in _WIDE else ""
    data = base64.b64encode(picture).decode()
    caption = escape(_CAPTIONS[name])
    return (
        f'<figure{kind}><img src="data:image/png;base64,{data}" alt="{caption}">{plot}'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; ``#`` before a heading is a column of numbers, ``!`` before a text something to look at."""
    numbers = [head.startswith("#") for head in heads]
    head = "".join(
        f"<th{' class=n' if number else ''}>{escape(text.lstrip('#'))}</th>"
        for text, number in zip(heads, numbers, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(_cell(text, number) for text, number in zip(row, numbers, strict=True)) + "</tr>\n"
        for row in rows
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def _cell(text: str, number: bool) -> str:
    kind = "n" if number else "off" if text.startswith("!") else "path" if "/" in text else ""
    return f"<td{f' class={kind}' if kind else ''}>{escape(text.removeprefix('!'))}</td>"


def _hours(seconds: float) -> str:
    if not math.isfinite(seconds):
        return _NOTHING
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else _NOTHING


def _scientific(value: float, error: float | None = None) -> str:
    """Format a value, and its error with the same power of ten."""
    if not math.isfinite(value) or (error is not None and not math.isfinite(error)):
        return _NOTHING
    power = math.floor(math.log10(max(abs(value), error or 0.0))) if value or error else 0
    exponent = str(power).translate(_POWERS)
    if error is None:
        return f"{value / 10.0**power:.2f} × 10{exponent}"
    return f"({value / 10.0**power:.2f} ± {error / 10.0**power:.2f}) × 10{exponent}"
