"""Are the files of an observation complete? What is there, what is missing, and since when, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stereo_tasks.inventory.files import LstSubrun, MagicSubrun, NightFiles, gaps
from stereo_tasks.nights import Night
from stereo_tasks.settings.policy import Policy
from stereo_tasks.stereo_log.observation import Observation

_NIGHT_END = dt.timedelta(hours=20)  # 08:00 UTC of the morning, when lstosa takes observations for over
_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an observation can be processed."""

    ready: bool
    partial: bool
    """Ready only because the night is so old that nothing more is expected."""
    missing: tuple[str, ...]
    """What keeps it from being complete."""
    remarks: tuple[str, ...]
    """What is not quite right, and does not keep it."""
    present: tuple[str, ...]
    """What is there."""
    settled: bool
    """Whether no file of the observation changed lately."""
    since: dt.datetime | None
    """When a file of the observation changed last; None without files."""

    @property
    def reason(self) -> str:
        """All of it in one line."""
        if self.ready and not self.partial:
            return "complete: " + ", ".join(self.present)
        return ("partial: " if self.ready else "waits: ") + "; ".join(self.missing)


def readiness(observation: Observation, files: NightFiles, policy: Policy, now: dt.datetime) -> Readiness:
    """Compare what the log says with what is there.

    An observation is ready when LST-1 closed the night (if the policy waits for it), when every LST-1 run and the first
    and last MAGIC run have enough subruns of each telescope, and when nothing changed for ``settle_s``. MAGIC run
    numbers between the first and last need not be data runs of the source; what is there for one telescope must be
    there for the other. When the night ended ``partial_night_age_h`` ago, whatever is there is enough, if it is there
    from all three telescopes.

    Parameters
    ----------
    observation : Observation
        Row of the stereo log.
    files : NightFiles
        Files of its night.
    policy : Policy
        The limits.
    now : datetime.datetime
        The time, with its zone.
    """
    missing: list[str] = []
    remarks: list[str] = []
    if policy.wait_for_night_finished and not files.night_finished:
        missing.append("LST-1 has not closed the night (no NightFinished.txt)")
    for fatal, text in (*_lst(observation, files, policy), *_magic(observation, files, policy)):
        (missing if fatal else remarks).append(text)

    used = [file for run in _lst_files(observation, files).values() for file in run]
    magic = [file for run in _magic_files(observation, files).values() for file in run]
    times = [file.modified_ns for file in used] + [file.modified_ns for file in magic]
    since = dt.datetime.fromtimestamp(max(times) / 1e9, tz=dt.UTC) if times else None
    settled, text = _settled(since, policy, now)
    if text:
        (remarks if settled else missing).append(text)

    enough = bool(used) and {file.telescope for file in magic} == {1, 2}
    partial = bool(missing) and enough and settled and night_is_old(observation.night, policy, now)
    return Readiness(
        ready=not missing or partial,
        partial=partial,
        missing=tuple(missing),
        remarks=tuple(remarks),
        present=_present(observation, files),
        settled=settled,
        since=since,
    )


def night_over(night: Night, now: dt.datetime) -> bool:
    """Return whether the observations of a night have ended."""
    return now >= night.noon + _NIGHT_END


def night_is_old(night: Night, policy: Policy, now: dt.datetime) -> bool:
    """Return whether nothing more is expected of a night."""
    return now >= night.noon + _NIGHT_END + dt.timedelta(hours=policy.partial_night_age_h)


def _lst_files(observation: Observation, files: NightFiles) -> dict[int, tuple[LstSubrun, ...]]:
    return {run: files.lst[run] for run in observation.lst_runs if run in files.lst}


def _magic_files(observation: Observation, files: NightFiles) -> dict[tuple[int, int], tuple[MagicSubrun, ...]]:
    runs = set(observation.magic_runs)
    return {key: subruns for key, subruns in files.magic.items() if key[1] in runs}


def _lst(observation: Observation, files: NightFiles, policy: Policy) -> Iterator[tuple[bool, str]]:
    for run in observation.lst_runs:
        subruns = files.lst.get(run, ())
        if not subruns:
            yield True, f"LST-1 run {run}: no file"
        else:
            yield from _subruns(f"LST-1 run {run}", subruns, len(subruns) + len(gaps(subruns)), policy)


def _magic(observation: Observation, files: NightFiles, policy: Policy) -> Iterator[tuple[bool, str]]:
    for run in observation.magic_runs:
        first, second = files.magic.get((1, run), ()), files.magic.get((2, run), ())
        if not first and not second:
            needed = run in (observation.magic_first_run, observation.magic_last_run)
            yield needed, f"MAGIC run {run}: no file" + ("" if needed else " (perhaps no data run)")
            continue
        # Both telescopes write the same number of subruns, give or take the last one.
        longest = max(one.subrun for one in (*first, *second))
        for telescope, subruns in ((1, first), (2, second)):
            name = f"MAGIC run {run} M{telescope}"
            if not subruns:
                yield True, f"{name}: no file"
                continue
            own = max(one.subrun for one in subruns)
            yield from _subruns(name, subruns, own if longest - own <= 1 else longest, policy)


def _subruns(
    name: str, subruns: Sequence[LstSubrun] | Sequence[MagicSubrun], expected: int, policy: Policy
) -> Iterator[tuple[bool, str]]:
    if len(subruns) == expected:
        return
    numbers = ", ".join(str(one) for one in gaps(subruns)[:10])
    text = f"{name}: {len(subruns)} of {expected} subruns" + (f" (without {numbers})" if numbers else "")
    yield len(subruns) < policy.completeness_min * expected, text


def _settled(since: dt.datetime | None, policy: Policy, now: dt.datetime) -> tuple[bool, str]:
    if since is None:
        return True, ""
    quiet = now - since
    if quiet < -_CLOCK_SKEW:  # would never settle
        return True, f"a file of {since:%Y-%m-%d %H:%M} UTC is newer than now: check the clocks"
    if quiet.total_seconds() >= policy.settle_s:
        return True, ""
    return False, f"files changed at {since:%Y-%m-%d %H:%M} UTC, less than {policy.settle_s:g} s ago"


def _present(observation: Observation, files: NightFiles) -> tuple[str, ...]:
    lst, magic = _lst_files(observation, files), _magic_files(observation, files)
    texts = [f"LST-1 {len(lst)} of {len(observation.lst_runs)} runs, {sum(map(len, lst.values()))} subruns"]
    for telescope in (1, 2):
        runs = [subruns for (number, _), subruns in magic.items() if number == telescope]
        texts.append(f"M{telescope} {len(runs)} runs, {sum(map(len, runs))} subruns")
    return tuple(texts)
