"""Which alarms were told to somebody already: each content once, until it goes away."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.products.files import write_atomically
from stereo_tasks.settings import Settings
from stereo_tasks.status.alarm_kinds import Alarm


@dataclass(frozen=True, slots=True)
class News:
    """What is different from the last time that somebody was told."""

    new: tuple[Alarm, ...]
    over: tuple[str, ...]
    """Texts of alarms that are gone."""


def sent_alarms_file(settings: Settings) -> Path:
    """Return the file that remembers what was told."""
    return settings.site.paths.state / "alarms.json"


def tell_news(alarms: Iterable[Alarm], sent: Path, tell: Callable[[News], None]) -> News:
    """Tell what is new, and remember it.

    An alarm that goes away is forgotten, and told again when it comes back. If telling fails, nothing is remembered,
    and the same is told the next time.

    Parameters
    ----------
    alarms : iterable of Alarm
        All that there are now.
    sent : pathlib.Path
        As of `sent_alarms_file`. A damaged one is as if nothing had been told.
    tell : callable
        Called once, if there is something new.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    sent.parent.mkdir(parents=True, exist_ok=True)
    with sent.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would tell it twice
        known, current = _read(sent), {alarm.key: alarm for alarm in alarms}
        new = tuple(alarm for key, alarm in current.items() if known.get(key, {}).get("content") != alarm.content)
        over = tuple(str(entry["text"]) for key, entry in known.items() if key not in current)
        news = News(new, over)
        if new:
            tell(news)
        told = {alarm.key for alarm in new}
        content = {
            key: {
                "content": alarm.content,
                "text": alarm.text,
                "told_utc": now if key in told else known[key]["told_utc"],
            }
            for key, alarm in current.items()
        }
        if content != known:
            write_atomically(sent, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return news


def _read(sent: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(sent.read_text())
        return {str(key): {"content": "", "text": key, "told_utc": "", **entry} for key, entry in content.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}
