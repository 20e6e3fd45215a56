"""What differs between two sets of values, and between two plans."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.planning.plan import Input, Plan
from stereo_tasks.provenance.published import PublishedVersion


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between what two publications of a night and source were made of."""

    settings: tuple[Change, ...]
    """Of magic-cta-pipe's configuration and our own."""
    versions: tuple[Change, ...]
    """Of software."""
    choices: tuple[Change, ...]
    """Of the plans, such as period, NSB level and folders of the Monte Carlo; many follow from the settings."""
    inputs: tuple[Change, ...]
    """Raw files of the night that only one has, or that changed."""
    models: tuple[Change, ...]
    """Forests and IRFs, by kind."""

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return any((self.settings, self.versions, self.choices, self.inputs, self.models))


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs."""

    name: str
    """With dots, where it is a key within others."""
    before: str | None
    """None where there was none."""
    after: str | None
    """None where there is none."""

    def __str__(self) -> str:
        """Return it for a person."""
        before, after = ("none" if one is None else one for one in (self.before, self.after))
        return f"{self.name}: {before} -> {after}"


def differences(before: PublishedVersion, after: PublishedVersion) -> Differences:
    """Compare what two publications were made of, by their plans."""
    plans = before.plan, after.plan
    raw, used = ([_raw(plan) for plan in plans], [_models(plan) for plan in plans])
    return Differences(
        settings=tuple(changes(*(settings_of(plan) for plan in plans))),
        versions=tuple(changes(*(version.versions for version in (before, after)))),
        choices=tuple(changes(*({choice.name: choice.value for choice in plan.choices} for plan in plans))),
        inputs=tuple(changes(*raw)),
        models=tuple(_models_differ(*used)),
    )


def _raw(plan: Plan) -> dict[str, str]:
    return {
        Path(item.path).name: _look(item)
        for element in plan.elements
        for item in element.inputs
        if item.path in plan.worked_through
    }


def _models(plan: Plan) -> dict[str, dict[str, str]]:
    """Return forests and IRFs by their role."""
    found: dict[str, dict[str, str]] = {}
    for element in plan.elements:
        for item in element.inputs:
            if item.producer is None and item.path not in plan.worked_through:
                found.setdefault(item.role, {})[Path(item.path).name] = _look(item)
    return found


def _models_differ(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> Iterator[Change]:
    for role in sorted(before.keys() | after.keys()):
        first, second = before.get(role, {}), after.get(role, {})
        if first != second:
            others = len(second.items() - first.items())
            yield Change(role, f"{len(first)} files", f"{len(second)} files, {others} of them others")


def _look(item: Input) -> str:
    modified = dt.datetime.fromtimestamp((item.modified_ns or 0) / 1e9, tz=dt.UTC)
    return f"{item.size_bytes} bytes of {modified.isoformat(timespec='microseconds')}"


def settings_of(plan: Plan) -> dict[str, str]:
    """Return all settings of a plan by keys with dots; magic-cta-pipe's begin with ``mcp``."""
    return flat({"mcp": plan.config, **plan.settings})


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested values by keys with dots, as text."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            # What is in a list may be a mapping, and a plan that was read has its keys in another order.
            is_list = isinstance(value, list | tuple)
            found[f"{prefix}{key}"] = json.dumps(value, sort_keys=True, default=str) if is_list else str(value)
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    """Yield what differs, by name."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Change(name, before.get(name), after.get(name))
