"""``stereo select``: rows of the stereo log by every property they have, as a table, JSON or run lists for scripts."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stereo_tasks.nights import Night
    from stereo_tasks.settings import Settings
    from stereo_tasks.stereo_log import Observation, Selection, StereoLog
    from stereo_tasks.stereo_log.filters import Filters

_VERDICTS = ("good", "warning", "bad", "none")

Number = float | None
Count = int | None
Texts = list[str] | None


def select_command(
    log: Annotated[
        str | None, typer.Option(help="File, address or folder of the log; the site's log if not given.")
    ] = None,
    source: Annotated[Texts, typer.Option(help="Only this source; may be repeated.")] = None,
    night: Annotated[str | None, typer.Option(help="Only this night, by its evening date, such as 2022-06-30.")] = None,
    after: Annotated[str | None, typer.Option(help="Only nights after this one.")] = None,
    before: Annotated[str | None, typer.Option(help="Only nights before this one.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="First night.")] = None,
    to: Annotated[str | None, typer.Option(help="Last night.")] = None,
    min_minutes: Annotated[Number, typer.Option(help="Least common observation, in minutes.")] = None,
    max_minutes: Annotated[Number, typer.Option(help="Most common observation, in minutes.")] = None,
    min_same_wobble: Annotated[
        Number, typer.Option(help="Least time at the same wobble position, in minutes; 0 takes rows with 0, too.")
    ] = None,
    max_same_wobble: Annotated[Number, typer.Option(help="Most time at the same wobble position, in minutes.")] = None,
    conditions: Annotated[Texts, typer.Option(help="Sky, such as Dark; may be repeated.")] = None,
    trigger: Annotated[Texts, typer.Option(help="MAGIC trigger, such as L3T; may be repeated.")] = None,
    stereo: Annotated[bool | None, typer.Option("--stereo/--mono", help="MAGIC observed with both or one.")] = None,
    hv: Annotated[Texts, typer.Option(help="High voltage of MAGIC, such as Nominal; may be repeated.")] = None,
    mixed: Annotated[bool, typer.Option(help="Also rows of which only a part is like that.")] = False,
    min_zenith: Annotated[Number, typer.Option(help="All of the row from this zenith distance, in deg.")] = None,
    max_zenith: Annotated[Number, typer.Option(help="All of the row up to this zenith distance, in deg.")] = None,
    min_lst_runs: Annotated[Count, typer.Option(help="Least number of LST-1 runs.")] = None,
    max_lst_runs: Annotated[Count, typer.Option(help="Largest number of LST-1 runs.")] = None,
    min_magic_runs: Annotated[Count, typer.Option(help="Least number of MAGIC runs.")] = None,
    max_magic_runs: Annotated[Count, typer.Option(help="Largest number of MAGIC runs.")] = None,
    qa: Annotated[Texts, typer.Option(help="QA verdict: good, warning, bad, none; may be repeated.")] = None,
    production: Annotated[str | None, typer.Option(help="Production whose QA counts; the site's default.")] = None,
    policy: Annotated[bool, typer.Option("--policy", help="Only what is processed by default (policy.yaml).")] = False,
    why: Annotated[bool, typer.Option("--why", help="Also the other rows, with the reason of each.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    export_txt: Annotated[
        Path | None, typer.Option(help="Write common_dataNAME.txt and MAGIC_runsNAME.txt into this folder.")
    ] = None,
    name: Annotated[str | None, typer.Option("--as", help="NAME of these files; the source if there is one.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that hold other runs.")] = False,
) -> None:
    """Select rows of the stereo log; without a filter, all of them.

    All filters must fit. No site is needed with --log, unless --qa is asked for.
    """
    from stereo_tasks.stereo_log.filters import Filters, Range

    rows_of = _read(log)
    verdicts = _verdict_words(qa)
    first, last = _dates(night, after, before, from_, to)
    filters = Filters(
        sources=_names("source", source, rows_of),
        first=first,
        last=last,
        observation_min=Range(min_minutes, max_minutes),
        same_wobble_min=Range(min_same_wobble, max_same_wobble),
        conditions=_names("conditions", conditions, rows_of),
        trigger=_names("trigger", trigger, rows_of),
        stereo=stereo,
        hv=_names("hv", hv, rows_of),
        mixed=mixed,
        zenith_deg=Range(min_zenith, max_zenith),
        lst_runs=Range(min_lst_runs, max_lst_runs),
        magic_runs=Range(min_magic_runs, max_magic_runs),
        qa=verdicts,
    )
    selection = _select(rows_of, filters, production, policy=policy)
    _say_problems(rows_of)
    if export_txt is not None:
        for line in _export(selection, filters, export_txt, name, overwrite=overwrite):
            typer.echo(line, err=as_json)
    if as_json:
        typer.echo(json.dumps(_json(rows_of, selection, why=why), indent=1, ensure_ascii=False))
    elif export_txt is None:
        _print_table(rows_of, selection, why=why)


def _read(origin: str | None) -> StereoLog:
    from stereo_tasks.settings import load_settings
    from stereo_tasks.stereo_log import read_log, read_site_log

    return read_site_log(load_settings()) if origin is None else read_log(origin)


def _verdict_words(qa: Texts) -> tuple[str, ...]:
    from stereo_tasks.stereo_log import StereoLogError

    words = tuple(word.lower() for word in qa or ())
    if unknown := [word for word in words if word not in _VERDICTS]:
        raise StereoLogError(f"--qa {', '.join(unknown)}: there are {', '.join(_VERDICTS)}")
    return words


def _names(what: str, wanted: Texts, log: StereoLog) -> tuple[str, ...]:
    from stereo_tasks.stereo_log.filters import known_sources, known_values

    if not wanted:
        return ()
    if what == "source":
        return known_sources(wanted, {row.source for row in log.observations})
    found = {value for row in log.observations for value in getattr(row, what)}
    return known_values({"hv": "HV"}.get(what, what), wanted, found)


def _dates(
    night: str | None, after: str | None, before: str | None, first: str | None, last: str | None
) -> tuple[dt.date | None, dt.date | None]:
    """Return the first and the last evening of all these options together."""
    from stereo_tasks.nights import Night

    day = dt.timedelta(days=1)
    lower = [Night(text).evening for text in (night, first) if text]
    upper = [Night(text).evening for text in (night, last) if text]
    if after:
        lower.append(Night(after).evening + day)
    if before:
        upper.append(Night(before).evening - day)
    return max(lower, default=None), min(upper, default=None)


def _select(log: StereoLog, filters: Filters, production: str | None, *, policy: bool) -> Selection:
    from stereo_tasks.settings import load_settings
    from stereo_tasks.stereo_log import Selection, select
    from stereo_tasks.stereo_log.filters import apply_filters

    verdicts = _qa_verdicts(load_settings(), log.observations, production) if filters.qa else {}
    chosen = apply_filters(log.observations, filters, verdicts)
    if not policy:
        return chosen
    by_policy = select(log.observations, load_settings().policy)
    reasons: dict[Observation, str] = dict(chosen.rejected)
    for row, reason in by_policy.rejected:
        reasons[row] = "; ".join(filter(None, (reasons.get(row, ""), reason)))
    accepted = tuple(row for row in log.observations if row not in reasons)
    rejected = tuple((row, reasons[row]) for row in log.observations if row in reasons)
    return Selection(accepted, rejected)


def _qa_verdicts(
    settings: Settings, rows: Iterable[Observation], production: str | None
) -> dict[tuple[Night, str], str]:
    """Return the QA verdicts of a site: from the pages in the output tree, or from the catalog if that is elsewhere."""
    from stereo_tasks.catalog.errors import CatalogError
    from stereo_tasks.stereo_log import StereoLogError

    name = settings.production(production).name
    tree = settings.site.paths.output / name
    if tree.is_dir():
        found = {(row.night, row.source): _verdict(tree, row.night, row.source) for row in rows}
        return {key: level for key, level in found.items() if level}
    try:
        return _catalog_verdicts(settings, name)
    except CatalogError as error:
        raise StereoLogError(
            f"no QA of production {name} is known: there is no folder {tree}, and no catalog ({error}). "
            "Set STEREO_SITE to the site's folder, or leave --qa out"
        ) from None


def _verdict(tree: Path, night: Night, source: str) -> str:
    from stereo_tasks.products.tree import NightTree

    try:
        page = json.loads(NightTree(tree / source, night, "").qa[1].read_text())
        level = page["verdict"]["level"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return level if level in _VERDICTS else ""


def _catalog_verdicts(settings: Settings, production: str) -> dict[tuple[Night, str], str]:
    from sqlalchemy import select

    from stereo_tasks.catalog.database import Catalog
    from stereo_tasks.catalog.models import QaRow
    from stereo_tasks.nights import Night

    with Catalog.of_site(settings).transaction() as session:
        statement = select(QaRow.night, QaRow.source, QaRow.verdict).where(QaRow.production == production)
        return {(Night(night), source): verdict for night, source, verdict in session.execute(statement)}


def _say_problems(log: StereoLog) -> None:
    for text in log.warnings:
        typer.echo(f"warning: {text}", err=True)
    for problem in log.problems:
        typer.echo(f"not understood: {problem}", err=True)


def _export(selection: Selection, filters: Filters, folder: Path, name: str | None, *, overwrite: bool) -> list[str]:
    from stereo_tasks.stereo_log import StereoLogError
    from stereo_tasks.stereo_log.run_lists import write_run_lists

    if name is None and len(filters.sources) != 1:
        raise StereoLogError("give the run lists a name: --as NAME writes common_dataNAME.txt and MAGIC_runsNAME.txt")
    paths = write_run_lists(selection.accepted, folder, name or filters.sources[0], overwrite=overwrite)
    return [_counted(selection.accepted), *map(str, paths)]


def _counts(rows: Iterable[Observation]) -> dict[str, int]:
    chosen = list(rows)
    return {
        "rows": len(chosen),
        "nights": len({row.night for row in chosen}),
        "lst_runs": sum(len(row.lst_runs) for row in chosen),
        "magic_runs": sum(len(row.magic_runs) for row in chosen),
    }


def _counted(rows: Iterable[Observation]) -> str:
    counts = _counts(rows)
    words = {"rows": "row", "nights": "night", "lst_runs": "LST-1 run", "magic_runs": "MAGIC run"}
    return ", ".join(f"{counts[key]} {word}{'' if counts[key] == 1 else 's'}" for key, word in words.items())


def _json(log: StereoLog, selection: Selection, *, why: bool) -> dict[str, Any]:
    selected = [row.content | {"magic_runs": list(row.magic_runs), "line": row.line} for row in selection.accepted]
    out: dict[str, Any] = {
        "log": {"origin": log.origin, "checksum": log.checksum, "rows": len(log.observations)},
        "warnings": list(log.warnings),
        "problems": [str(problem) for problem in log.problems],
        "counts": _counts(selection.accepted),
        "selected": selected,
    }
    if why:
        out["not_selected"] = [
            {"night": row.night.lst_date, "source": row.source, "line": row.line, "reason": reason}
            for row, reason in selection.rejected
        ]
    return out


_COLUMNS: tuple[tuple[str, str, Callable[[Observation], str]], ...] = (
    ("night", "left", lambda row: str(row.night)),
    ("source", "left", lambda row: row.source),
    ("sky", "left", lambda row: ", ".join(row.conditions)),
    ("trigger", "left", lambda row: ", ".join(row.trigger)),
    ("stereo", "left", lambda row: ", ".join("yes" if one else "no" for one in row.stereo)),
    ("HV", "left", lambda row: ", ".join(row.hv)),
    ("zenith deg", "right", lambda row: _pair(row.zenith_min_deg, row.zenith_max_deg)),
    ("min", "right", lambda row: "?" if row.observation_min is None else f"{row.observation_min:.1f}"),
    ("same wobble", "right", lambda row: f"{row.same_wobble_min:.1f}"),
    ("LST-1 runs", "left", lambda row: _runs(row.lst_runs)),
    ("MAGIC runs", "left", lambda row: _runs(row.magic_runs)),
)


def _pair(lowest: float | None, highest: float | None) -> str:
    return "?" if lowest is None or highest is None else f"{lowest:.1f}-{highest:.1f}"


def _runs(runs: tuple[int, ...]) -> str:
    return f"{runs[0]}" if len(runs) == 1 else f"{runs[0]}..{runs[-1]} ({len(runs)})"


def _print_table(log: StereoLog, selection: Selection, *, why: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    # A pipe has no width: 80 columns would cut the runs.
    console = Console(width=None if sys.stdout.isatty() else 250)
    table = Table(box=None, pad_edge=False)
    for title, justify, _ in _COLUMNS:
        table.add_column(title, justify="right" if justify == "right" else "left")
    if why:
        table.add_column("not taken because", overflow="fold")
    reasons: dict[Observation, str] = dict(selection.rejected)
    for row in log.observations if why else selection.accepted:
        reason = reasons.get(row, "")
        texts = [escape(show(row)) for _, _, show in _COLUMNS] + ([escape(reason)] if why else [])
        table.add_row(*texts, style="dim" if reason else None)
    if table.row_count:
        console.print(table)
    console.print(f"{_counted(selection.accepted)} of {len(log.observations)} rows", highlight=False)
    if not selection.accepted and not why:
        console.print("--why gives the reason of every row", highlight=False)
