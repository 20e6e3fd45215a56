"""How long log and detection take over ten years: 4,000 rows, 500,000 files. Makes such a tree, and removes it.

    python tests/drills/detection_speed.py [--rows 4000] [--files 500000] [--folder /tmp]

The files are empty ones with a size (sparse); names and folders are as in reality. Prints seconds and peak memory of
each part, one process each. Needs some 100 MB and 500,000 inodes in the folder, for about three minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST = dt.date(2019, 11, 23)
NOW = dt.datetime(2029, 11, 23, 12, 0, tzinfo=dt.UTC)
WRITTEN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp()
SOURCES = (
    "CrabNebula", "Mrk421", "Mrk501", "BLLac", "1ES1959+650", "1ES2344+514", "1ES0647+250", "RGB0521+211",
)  # fmt: skip
HEADER = (
    "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
    "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
)


def write_tree(root: Path, rows: int, files: int) -> int:
    """Write log and files of a site; return the number of files."""
    from stereo_tasks.nights import Night

    random.seed(1)
    nights = [Night(FIRST + dt.timedelta(days=day)) for day in sorted(random.sample(range(3650), rows * 220 // 404))]
    lines = [(night, source) for night in nights for source in SOURCES[:2]]
    lines = sorted(random.sample(lines, min(rows, len(lines))), key=lambda one: (one[0].evening, one[1]))
    subruns = max(1, files // (len(lines) * (2 + 2 * 3)))  # two runs of LST-1, three of each MAGIC telescope
    count, lst_run, magic_run = 0, 2000, 5_080_000
    with (root / "data/stereo_log.csv").open("w") as log:
        log.write(HEADER)
        for night, source in lines:
            lst, magic = [lst_run, lst_run + 1], [magic_run, magic_run + 1, magic_run + 2]
            lst_run, magic_run = lst_run + 2, magic_run + 3
            log.write(
                f"{night.log_date},{source},['Dark'],['L3T'],[True],['Nominal'],10,30,\"{lst}\",{magic[0]},{magic[-1]},"
                "60,60,\n"
            )
            folder = root / "data/LST/DL1" / night.lst_date
            names = [f"dl1_LST-1.Run{run:05}.{one:04}.h5" for run in lst for one in range(subruns)]
            count += _fill(folder / "v0.10/tailcut84", names)
            count += _fill(folder, ["NightFinished.txt"])
            for telescope in (1, 2):
                names = [
                    f"{night.magic_stamp}_M{telescope}_{run:08}.{one + 1:03}_Y_{source}-W0.40+035.root"
                    for run in magic
                    for one in range(subruns)
                ]
                count += _fill(root / f"data/MAGIC/M{telescope}/event/Calibrated" / night.magic_date, names)
    return count


def _fill(folder: Path, names: list[str]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    here = os.open(folder, os.O_RDONLY)
    try:
        for name in names:
            file = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here)
            os.ftruncate(file, 300_000_000)
            os.utime(file, (WRITTEN, WRITTEN))
            os.close(file)
    finally:
        os.close(here)
    return len(names)


def write_models(settings) -> None:
    """Write forests and IRFs for all that the log has."""
    from stereo_tasks.nights import Night
    from stereo_tasks.planning.choices import choose
    from stereo_tasks.products.models import FOREST_KINDS

    for period in settings.monte_carlo.periods:
        for source in SOURCES[:2]:
            tree = choose(Night(period.first), source, settings, settings.production()).trees[1.5]
            tree.forests_folder.mkdir(parents=True, exist_ok=True)
            tree.irf_folder.mkdir(parents=True, exist_ok=True)
            for kind in FOREST_KINDS:
                (tree.forests_folder / f"{kind}_LST1_M1_M2.joblib").touch()
            for zenith in (10.0, 24.0, 38.0):
                (tree.irf_folder / f"irf_zd_{zenith}deg_az_100.0deg.fits.gz").touch()


def site_settings(look_back_days: int):
    """Return the settings of the site, with tables that cover all ten years."""
    from stereo_tasks.settings import load_settings
    from stereo_tasks.settings.choices import Period, TimeOffset

    settings = load_settings()
    dates = {"first": dt.date(2018, 10, 10), "last": dt.date(2035, 1, 1)}
    tables = settings.monte_carlo.model_copy(update={"periods": (Period(name="ST0320A", **dates),)})
    policy = settings.policy.model_copy(update={"look_back_days": look_back_days})
    offsets = (TimeOffset(**dates, offset_us=-3.2),)
    return settings.model_copy(update={"monte_carlo": tables, "time_offsets": offsets, "policy": policy})


def part(name: str) -> dict[str, object]:
    """Run one part in this process, and say what it did."""
    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.readiness import read_readiness
    from stereo_tasks.dispatch.detection import detect_ready_nights, note_dispatched
    from stereo_tasks.nights import Night
    from stereo_tasks.stereo_log import read_site_log

    whole = name.endswith("everything")
    settings = site_settings(5000 if whole else 30)
    write_models(settings)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    log_read = name.startswith("read it")
    if log_read:
        read_site_log(settings)
        start = time.perf_counter()
    if name.startswith("read the log") or log_read:
        log = read_site_log(settings)
        found = f"{len(log.observations)} rows, {len(log.problems)} problems"
    elif name.startswith("detect"):
        nights = detect_ready_nights(Catalog.of_site(settings), NOW, settings=settings)
        found = f"{len(nights)} nights go out"
        took = time.perf_counter() - start
        note_dispatched(Catalog.of_site(settings), nights, settings=settings)
        found += f", remembered in {time.perf_counter() - start - took:.2f} s more"
        start = time.perf_counter() - took
    else:
        ledger = read_readiness(
            Catalog.of_site(settings), settings.production().name, first=Night(FIRST), last=Night(NOW.date())
        )
        found = f"{len(ledger)} entries"
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    memory = {"peak_mb": round(peak_mb), "before_mb": round(before_mb)}
    return {"part": name, "seconds": round(seconds, 2), **memory, "found": found}


PARTS = (
    "read the log", "read it again in the process", "detect, the first time, over everything",
    "detect again, nothing changed, over everything", "detect again, the last 30 days", "read the whole ledger",
)  # fmt: skip


def main() -> None:
    """Make the tree, run the parts, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--files", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--part", choices=PARTS)
    choice = parser.parse_args()
    if choice.part:
        print(json.dumps(part(choice.part)))
        return

    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.schema import migrate
    from stereo_tasks.local_site.database import EmbeddedPostgres

    root = Path(tempfile.mkdtemp(prefix="detection-speed-", dir=choice.folder))
    server = EmbeddedPostgres(root / "state", root)
    try:
        (root / "data").mkdir()
        os.environ["STEREO_SITE"] = str(root)
        start = time.perf_counter()
        count = write_tree(root, choice.rows, choice.files)
        print(f"{count} files in {time.perf_counter() - start:.0f} s", flush=True)
        server.start()
        os.environ["STEREO_CATALOG_URL"] = server.url("postgres")
        migrate(Catalog(server.url("postgres")))
        for name in PARTS:
            command = [sys.executable, __file__, "--part", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            one = json.loads(done.stdout)
            print(
                f"{one['part']:48} {one['seconds']:7.2f} s, {one['peak_mb']:4} MB at most "
                f"({one['before_mb']} MB before), {one['found']}",
                flush=True,
            )
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
