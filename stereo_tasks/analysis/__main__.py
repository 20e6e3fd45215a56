"""``python -m stereo_tasks.analysis --dl3 FOLDER --source NAME --out DIR``: analyse a source."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Analyse; return 0, or 1 with a line that says what to do."""
    parser = argparse.ArgumentParser(prog="python -m stereo_tasks.analysis", description=__doc__)
    parser.add_argument("--dl3", type=Path, required=True, help="folder of DL3 with an index")
    parser.add_argument("--source", required=True, help="its name")
    parser.add_argument("--out", type=Path, required=True, help="where the results are written")
    parser.add_argument("--ra", type=float, help="right ascension in deg, ICRS; without, that of the headers")
    parser.add_argument("--dec", type=float, help="declination in deg, ICRS")
    parser.add_argument("--all", action="store_true", help="also use observations with QUALITY 2 (bad)")
    parser.add_argument("--settings", help="as JSON; without, those of config/analysis.yaml of this checkout")
    options = parser.parse_args(arguments)
    if (options.ra is None) != (options.dec is None):
        parser.error("give both --ra and --dec, or neither")
    from stereo_tasks.analysis.quiet import be_quiet

    be_quiet()
    from astropy.coordinates import SkyCoord

    from stereo_tasks.analysis.analyse import analyse
    from stereo_tasks.analysis.settings import AnalysisSettings, read_settings
    from stereo_tasks.errors import StereoError

    position = None if options.ra is None else SkyCoord(options.ra, options.dec, unit="deg")
    try:
        settings = AnalysisSettings.model_validate_json(options.settings) if options.settings else read_settings()
        results = analyse(
            [options.dl3], options.source, options.out, settings=settings, position=position, use_bad=options.all
        )
    except StereoError as error:
        print(f"stereo: {error}", file=sys.stderr)
        return 1
    for line in _summary(results, options.out):
        print(line)
    return 0


def _summary(results: dict, out: Path) -> list[str]:  # type: ignore[type-arg]
    spectrum = results["spectrum"]
    lines = [
        f"{len(results['observations'])} observations, {results['live_time_s'] / 3600:.2f} h live time, "
        f"{results['on']} ON, {results['off']} OFF (alpha {results['alpha_off']:.3g}), "
        f"{results['significance_sigma']:.1f} sigma"
    ]
    lines += [f"left out: {obs_id}, {reason}" for obs_id, reason in results["left_out"].items()]
    if spectrum is None:
        flux = results["flux"]
        lines.append(f"no spectrum: {results['reason']}")
        lines.append(
            f"flux above {flux['energy_min_tev']:.2g} TeV: {flux['flux_per_cm2_s']:.2e} +- "
            f"{flux['flux_error_per_cm2_s']:.1e}, upper limit {flux['upper_limit_per_cm2_s']:.2e} / (cm2 s)"
        )
    else:
        pairs = {"amplitude_per_tev_cm2_s": ".2e", "alpha": ".2f", "beta": ".2f"}
        values = ", ".join(
            f"{key} {spectrum[key]:{form}} +- {spectrum[key + '_error']:{form}}" for key, form in pairs.items()
        )
        lines.append(f"{spectrum['model']}, at {spectrum['reference_tev']:g} TeV: {values}")
    return [*lines, f"results, tables and pictures: {out}"]


if __name__ == "__main__":
    sys.exit(main())
