"""Bringing the catalog and the files of people's decisions together: each gets what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from stereo_tasks.catalog import decisions, liftable, withdrawals
from stereo_tasks.catalog.database import Catalog, Lock, take
from stereo_tasks.catalog.decisions import Decision
from stereo_tasks.catalog.holds import ENDED
from stereo_tasks.catalog.models import HoldRow, Request

_REQUEST = ("night", "production", "backfill", "outcome", "reason", "sources", "force", "requested_by")
_HOLD = ("night", "production", "source", "reason", "held_by", "until_utc")
_RELEASE = ("released_utc", "released_by", "release_reason")
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
        number = _requests(session, ordered) + _holds(session, ordered)
        number += sum(kind.take_over(session, ordered) for kind in liftable.KINDS)
        number += withdrawals.take_over(session, ordered)
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


def _holds(session: Session, found: Iterable[Decision]) -> int:
    known = {(row.night, row.production, row.source, row.held_utc): row for row in session.scalars(select(HoldRow))}
    number = 0
    for row in _as_rows(found):
        old = known.get((row["night"], row["production"], row["source"], row["held_utc"]))
        if old is None:
            # Another one is open only if nobody knows of the end of this one: the newer hold counts.
            statement = insert(HoldRow).values(**row).on_conflict_do_nothing().returning(HoldRow.id)
            number += session.scalar(statement) is not None
        elif old.released_utc is None and row["released_utc"] is not None:
            for name in _RELEASE:
                setattr(old, name, row[name])
            session.flush()
            number += 1
    return number


def _as_rows(found: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return holds with their releases, the newest first."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    open_: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in found:
        if one["kind"] not in ("hold", "release"):
            continue
        key = one["night"], one["production"], one["source"]
        if (old := open_.pop(key, None)) is not None:
            ended = one["kind"] == "hold"  # somebody could hold it again, so its end was reached
            end = (old["until_utc"] or one["at"], ENDED, None) if ended else (
                one["at"], one["released_by"], one.get("release_reason")  # which version 0.3 did not ask for
            )  # fmt: skip
            old |= dict(zip(_RELEASE, end, strict=True))
        if one["kind"] == "hold":
            row = {name: one[name] for name in _HOLD}
            row |= {"held_utc": one["at"], **dict.fromkeys(_RELEASE)}
            open_[key] = rows[(*key, one["at"])] = row
    return list(reversed(rows.values()))


def _complete(session: Session, folder: Path, kept: Sequence[Decision]) -> None:
    """Append what only the catalog has: rows of a program that kept no files of decisions."""
    known = {(one["kind"], one["night"], one["production"], one.get("source"), one["at"]) for one in kept}
    missing: list[tuple[Any, decisions.Kind, dict[str, Any]]] = []
    for kind_ in liftable.KINDS:
        missing += kind_.missing(session, kept)
    for hold in session.scalars(select(HoldRow)):
        key = hold.night, hold.production, hold.source
        common = {"night": hold.night, "production": hold.production, "source": hold.source}
        if ("hold", *key, hold.held_utc) not in known:
            missing.append((hold.held_utc, "hold", {name: getattr(hold, name) for name in _HOLD}))
        if hold.released_utc and hold.released_by != ENDED and ("release", *key, hold.released_utc) not in known:
            missing.append(
                (
                    hold.released_utc,
                    "release",
                    {**common, "released_by": hold.released_by, "release_reason": hold.release_reason},
                )
            )
    for request in session.scalars(select(Request)):
        if ("request", request.night, request.production, None, request.requested_utc) not in known:
            values = {name: getattr(request, name) for name in _REQUEST}
            missing.append((request.requested_utc, "request", values))
    missing += withdrawals.not_in(session, kept)
    for at, kind, values in sorted(missing, key=lambda one: one[0]):
        decisions.append(folder, kind, at, values)
