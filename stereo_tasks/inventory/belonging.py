"""Whose data is a MAGIC run? The log gives only ranges, and two sources of a night can claim the same number."""

from __future__ import annotations

from collections.abc import Iterable

from stereo_tasks.inventory.files import NightFiles
from stereo_tasks.stereo_log.observation import Observation, shared_runs


def own_magic_runs(
    observation: Observation, files: NightFiles, others: Iterable[Observation]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the MAGIC runs of an observation without those that evidently belong to another source of the night.

    A run that no other source claims is always kept. For the others the source in the names of the files decides; where
    it is neither, a source observed in the middle of the range takes the run.

    Parameters
    ----------
    observation : Observation
        Row of the stereo log.
    files : NightFiles
        Files of its night.
    others : iterable of Observation
        Other rows of the log; those of other nights do not matter.

    Returns
    -------
    runs : tuple of int
        Sorted.
    notes : tuple of str
        What was left to whom, and why.
    """
    rivals = {one.source: one for one in others if one.night == observation.night}
    claimed = shared_runs(observation, rivals.values())
    kept: list[int] = []
    notes: list[str] = []
    for run in observation.magic_runs:
        rival = [rivals[name] for name in claimed.get(run, ())]
        reason = _given_away(observation, run, rival, files) if rival else ""
        if reason:
            notes.append(f"MAGIC run {run} is left to {reason}")
        else:
            kept.append(run)
    return tuple(kept), tuple(notes)


def _given_away(observation: Observation, run: int, rivals: Iterable[Observation], files: NightFiles) -> str:
    """Return to which source a run goes, and why; empty if it stays."""
    written = {one.source for telescope in (1, 2) for one in files.magic.get((telescope, run), ())}
    if any(_same(name, observation.source) for name in written):
        return ""
    for rival in rivals:
        if any(_same(name, rival.source) for name in written):
            return f"{rival.source}, whose name its files have"
    for rival in rivals:
        if observation.magic_first_run < rival.magic_first_run and rival.magic_last_run < observation.magic_last_run:
            return f"{rival.source}, observed in between"
    return ""


def _same(first: str, second: str) -> bool:
    """Compare names as the log writes them: cut after 12 characters, with and without punctuation and capitals."""
    a, b = ("".join(filter(str.isalnum, name.casefold())) for name in (first, second))
    return bool(a and b) and (a.startswith(b) or b.startswith(a))
