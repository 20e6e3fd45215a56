"""Bringing the catalog and the files of people's decisions together: each gets what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from stereo_tasks.catalog import decisions, liftable
from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.decisions import Decision
from stereo_tasks.catalog.models import Request

_REQUEST = ("night", "production", "backfill", "outcome", "reason", "sources", "force", "requested_by")
JOURNAL = "journal"
"""Folder beside that of the decisions in which version 0.2 kept them; it stays as it is."""


def take_over(catalog: Catalog) -> int:
    """Write the decisions that the catalog lacks from their files, and the other way round; return how many it lacked.

    After a restore these are the decisions since the backup; after an upgrade from 0.2, those of its journal.

    Raises
    ------
    DecisionError
        If the files cannot be read or written. The catalog is then as it was.
    """
    folder = catalog.decisions
    if folder is None:
        return 0
    kept = list(decisions.read(folder))
    with catalog.transaction(writes=True) as session:
        take(session, Lock.HOLDS)
        take(session, Lock.JUDGEMENTS)
        ordered = sorted([*decisions.read(folder.parent / JOURNAL), *kept], key=lambda decision: decision["at"])
        number = _requests(session, ordered)
        number += sum(kind.take_over(session, ordered) for kind in liftable.KINDS)
        _complete(session, folder, kept)
    return number


def _requests(session: Session, found: Iterable[Decision]) -> int:
    columns = Request.night, Request.production, Request.requested_utc
    known = {tuple(row) for row in session.execute(select(*columns))}
    number = 0
    for one in found:
        key = one["night"], one["production"], one["at"]
        if one["kind"] != "request" or key in known:
            continue
        known.add(key)
        session.add(Request(requested_utc=one["at"], **{name: one[name] for name in _REQUEST}))
        session.flush()  # one by one: their numbers keep their order
        number += 1
    return number


def _complete(session: Session, folder: Path, kept: Sequence[Decision]) -> None:
    """Append what only the catalog has: rows of a program that kept no files of decisions."""
    known = {(one["night"], one["production"], one["at"]) for one in kept if one["kind"] == "request"}
    missing: list[tuple[Any, decisions.Kind, dict[str, Any]]] = []
    for one in liftable.KINDS:
        missing += one.missing(session, kept)
    for request in session.scalars(select(Request)):
        if (request.night, request.production, request.requested_utc) not in known:
            values = {name: getattr(request, name) for name in _REQUEST}
            missing.append((request.requested_utc, "request", values))
    for at, kind, values in sorted(missing, key=lambda one: one[0]):
        decisions.append(folder, kind, at, values)
