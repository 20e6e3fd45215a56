"""``stereo doctor``: whether everything is there that nights need."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from stereo_tasks.commands.edge import Edge

if TYPE_CHECKING:
    from stereo_tasks.doctor import Finding

_WIDTH = 20


def doctor_command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of all findings.")] = False,
) -> None:
    """Check configuration, paths, environments, databases, cluster and Airflow; exit code 1 on a red line."""
    from stereo_tasks.doctor import CHECKS, Colour, examine

    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    for finding in examine(checks={**CHECKS, **Edge.of(context).checks}):
        counts[finding.colour] += 1
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        typer.echo(", ".join(f"{counts[colour]} {colour}" for colour in Colour))
    raise typer.Exit(1 if counts[Colour.RED] else 0)


def _print(finding: Finding) -> None:
    word = typer.style(f"{finding.colour:<6}", fg=finding.colour.value, bold=finding.colour != "green")
    typer.echo(f"{word}  {finding.subject:<{_WIDTH}}  {finding.text}")
    if finding.what_to_do:
        typer.echo(f"{'':{_WIDTH + 10}}-> {finding.what_to_do}")
