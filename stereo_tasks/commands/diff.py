"""``stereo diff``: two productions of a night, or two versions of what is published of one, compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stereo_tasks.nights import Night
    from stereo_tasks.provenance.published import PublishedVersion
    from stereo_tasks.settings import Settings

console = Console(width=None if sys.stdout.isatty() else 250)
_KINDS = ("settings", "versions", "choices", "inputs", "models")


class DiffError(StereoError):
    """Two productions cannot be compared; the text says why."""


def diff_command(
    before: Annotated[str, typer.Argument(metavar="A", help="A production, or PRODUCTION@VERSION.")],
    after: Annotated[str, typer.Argument(metavar="B", help="What it is compared with.")],
    night: Annotated[str, typer.Option(help="Evening date, such as 2024-01-10.")],
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, an object a source.")] = False,
) -> None:
    """Compare two productions of a night: what they were made of, their events, significance and spectrum."""
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import load_settings

    settings = load_settings()
    found = [
        compare(before, after, Night(night), name, settings)
        for name in source or sources(before, after, Night(night), settings)
    ]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for one in found:
        _print(one)


def sources(before: str, after: str, night: Night, settings: Settings) -> list[str]:
    """Return the sources that either production has published.

    Raises
    ------
    DiffError
        If there are none.
    """
    output = settings.site.paths.output
    productions = [one.partition("@")[0] for one in (before, after)]
    links = [link for one in productions for link in (output / one).glob(f"*/DL3/*/published/{night.lst_date}")]
    if not links:
        raise DiffError(f"nothing of {night} is published in {' or '.join(productions)}: process it first")
    return sorted({link.parents[3].name for link in links})


def compare(before: str, after: str, night: Night, source: str, settings: Settings) -> dict[str, Any]:
    """Compare two publications of a night and source, and return plain values.

    Raises
    ------
    NotPublishedError
        If one of them is not there.
    DiffError
        If their DL3 cannot be read.
    """
    from stereo_tasks.provenance.differences import differences

    versions = [_version(one, night, source, settings) for one in (before, after)]
    differ = differences(*versions)
    values: dict[str, Any] = {
        "source": source,
        "night": str(night),
        **{side: _side(one) for side, one in zip(("before", "after"), versions, strict=True)},
        **{kind: [asdict(change) for change in getattr(differ, kind)] for kind in _KINDS},
        "runs": [],
    }
    if versions[0].folder == versions[1].folder:
        return values
    events = _events(versions, settings)
    # Runs of which both have the same events are no difference.
    values["runs"] = [run for run in events["runs"] if run["lost"] or run["gained"] or run["changed"]]
    for side in ("before", "after"):
        values[side] |= events[side]
    return values


def _version(named: str, night: Night, source: str, settings: Settings) -> PublishedVersion:
    from stereo_tasks.provenance.published import find_version

    production, _, version = named.partition("@")
    return find_version(settings.site.paths.output / production, night.lst_date, source, version or None)


def _side(version: PublishedVersion) -> dict[str, Any]:
    return {
        "production": version.manifest["production"],
        "version": version.name,
        "folder": str(version.folder),
        "qa": version.manifest.get("qa", ""),
    }


def _events(versions: list[PublishedVersion], settings: Settings) -> dict[str, Any]:
    """Compare the events, in the science environment."""
    folders = [str(version.folder) for version in versions]
    command = [str(settings.site.science_python), "-m", "stereo_tasks.qa.difference", *folders]
    environment = {**os.environ, "STEREO_SITE": str(settings.site.root)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DiffError(f"no science environment at {settings.site.science_python}: run 'make setup'") from None
    if done.returncode:
        raise DiffError(done.stderr.strip().rpartition("\n")[2] or "the DL3 could not be compared")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _print(one: Mapping[str, Any]) -> None:
    sides = [one["before"], one["after"]]
    console.rule(f"{one['source']}, night of {one['night']}")
    for letter, side in zip("AB", sides, strict=True):
        _say(f"{letter}: {side['production']}@{side['version']}, QA: {side['qa'] or 'no verdict'}")
    for kind in _KINDS:
        for change in one[kind]:
            before, after = ("none" if change[key] is None else change[key] for key in ("before", "after"))
            _say(f"{kind.removesuffix('s')} {change['name']}: {before} -> {after}")
    if one["runs"]:
        _print_runs(one["runs"])
    if one["runs"] or any(one[kind] for kind in _KINDS):
        if "events" in sides[0]:
            _print_numbers(sides)
    else:
        _say("no difference")


def _print_runs(runs: list[dict[str, Any]]) -> None:
    columns = {"run": "obs_id", "events A": "before", "events B": "after", "lost": "lost", "gained": "gained",
               "changed": "changed"}  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for heading in (*columns, "energy, at most", "direction, at most"):
        table.add_column(heading, justify="right")
    for run in runs:
        shifts = f"{100 * run['energy_shift_max']:.2g} %", f"{run['direction_shift_max_deg']:.2g} deg"
        table.add_row(*(str(run[key]) for key in columns.values()), *shifts)
    console.print(table)


def _print_numbers(sides: list[dict[str, Any]]) -> None:
    table = Table("", box=None, pad_edge=False)
    for letter in "AB":
        table.add_column(letter, justify="right")
    for name, form in (
        ("events", "{events}"), ("live time (s)", "{live_time_s:.1f}"), ("rate (Hz)", "{rate_hz:.4f}"),
        ("ON, OFF", "{n_on}, {n_off}"), ("significance (sigma)", "{significance:.2f}"),
        ("flux (1 / (TeV cm2 s))", "{flux:.3g} +- {flux_error:.2g}"), ("at (TeV)", "{reference_tev:g}"),
        ("index", "{index:.2f} +- {index_error:.2g}"), ("", "{note}"),
    ):  # fmt: skip
        cells = [_cell(form, side) for side in sides]
        if any(cell not in ("", "-") for cell in cells):
            table.add_row(name, *cells)
    console.print(table)


def _cell(form: str, side: Mapping[str, Any]) -> str:
    try:
        return form.format(**side)
    except TypeError:  # None cannot be written as a number: there is none
        return "-"


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
