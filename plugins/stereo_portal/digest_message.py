"""The morning digest as people get it: HTML and text, from templates."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, select_autoescape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stereo_tasks.status.digest import Digest, SourceDigest


def digest_html(digest: Digest) -> str:
    """Return the digest as a mail in HTML: nothing is loaded from elsewhere."""
    return str(_templates().get_template("digest_mail.html").render(digest=digest))


def digest_text(digest: Digest) -> str:
    """Return the digest as plain text."""
    return str(_templates().get_template("digest.txt").render(digest=digest))


def add_filters(templates: Environment) -> None:
    """Give templates what the digest's content needs beside the filter ``utc``."""
    templates.filters["groups"] = lambda digest: list(_groups(digest))
    templates.filters["results"] = results


def results(source: SourceDigest) -> str:
    """Say in one line what was measured, how long it took, and what it cost."""
    parts = [str(source.status.state)]
    if source.status.qa:
        parts.append(f"QA {source.status.qa}")
    if source.significance_sigma is not None:
        parts.append(f"{source.significance_sigma:.1f} sigma in {source.live_time_s / 60:.0f} min")
    if (flux := source.flux) is not None:
        text = (
            f"flux {flux.value_per_tev_cm2_s:.2e} +- {flux.error_per_tev_cm2_s:.1e} /(TeV cm2 s) at {flux.at_tev:g} TeV"
        )
        if flux.flares and flux.usual_per_tev_cm2_s:
            text += f", BRIGHT: {flux.value_per_tev_cm2_s / flux.usual_per_tev_cm2_s:.1f} times what is usual"
        parts.append(text)
    if source.lost_time_s >= 1:
        parts.append(f"{source.lost_time_s / 60:.1f} min lost")
    if source.latency_s is not None:
        parts.append(f"published {_duration(source.latency_s)} after its last file")
    if source.cpu_s:
        parts.append(f"{source.cpu_s / 3600:.2f} CPU h")
    return ", ".join(parts)


def _groups(digest: Digest) -> Iterator[tuple[str, tuple[SourceDigest, ...]]]:
    """Yield what there is under each heading: trouble first."""
    from stereo_tasks.status.state import NightState

    headings = {
        "Failed": (NightState.FAILED,),
        "Held": (NightState.HELD,),
        "Done": (NightState.DONE, NightState.PARTIAL),
    }
    for title, states in headings.items():
        if sources := digest.of(*states):
            yield title, sources
    told = {state for states in headings.values() for state in states}
    if sources := digest.of(*(state for state in NightState if state not in told)):
        yield "Not yet", sources


def _duration(seconds: float) -> str:
    for unit, length_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _templates() -> Environment:
    templates = Environment(loader=PackageLoader("stereo_portal"), autoescape=select_autoescape(["html"]))
    templates.filters["utc"] = lambda time: f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
    add_filters(templates)
    return templates
