"""Readers go on without an error and without a mixture, whatever publishers do, and whenever they are killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from published_site import SOURCE

from stereo_tasks.gadf.check import check_folder
from stereo_tasks.nights import Night
from stereo_tasks.processing.publishing import publish
from stereo_tasks.processing.rolling_back import rollback
from stereo_tasks.processing.withdrawing import withdraw
from stereo_tasks.products.season_publication import publish_season
from stereo_tasks.provenance.published import NotPublishedError

PROJECT = Path(__file__).parents[2]
GAMMAPY = [PROJECT / name / "bin/python" for name in (".venv-science", ".venv-analysis")]
NIGHTS = {"2024-01-10": [1, 2], "2024-01-11": [11], "2024-01-12": [21]}
PUBLICATIONS, ROLLBACKS, WITHDRAWALS, KILLED = 50, 10, 10, 20


def in_process(work: Callable[[], object], kill_after_s: float | None) -> bool:
    """Do something in a process of its own, which may be killed; return whether it came to its end."""

    def child() -> None:
        try:
            work()
        except NotPublishedError:  # nothing older than the current version
            os._exit(3)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(process.pid, signal.SIGKILL)
    process.join(120)
    assert process.exitcode in (0, 3, -signal.SIGKILL)
    return process.exitcode == 0


class Publishers:
    """What is done to a source, in an order that chance gives."""

    def __init__(self, nights, catalog, rng: random.Random) -> None:
        self.nights, self.catalog, self.rng = nights, catalog, rng
        self.events: dict[str, int] = {}
        """Number of events in each run, by the folder of a version of a night: every publication has another."""
        self.longest_s = 0.2

    def look(self) -> None:
        """Note the number of events of versions that are new; all of a version were made with the same."""
        for folder in (self.nights.published / ".versions").glob("2*"):
            if folder.name not in self.events and (folder / "published.json").exists():
                runs = json.loads((folder / "published.json").read_text())["runs"].values()
                self.events[folder.name] = next((run["counts"]["events_out"] for run in runs), 0)

    def publication(self, number: int) -> Callable[[], object]:
        night = self.rng.choice(list(NIGHTS))
        runs = [run + extra for run in NIGHTS[night] for extra in ((0, 4) if self.rng.random() < 0.3 else (0,))]
        plan = self.nights.make(night, runs, events=20 + number)
        return lambda: publish(plan, self.nights.settings)

    def back(self) -> Callable[[], object]:
        night = self.rng.choice([None, *map(Night, NIGHTS)])
        return lambda: rollback(self.catalog, self.nights.settings, SOURCE, night, "odd", by="me")

    def withdrawal(self, number: int) -> Callable[[], object]:
        night = self.rng.choice(list(NIGHTS))
        what = Night(night) if number % 5 == 4 else NIGHTS[night][0]

        def both() -> None:
            withdraw(self.catalog, self.nights.settings, what, "clouds", by="me")
            time.sleep(0.1)
            withdraw(self.catalog, self.nights.settings, what, "no clouds", by="me", lifts=True)

        return both

    def all(self) -> int:
        """Do all of it; return how many of the publishers were killed at their work."""
        kinds = ["publication"] * PUBLICATIONS + ["rollback"] * ROLLBACKS + ["withdrawal"] * WITHDRAWALS
        self.rng.shuffle(kinds)
        killed = 0
        for number, kind in enumerate(kinds):
            work = {
                "publication": lambda number=number: self.publication(number),
                "rollback": self.back,
                "withdrawal": lambda number=number: self.withdrawal(number),
            }[kind]()
            start_s = time.monotonic()
            # Some are quicker than their end: others are chosen in their place.
            chosen = killed < KILLED and self.rng.random() < 0.7
            wait_s = self.rng.uniform(0, 0.8 * self.longest_s) if chosen else None
            done = in_process(work, wait_s)
            if wait_s is None and kind == "publication":
                self.longest_s = time.monotonic() - start_s
            killed += chosen and not done
            self.look()
        return killed


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute on a quiet machine
def test_readers_meet_neither_error_nor_mixture(nights, catalog, tmp_path):
    publishers = Publishers(nights, catalog, random.Random(11))
    for night, runs in NIGHTS.items():
        nights.publish(night, runs)
    publishers.look()
    stop = tmp_path / "stop"
    assert all(python.exists() for python in GAMMAPY), "both environments with gammapy are needed: make setup"
    outs = [(python, tmp_path / f"{python.parts[-3]}.jsonl") for python in GAMMAPY]
    script = Path(__file__).with_name("season_reader.py")
    readers = [
        subprocess.Popen([python, script, nights.published / "season", stop, out], stderr=subprocess.DEVNULL)
        for python, out in outs
    ]
    try:
        deadline_s = time.monotonic() + 120
        while not all(out.exists() and out.stat().st_size for _, out in outs) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        killed = publishers.all()
    finally:
        stop.touch()
        for reader in readers:
            reader.wait(60)
    assert killed == KILLED
    seasons = {
        folder.name.partition(".")[2]: json.loads((folder / "published.json").read_text())["nights"]
        for folder in (nights.published / ".seasons").glob("season.*")
    }
    for _, out in outs:
        times = [json.loads(line) for line in out.read_text().splitlines()]
        assert len(times) > 20
        assert len({one.get("hdu") for one in times}) > 5  # it saw many versions
        for one in times:
            assert "error" not in one, one
            of_nights = {f"nights/{name}": publishers.events[name] for name in seasons[one["hdu"]].values()}
            # All nights of one version of the season, and all of their events.
            assert {folder for folder, _ in one["events"].values()} == of_nights.keys()
            assert all(events == of_nights[folder] for folder, events in one["events"].values()), one
            assert one["aeff"] == len(one["events"])
            assert one["obs"] in seasons
            if one["resolved"] or one["obs"] == one["hdu"]:
                assert one["obs"] == one["hdu"]
                assert one["listed"] == sorted(map(int, one["events"]))
    # Whatever died on its way: the next publication brings all to its end.
    nights.publish("2024-01-10", [1, 2], events=999)
    publish_season(nights.published)
    assert check_folder(nights.published / "season") == []
