"""``stereo explain``: how a product came to be, whether it is still right, and whether its files are intact."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from stereo_tasks.errors import StereoError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stereo_tasks.products.record import FileMark, Record
    from stereo_tasks.provenance.checking import Checked
    from stereo_tasks.provenance.staleness import Reason
    from stereo_tasks.provenance.story import Story
    from stereo_tasks.settings import Settings

console = Console(width=None if sys.stdout.isatty() else 250)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a product is what would be made now."""

    reasons: tuple[Reason, ...]
    """Why it is not; empty if it is, or if that cannot be said."""
    unknown: tuple[str, ...]
    """Why it cannot be said."""

    @property
    def stale(self) -> bool | None:
        """Whether it is stale; None if that cannot be said."""
        return True if self.reasons else None if self.unknown else False


def explain_command(
    file: Annotated[Path, typer.Argument(help="A product, or a file or folder of a publication.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all files behind it again, too, and compare their checksums.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as a JSON object.")] = False,
    as_prov: Annotated[bool, typer.Option("--prov", help="Its story as W3C PROV (PROV-JSON).")] = False,
) -> None:
    """Tell how a product came to be, whether it is still right, and whether its files are intact.

    Exit code 1: it is stale, or a file is not as it was made.
    """
    from stereo_tasks.provenance.story import tell
    from stereo_tasks.settings import load_settings

    if as_json and as_prov:
        raise typer.BadParameter("--json and --prov exclude each other")
    story = tell(file)
    if as_prov:
        from stereo_tasks.provenance.prov_document import document_of

        typer.echo(document_of(story).serialize(indent=1))
        return
    settings = load_settings()
    judged, checked = judge(story, settings), looked_at(story, settings, everything=verify)
    if as_json:
        typer.echo(json.dumps(values_of(story, judged, checked), indent=1))
    else:
        _print(story, judged, checked)
    if judged.stale or any(_is_damaged(one) for one in checked):
        raise typer.Exit(1)


def judge(story: Story, settings: Settings) -> Judgement:
    """Compare what a product and the Monte Carlo behind it were made of with what they would be made of now."""
    from stereo_tasks.planning.element_state import ElementStates
    from stereo_tasks.processing.night_plans import plan_again
    from stereo_tasks.provenance.staleness import merged, reasons, since

    found: list[Reason] = []
    unknown: list[str] = []
    if story.plan is None:
        unknown.append(f"its plan {story.record.plan} has gone")
    for plan in story.plans:
        try:
            present = plan_again(plan, settings)
        except StereoError as error:
            unknown.append(f"{plan.name} cannot be planned now: {error}")
            continue
        if present is None:
            unknown.append(f"{plan.name} would not be planned now: see `stereo plan` and config/policy.yaml")
            continue
        if story.version and story.replaced and plan is story.plan:
            found += since(story.version.plan, story.replaced, present)
        states = ElementStates(present)
        for record in _last(story, plan.root):
            found += reasons(record, states)
    return Judgement(merged(found), tuple(unknown))


def _last(story: Story, root: str) -> list[Record]:
    """Return the records of a root whose products no other element of it reads."""
    own = [record for record in story.records if record.plan.startswith(f"{root}/plans/")]
    read = {mark.path for record in own for mark in record.inputs}
    return [record for record in own if record is story.record or not any(one.path in read for one in record.outputs)]


def looked_at(story: Story, settings: Settings, *, everything: bool) -> tuple[Checked, ...]:
    """Read the file again, or all files behind it, too."""
    from stereo_tasks.provenance.checking import check

    return check(story.marks if everything else story.marks[: int(story.mark is not None)], settings.site.workers)


def _is_damaged(checked: Checked) -> bool:
    from stereo_tasks.provenance.checking import Content

    return checked.content in (Content.CHANGED, Content.GONE)


def values_of(story: Story, judged: Judgement, checked: Iterable[Checked]) -> dict[str, Any]:
    """Return all that is known of a product as plain values."""
    return {
        "file": str(story.path),
        "sha256": story.mark.sha256 if story.mark else None,
        "element": story.record.element,
        "state": story.record.state,
        "reason": story.record.reason,
        "publication": _publication(story),
        "stale": judged.stale,
        "stale_reasons": [{"kind": one.kind, **asdict(one.change), "elements": one.elements} for one in judged.reasons],
        "stale_unknown": judged.unknown,
        "plans": [
            {
                "name": plan.name,
                "production": plan.production,
                "path": str(plan.path),
                "choices": [asdict(choice) for choice in plan.choices],
                "notices": [asdict(notice) for notice in plan.notices],
            }
            for plan in story.plans
        ],
        "versions": versions_of(story.records),
        "raw": [asdict(mark) for mark in story.origins],
        "records": [asdict(record) for record in story.records],
        "made_again_since": story.remade,
        "checked": [{"path": one.mark.path, "content": one.content} for one in checked],
    }


def _publication(story: Story) -> dict[str, Any] | None:
    if story.version is None:
        return None
    return {
        "folder": str(story.version.folder),
        "version": story.version.name,
        "current": story.version.is_current,
        "qa": story.version.manifest.get("qa", ""),
        "made_again_since": story.replaced,
    }


def versions_of(records: Iterable[Record]) -> dict[str, list[str]]:
    """Return the versions of the software that records name; several where it changed on the way."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(versions) for name, versions in sorted(found.items())}


def _print(story: Story, judged: Judgement, checked: tuple[Checked, ...]) -> None:
    record = story.record
    console.rule(str(story.path))
    _say(f"{record.element} {record.state}{': ' + record.reason if record.reason else ''}")
    made = f"made {record.started_utc} to {record.ended_utc} on {record.host or 'an unknown host'}, job {record.job}"
    _say(f"{made}, {record.cpu_s:g} s of CPU{', engine ' + record.engine if record.engine else ''}")
    for lost in record.lost:
        _say(f"left out: {lost}")
    if published := _publication(story):
        current = "what users read now" if published["current"] else "replaced by a newer one"
        _say(f"published: version {published['version']}, {current}; QA: {published['qa'] or 'no verdict'}")
        if published["made_again_since"]:
            again = ", ".join(published["made_again_since"])
            _say(f"made again since it was published: {again}; what follows is the story of the newer products")
    _print_judgement(judged)
    _print_checked(checked)
    for name in story.remade:
        _say(f"made again since it was read: {name}")
    for plan in story.plans:
        console.print()
        _say(f"choices of {plan.name}, production {plan.production}, plan {plan.path}")
        table = Table("choice", "value", "reason", box=None, pad_edge=False)
        for choice in plan.choices:
            table.add_row(choice.name, choice.value, choice.reason)
        console.print(table)
    console.print()
    _print_stages(story)
    console.print()
    versions = [f"{name} {' and '.join(known)}" for name, known in versions_of(story.records).items()]
    _say(f"versions: {', '.join(versions)}")
    console.print()
    _say(f"{len(story.origins)} files that no element made, with their SHA-256:")
    for mark in story.origins:
        _say(_checksum_line(mark))


def _print_judgement(judged: Judgement) -> None:
    for text in judged.unknown:
        _say(f"whether it is stale cannot be said: {text}")
    if judged.stale is False:
        _say("not stale: it would be made in the same way now")
    for reason in judged.reasons:
        _say(f"stale: {reason}")


def _print_checked(checked: tuple[Checked, ...]) -> None:
    counts = Counter(one.content for one in checked)
    if checked:
        _say(f"checksums: {', '.join(f'{count} {content}' for content, count in counts.items())}")
    for one in checked:
        if _is_damaged(one):
            _say(f"{one.content}: {one.mark.path}")


def _print_stages(story: Story) -> None:
    table = Table("stage", "engine", "made of", "hosts", "made (UTC)", box=None, pad_edge=False)
    for heading in ("elements", "jobs", "CPU (s)"):
        table.add_column(heading, justify="right")
    for stage in dict.fromkeys(record.stage for record in story.records):
        own = [record for record in story.records if record.stage == stage]
        made_of = Counter(_kind(mark.path) for record in own for mark in record.inputs)
        table.add_row(
            stage,
            ", ".join(sorted({record.engine for record in own if record.engine})),
            ", ".join(f"{count} {kind}" for kind, count in sorted(made_of.items())),
            ", ".join(sorted({record.host for record in own})),
            f"{min(record.started_utc for record in own)[:19]} to {max(record.ended_utc for record in own)[:19]}",
            str(len(own)),
            str(len({record.job for record in own})),
            f"{sum(record.cpu_s for record in own):.1f}",
        )
    console.print(table)


def _kind(path: str) -> str:
    return Path(path).name.removesuffix(".gz").rpartition(".")[2]


def _checksum_line(mark: FileMark) -> str:
    return f"{mark.sha256 or 'not recorded'.ljust(64)}  {mark.path}"


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
