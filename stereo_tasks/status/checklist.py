"""What the person of the day looks at for a night: what is settled already, and what needs eyes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stereo_tasks.status.night_report import NightReport
from stereo_tasks.status.state import NightState, SourceStatus

_SETTLED = (NightState.DONE, NightState.PARTIAL, NightState.NOT_TAKEN, NightState.NOTHING)
_SHOWN = 3
_PROCESSED = (NightState.DONE, NightState.PARTIAL)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    text: str
    settled: bool | None
    """True: as it should be; False: somebody must act; None: only eyes can tell."""
    finding: str = ""
    """What was found, in words."""


def checklist(report: NightReport) -> tuple[Check, ...]:
    """Return what is to be looked at for a night; nothing where nothing was observed."""
    observed = [status for status in report.sources if status.state not in (NightState.NOT_TAKEN, NightState.NOTHING)]
    return tuple(_checks(report, observed)) if observed else ()


def _checks(report: NightReport, observed: list[SourceStatus]) -> Iterator[Check]:
    open_ones = [status for status in observed if status.state not in _SETTLED]
    finding = "; ".join(f"{status.source or 'the night'} is {status.state}" for status in open_ones)
    yield Check("Every source is processed", not open_ones, finding)
    troubled = [
        (summary.source, sum(trouble.state in ("failed", "held") for trouble in summary.troubles))
        for summary in report.summaries
    ]
    finding = "; ".join(f"{source}: {number}" for source, number in troubled if number)
    yield Check("No element failed or is held", not finding, finding)
    lossy = [(summary.source, sum(bool(one.lost) for one in summary.troubles)) for summary in report.summaries]
    finding = "; ".join(f"{source}: inputs were left out of {number} elements" for source, number in lossy if number)
    yield Check("No input was left out", not finding or None, finding)
    processed = [status for status in observed if status.state in _PROCESSED]
    finding = "; ".join(f"{status.source}: {_verdict(status)}" for status in processed if status.qa != "good")
    if processed:
        yield Check("QA finds every source good", not finding or None, finding)
    seen = [text for status in processed if (text := _significance(status))]
    if seen:
        yield Check("The theta² plots show what is expected of each source", None, "; ".join(seen))
    unpublished = [status.source for status in processed if status.row.published is None]
    yield Check("DL3 is published", bool(processed) and not unpublished, ", ".join(unpublished) or _none(processed))
    bad = [f"{run.source} {run.run}: {run.why}" for run in report.verdicts if run.effective == "bad"]
    if report.verdicts:
        yield Check("No run is bad", not bad or None, "; ".join(bad[:_SHOWN]) + (" …" if len(bad) > _SHOWN else ""))
    holds = [f"{hold.source or 'the night'}, by {hold.held_by}" for hold in report.holds if hold.released_utc is None]
    yield Check("Nobody holds it", not holds, "; ".join(holds))
    if processed:
        signed = report.sign_off
        yield Check("Somebody has signed it off", True if signed else None, str(signed or ""))


def _none(processed: list[SourceStatus]) -> str:
    return "" if processed else "nothing yet"


def _verdict(status: SourceStatus) -> str:
    reason = status.row.quality.reason if status.row.quality else "there is no QA page"
    return f"{status.qa}, {reason}" if status.qa else reason


def _significance(status: SourceStatus) -> str:
    value = status.row.quality.metrics.get("significance_sigma") if status.row.quality else None
    return f"{status.source} {value:.1f} σ" if isinstance(value, int | float) else ""
