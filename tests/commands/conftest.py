"""The commands of `stereo` on a catalog of their own."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "status"))  # for scenes and catalog_fixtures

from catalog_fixtures import catalog, fresh, migrated, server  # noqa: F401
from scenes import Scene


@pytest.fixture
def scene(catalog) -> Scene:  # noqa: F811
    """An empty catalog to be filled; the site is in `tmp_path`."""
    return Scene(catalog, dt.datetime.now(dt.UTC))


@pytest.fixture
def stereo():
    """Run a command as the command line does; gives what it printed, or its error."""
    from stereo_tasks.commands import backfill, doctor, holds, overrule, runs, sign_off, status
    from stereo_tasks.errors import StereoError

    app = typer.Typer(pretty_exceptions_enable=False)
    for name, command in {
        "status": status.status_command, "hold": holds.hold_command, "release": holds.release_command,
        "runs": runs.runs_command, "overrule": overrule.overrule_command, "sign-off": sign_off.sign_off_command,
        "doctor": doctor.doctor_command, "backfill": backfill.backfill_command,
    }.items():  # fmt: skip
        app.command(name)(command)

    def run(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        if isinstance(result.exception, StereoError):
            assert code == 1, result.exception
            return str(result.exception)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result.output

    return run
