"""What the stereo log says: observations, and the rows that could not be understood."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from stereo_tasks.errors import StereoError
from stereo_tasks.nights import Night


class StereoLogError(StereoError):
    """The stereo log as a whole cannot be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class LstRunFacts:
    """What autoMCP's tables know of one LST-1 run."""

    run: int
    same_wobble_min: float
    """Minutes at the same wobble position as MAGIC."""
    nsb: float | None
    """Night-sky background, median over subruns, in units of the Monte Carlo's; None when it was not measured."""
    nsb_error_code: int | None
    """0 measured, 1 not measured, 2 above what can be used, 3 no tailcut; -1 and None: nobody tried."""
    tailcut: str
    """Name of the folder, such as ``tailcut84``."""
    lstchain_version: str
    """Of the file that autoMCP processed; empty when it has processed none."""
    lstchain_versions: tuple[str, ...]
    """All versions that autoMCP found on disk. They come and go, so they are no part of the checksum."""


@dataclass(frozen=True, slots=True)
class MagicRunFacts:
    """What autoMCP's tables know of one run of one MAGIC telescope."""

    run: int
    telescope: int
    """1 or 2."""
    subruns: int
    """Files that autoMCP counted."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What autoMCP's tables know run by run, and the sheet does not."""

    lst: tuple[LstRunFacts, ...]
    magic: tuple[MagicRunFacts, ...]

    @property
    def content(self) -> dict[str, Any]:
        """All of it in plain values."""
        lst = [asdict(one) | {"lstchain_versions": list(one.lstchain_versions)} for one in self.lst]
        return {"lst": lst, "magic": [asdict(one) for one in self.magic]}


@dataclass(frozen=True, slots=True)
class Observation:
    """One row of the stereo log: a source that LST-1 and MAGIC observed in the same night."""

    night: Night
    source: str
    """Name as the log writes it. The log cuts names after 12 characters."""
    conditions: tuple[str, ...]
    """``Dark``, ``Moon``, ...; empty in autoMCP's tables, which do not have them."""
    trigger: tuple[str, ...]
    stereo: tuple[bool, ...]
    hv: tuple[str, ...]
    zenith_min_deg: float | None
    """Of LST-1; None in autoMCP's tables, which do not have it."""
    zenith_max_deg: float | None
    """Of LST-1; None in autoMCP's tables."""
    lst_runs: tuple[int, ...]
    magic_first_run: int
    magic_last_run: int
    observation_min: float | None
    """Minutes in which both looked at the same source (centres of the fields of view within 5 deg); None in autoMCP's
    tables."""
    same_wobble_min: float
    """Minutes at the same wobble position (centres within 0.1 deg)."""
    notes: str
    line: int
    """Line of the file (row of the table) on which the row starts, from 1. No part of the content."""
    facts: RunFacts | None = None
    """What autoMCP's tables know run by run; of LST-1 only, where they stand beside the sheet; None if nothing."""

    @property
    def magic_runs(self) -> tuple[int, ...]:
        """All run numbers from the first to the last MAGIC run; those of the table where there is one.

        Not every one needs to be a data run of this source: three rows of 2020 and 2021 share numbers with another
        source of the night (see `stereo_tasks.stereo_log.shared_runs`). The names of the files tell them apart.
        """
        if self.facts is not None and self.facts.magic:
            return tuple(sorted({one.run for one in self.facts.magic}))
        return tuple(range(self.magic_first_run, self.magic_last_run + 1))

    @property
    def content(self) -> dict[str, Any]:
        """What the row says, in plain values, wherever it stands in the file."""
        content = {
            "night": self.night.lst_date, "source": self.source, "conditions": list(self.conditions),
            "trigger": list(self.trigger), "stereo": list(self.stereo), "hv": list(self.hv),
            "zenith_min_deg": self.zenith_min_deg, "zenith_max_deg": self.zenith_max_deg,
            "lst_runs": list(self.lst_runs), "magic_first_run": self.magic_first_run,
            "magic_last_run": self.magic_last_run, "observation_min": self.observation_min,
            "same_wobble_min": self.same_wobble_min, "notes": self.notes,
        }  # fmt: skip
        # Only where it is known: rows of the sheet keep the checksums that the catalog has of them.
        return content if self.facts is None else content | {"facts": self.facts.content}

    @property
    def checksum(self) -> str:
        """SHA-256 of what the row says, without the notes: a remark changes nothing in the data."""
        content = {key: value for key, value in self.content.items() if key != "notes"}
        for one in content.get("facts", {}).get("lst", ()):
            del one["lstchain_versions"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def __str__(self) -> str:
        """Return night and source."""
        return f"{self.night} {self.source}"


@dataclass(frozen=True, slots=True)
class LogProblem:
    """A row of the log that was not taken."""

    line: int
    """Line of the file on which the row starts, from 1."""
    column: str
    """Name of the column; empty when the whole row is meant."""
    text: str
    """What stands there, shortened."""
    message: str
    night: Night | None = None
    """Of the row, if its date can be read."""

    def __str__(self) -> str:
        """Return the problem in one line."""
        where = f"line {self.line}" + (f", {self.column}" if self.column else "")
        return f"{where}: {self.message} ({self.text!r})"


@dataclass(frozen=True, slots=True)
class StereoLog:
    """A whole log."""

    observations: tuple[Observation, ...]
    """In the order of the file."""
    problems: tuple[LogProblem, ...]
    checksum: str
    """SHA-256 of the file."""
    origin: str = ""
    """Path or address, without user, password and query."""
    etag: str = ""
    """What the server calls this content; empty for files."""
    last_modified: str = ""
    """Time of the last change as the server writes it; empty for files."""
    warnings: tuple[str, ...] = ()
    """What a person should know about the whole, such as the age of a copy when the address does not answer."""


def shared_runs(row: Observation, others: Iterable[Observation]) -> dict[int, tuple[str, ...]]:
    """Return the MAGIC runs of a row that other sources of the night claim, too.

    The log gives only the first and the last run of a source. Where another source was observed in between, its runs
    lie within the range.
    """
    found: dict[int, tuple[str, ...]] = {}
    for run in row.magic_runs:
        claimed = tuple(one.source for one in others if _claims(one, row.night, run) and one.source != row.source)
        if claimed:
            found[run] = claimed
    return found


def _claims(row: Observation, night: Night, run: int) -> bool:
    if row.night != night or not row.magic_first_run <= run <= row.magic_last_run:
        return False
    return row.facts is None or run in row.magic_runs


def shortened(text: str) -> str:
    """Return a text in one line of at most 120 characters."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 120 else one_line[:117] + "..."
