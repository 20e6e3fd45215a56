"""What an observation consists of: if none of this changes, there is nothing new to process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from stereo_tasks.inventory.belonging import own_magic_runs
from stereo_tasks.inventory.files import LstSubrun, MagicSubrun, NightFiles
from stereo_tasks.stereo_log.observation import Observation


def content_of(
    observation: Observation, files: NightFiles, others: Iterable[Observation] = (), held: Iterable[int] = ()
) -> str:
    """Return a SHA-256 of the row of the log and of the names, sizes and modification times of its files.

    Files of other sources and files that are not used do not matter, and neither does the place of the files.

    Parameters
    ----------
    observation : Observation
        Row of the stereo log.
    files : NightFiles
        Files of its night.
    others : iterable of Observation
        Other rows of the night: MAGIC runs of theirs are not taken.
    held : iterable of int, optional
        Its LST-1 runs that cannot reach DL3 now: when they can, it is worth processing again.
    """
    marks = [f"{observation} {observation.checksum}"]
    for run in observation.lst_runs:
        marks += [_mark("LST-1", one) for one in files.lst.get(run, ())]
    marks += [f"LST-1 run {run} is held" for run in sorted(set(held).intersection(observation.lst_runs))]
    for run in own_magic_runs(observation, files, others)[0]:
        for telescope in (1, 2):
            marks += [_mark(f"M{telescope}", one) for one in files.magic.get((telescope, run), ())]
    return hashlib.sha256("\n".join(marks).encode("utf-8", "surrogateescape")).hexdigest()


def _mark(telescope: str, file: MagicSubrun | LstSubrun) -> str:
    return f"{telescope} {file.path.name} {file.size_bytes} {file.modified_ns}"
