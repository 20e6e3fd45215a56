"""Backfill the years of the real log on a site that has the files of a few simulated nights.

    python tests/drills/backfill_years.py SITE LOG [--first 2020-01-01] [--last 2022-11-20]

LOG is a stereo log of those years; the simulated nights are put into a copy of it. Prints how every night ended, the
wall time and the size of the catalog; exit code 0 if the simulated nights reached DL3 and all others have their end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import yaml
from sqlalchemy import text

from stereo_tasks.airflow_api.client import site_api
from stereo_tasks.catalog.database import Catalog
from stereo_tasks.catalog.nights import night_overview
from stereo_tasks.local_site import control
from stereo_tasks.local_site.demo import prepare_demo_config
from stereo_tasks.local_site.files import free_port
from stereo_tasks.nights import Night
from stereo_tasks.settings import Settings, load_settings

PERIOD = "ST0316A"
SIMULATED = ("2020-11-14", "2020-12-05", "2020-12-25", "2021-01-08", "2021-01-22", "2021-02-01")
CRAB = {"name": "CrabNebula", "ra_deg": 83.633212, "dec_deg": 22.01446}
NODES = [(12.0, 117.4), (20.0, 102.6), (30.0, 93.9)]


def prepare(site: Path, log: Path) -> Settings:
    """Write configuration, data and Monte Carlo of the site."""
    site.mkdir(parents=True)
    prepare_demo_config(site)
    (site / "config" / "policy.yaml").write_text("settle_s: 0\n")
    (site / "config" / "site.yaml").write_text(f"airflow: {{port: {free_port()}}}\n")
    settings = load_settings(site)
    settings.site.paths.data.mkdir(parents=True)
    shutil.copyfile(log, settings.site.paths.stereo_log)
    night = {
        "sources": [
            {
                **CRAB,
                "spectrum": {"amplitude_per_tev_cm2_s": 1.7e-9},
                "runs": [{"zenith_deg": zenith, "subruns": 1} for zenith in (18.0, 22.0)],
            }
        ],
    }
    campaign = {
        "nights": [{**night, "night": date, "seed": number} for number, date in enumerate(SIMULATED, 1)],
        "monte_carlo": {
            "period": PERIOD,
            "nodes": [{"zenith_deg": zenith, "azimuth_deg": azimuth} for zenith, azimuth in NODES],
        },
    }
    spec = site / "campaign.yaml"
    spec.write_text(yaml.safe_dump(campaign))
    for what in ("night", "mc"):
        command = [settings.site.science_python, "-m", "stereo_tasks.simulate", what, "--spec", spec]
        subprocess.run([*map(str, command), "--out", str(settings.site.paths.data)], check=True)
    return settings


def stereo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the command line as a person does."""
    command = [str(Path(sys.executable).parent / "stereo"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run(settings: Settings, first: Night, last: Night) -> int:
    """Run the backfill on the running site, and report."""
    made = stereo("prepare-mc")
    assert made.returncode == 0, made.stdout + made.stderr
    begin = time.monotonic()
    asked = stereo("backfill", str(first), str(last))
    print(asked.stdout, asked.stderr)
    assert asked.returncode == 0
    with site_api(settings) as api:
        while (remaining := _remaining()) or _unfinished(api):
            print(f"{time.monotonic() - begin:6.0f} s, {remaining} remain:", _states(settings, first, last), flush=True)
            time.sleep(20)
    print(stereo("backfill", "--show").stdout)
    wall_s = time.monotonic() - begin
    rows = night_overview(Catalog.of_site(settings), settings.production().name, first, last)
    published = {str(row.night) for row in rows if row.published is not None}
    with Catalog.of_site(settings).engine.connect() as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    print(stereo("status", f"{first}..{last}").stdout[-6000:])
    print(f"{wall_s:.0f} s for {(last.evening - first.evening).days + 1} nights; catalog {size / 1e6:.1f} MB")
    print("published:", sorted(published))
    return 0 if set(SIMULATED) <= published else 1


def _remaining() -> int:
    shown = stereo("backfill", "--show", "--json")
    assert shown.returncode == 0, shown.stderr
    return int(json.loads(shown.stdout)["remaining"])


def _unfinished(api) -> bool:
    return bool(api.runs("process_night", unfinished=True) or api.runs("request_nights", unfinished=True))


def _states(settings: Settings, first: Night, last: Night) -> dict[str, int]:
    with Catalog.of_site(settings).engine.connect() as connection:
        found = connection.execute(
            text("SELECT outcome, count(*) FROM requests WHERE night BETWEEN :first AND :last GROUP BY outcome"),
            {"first": first.evening, "last": last.evening},
        )
        runs = connection.execute(text("SELECT state, count(*) FROM processing_runs GROUP BY state"))
        return dict(Counter({f"asked {name}": number for name, number in found} | dict(map(tuple, runs))))


def main() -> int:
    """Run the drill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--first", default="2020-01-01", type=Night)
    parser.add_argument("--last", default="2022-11-20", type=Night)
    options = parser.parse_args()
    os.environ["STEREO_SITE"] = str(options.site.absolute())
    settings = load_settings(options.site) if options.site.exists() else prepare(options.site.absolute(), options.log)
    control.up(settings, paused=True, echo=print)
    try:
        return run(settings, options.first, options.last)
    finally:
        print(control.down(settings), "processes stopped")


if __name__ == "__main__":
    sys.exit(main())
