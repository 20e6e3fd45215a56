"""Which rows of the catalog are written to the journal, too, and how.

Every function that writes such a row first sends the row to the database, then appends to the journal, then commits. So
whatever the catalog ever said is in the journal: a failure in between leaves at most an entry whose row was not
committed, and whose author was told so and does it again. The other order could lose a person's decision in a rebuild.
The row is sent first since it waits for others who write the same row: the journal has them in the catalog's order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from stereo_tasks.catalog.database import journal_folder
from stereo_tasks.products.journal import append


class Kind(StrEnum):
    """What an entry of the journal is about."""

    HOLD = "hold"
    RELEASE = "release"
    REQUEST = "request"
    ASK = "ask"
    RUN_BEGINS = "run begins"
    RUN_ENDS = "run ends"
    JOB = "job"
    LOG_READING = "log reading"
    OBSERVATION = "observation"
    READINESS = "readiness"
    PUBLICATION = "publication"


def note(folder: Path | None, kind: Kind, at: dt.datetime, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append entries to the journal of the site, or to one in another folder.

    Raises
    ------
    JournalError
        If it cannot be written.
    """
    append(journal_folder(folder), kind, at, entries)
