"""Positions of targets that no table has (GRBs, alerts): from the headers of their MAGIC files."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from stereo_tasks.inventory.belonging import own_magic_runs
from stereo_tasks.inventory.files import MagicSubrun, NightFiles
from stereo_tasks.products.files import write_atomically
from stereo_tasks.settings import Settings
from stereo_tasks.settings.sources import SourcePosition, find_source
from stereo_tasks.stereo_log.observation import Observation

_log = logging.getLogger(__name__)

_FILES_TRIED = 5
_TIMEOUT_S = 120


def with_header_positions(
    settings: Settings, observations: Iterable[Observation], files: NightFiles, others: Sequence[Observation] = ()
) -> Settings:
    """Return the settings with positions of the sources that the table does not have, as MAGIC was sent to them.

    The science environment reads the headers, once a file: what it says is kept in the site's state. A source without
    a readable file stays unknown.

    Parameters
    ----------
    settings : Settings
        The site's.
    observations : iterable of Observation
        What is to be processed.
    files : NightFiles
        What was found of their night.
    others : sequence of Observation
        All rows of the night, which tell whose MAGIC runs are whose.
    """
    found = {}
    for row in observations:
        if find_source(settings.sources, row.source) is None and row.source not in found:
            rivals = [one for one in others if one.source != row.source]
            runs = own_magic_runs(row, files, rivals)[0]
            magic = [file for run in runs for telescope in (1, 2) for file in files.magic.get((telescope, run), ())]
            if position := _position(settings, row.source, magic[:_FILES_TRIED]):
                found[row.source] = position
    return settings.model_copy(update={"sources": {**settings.sources, **found}}) if found else settings


def _position(settings: Settings, source: str, files: Sequence[MagicSubrun]) -> SourcePosition | None:
    if not files:
        return None
    kept = settings.site.paths.state / "source_headers" / f"{files[0].path.name}.json"
    mark = [files[0].size_bytes, files[0].modified_ns]
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(kept.read_text())
        if known.pop("mark") == mark:
            return SourcePosition(**known)
    answer = _asked(settings.site.science_python, [file.path for file in files])
    if isinstance(answer, str):
        _log.warning("%s: no position in the headers of its MAGIC files: %s", source, answer)
        return None
    with contextlib.suppress(OSError):  # it is only to be quicker the next time
        write_atomically(kept, json.dumps({**answer.model_dump(exclude_defaults=True), "mark": mark}))
    return answer


def _asked(python: Path, paths: Sequence[Path]) -> SourcePosition | str:
    """Return what the first readable header says, or why none does."""
    command = [str(python), "-m", "stereo_tasks.steps.source_header", *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python}: {error}"
    if done.returncode:
        return "; ".join(done.stderr.splitlines()[-_FILES_TRIED:]) or f"exit code {done.returncode}"
    try:
        answer = json.loads(done.stdout)
        origin = f"header of {answer.pop('file')}: where MAGIC was sent to, since no table has this target"
        return SourcePosition(**answer, origin=origin)
    except (ValueError, KeyError) as error:
        return f"{done.stdout[:200]!r} is not understood ({error})"
