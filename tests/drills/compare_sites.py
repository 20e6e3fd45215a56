"""Compare what two sites made of the same data, such as one on SLURM and one on the process pool.

    python tests/drills/compare_sites.py SITE SITE [NIGHT]

The second site's data must be a copy of the first's with the times of the files (``cp -a``), for these are part of the
fingerprints. Exit code 0 if states, counts and event lists are the same, and all fingerprints that can be.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

from stereo_tasks.local_site.demo import DEMO_NIGHT
from stereo_tasks.local_site.results import PlanShelf
from stereo_tasks.nights import Night
from stereo_tasks.planning.plan import Element, Plan
from stereo_tasks.products.record import Record, read_record
from stereo_tasks.settings import load_settings
from stereo_tasks.stages import State
from stereo_tasks.stages.monte_carlo import MC_DL2, MC_FORESTS, MC_IRF, MC_STEREO
from stereo_tasks.stages.night import DL3


@dataclass
class Comparison:
    """What was compared, and what differs."""

    counted: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def check(self, what: str, where: str, one: object, other: object) -> None:
        """Count a comparison, and note a difference."""
        self.counted[what] += 1
        if one != other:
            self.differences.append(f"{where}: {what} {one} against {other}")


def plans_of(site: Path, night: Night) -> dict[str, Plan]:
    """The newest plans of a site, of the night and of the Monte Carlo, by name."""
    settings = load_settings(site)
    shelves = (PlanShelf.of_night(settings, night), PlanShelf.of_monte_carlo(settings))
    return {plan.name: plan for shelf in shelves for plan in shelf.newest().values()}


def compare_plans(result: Comparison, one: Plan, other: Plan) -> None:
    """Compare all elements of a plan."""
    others = {element.id: element for element in other.elements}
    result.check("elements", one.name, {element.id for element in one.elements}, set(others))
    by_output = {output: element for element in one.elements for output in element.outputs}
    for element in one.elements:
        if element.id in others:
            compare_elements(result, f"{one.name} {element.id}", element, others[element.id])
            if not from_models(element, by_output):
                marks = [read_fingerprint(each) for each in (element, others[element.id])]
                result.check("fingerprints", f"{one.name} {element.id}", *marks)


def from_models(element: Element, by_output: dict[str, Element]) -> bool:
    """Tell whether an element depends on models that each site made at another time, which its fingerprint says."""
    for item in element.inputs:
        if item.producer in by_output:
            if from_models(by_output[item.producer], by_output):
                return True
        elif item.producer is None and "mc" in Path(item.path).parts and element.stage not in _MC_STAGES:
            return True
    return False


_MC_STAGES = (MC_STEREO, MC_FORESTS, MC_DL2, MC_IRF)


def read_fingerprint(element: Element) -> str:
    """The fingerprint in the record of an element."""
    record = read_record(element.record_path)
    return record.fingerprint if record else "no record"


def compare_elements(result: Comparison, where: str, one: Element, other: Element) -> None:
    """Compare the records of an element, and its event list if it has one."""
    first, second = read_record(one.record_path), read_record(other.record_path)
    result.check("states", where, *(record and (record.state, bool(record.reason)) for record in (first, second)))
    if first is None or second is None:
        return
    result.check("counts", where, rounded(first), rounded(second))
    result.check("losses", where, len(first.lost), len(second.lost))
    if one.stage == DL3 and first.state == second.state == State.DONE:
        compare_event_lists(result, where, Path(one.outputs[0]), Path(other.outputs[0]))


def rounded(record: Record) -> dict[str, str]:
    """The counts of a record; sums in another order differ in the last digits."""
    return {name: f"{value:.9g}" for name, value in record.counts.items()}


def compare_event_lists(result: Comparison, where: str, one: Path, other: Path) -> None:
    """Compare every table of two DL3 files, value by value."""
    with fits.open(one) as first, fits.open(other) as second:
        names = [[part.name for part in file] for file in (first, second)]
        result.check("tables", where, *names)
        for name in names[0][1:]:
            left, right = first[name].data, second[name].data
            same = len(left) == len(right) and left.dtype == right.dtype
            same = same and all(agree(left[column], right[column]) for column in left.names)
            result.check(f"{name} tables", where, "" if same else "one", "" if same else "other values")
            if name == "EVENTS":
                result.counted["events"] += len(left)


def agree(left: np.ndarray, right: np.ndarray) -> bool:
    """Tell whether two columns are the same; numbers with a fraction up to their last digits.

    Forests add up their trees in the order in which threads end, which no two runs have in common.
    """
    if left.dtype.kind == "f":
        return bool(np.allclose(left, right, rtol=1e-12, atol=1e-12, equal_nan=True))
    return bool(np.array_equal(left, right))


def main() -> int:
    """Compare and print."""
    night = Night(sys.argv[3]) if len(sys.argv) > 3 else DEMO_NIGHT
    one, other = (plans_of(Path(site), night) for site in sys.argv[1:3])
    result = Comparison()
    result.check("plans", "sites", set(one), set(other))
    for name in one.keys() & other.keys():
        compare_plans(result, one[name], other[name])
    for what, count in result.counted.items():
        print(f"{count:8} {what} compared")
    for text in result.differences:
        print(f"DIFFERENT  {text}")
    print(f"{len(result.differences)} differences")
    return 1 if result.differences or not result.counted["events"] else 0


if __name__ == "__main__":
    sys.exit(main())
