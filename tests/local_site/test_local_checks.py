"""What a local site adds to the doctor; what it says of one that runs stands in `test_backfills`."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from stereo_tasks.doctor import Colour
from stereo_tasks.local_site import checks


def test_secrets_are_for_their_owner(settings):
    secret = settings.site.paths.state / "keys.json"
    secret.parent.mkdir(mode=0o755)
    secret.write_text("{}")
    secret.chmod(0o644)
    found = list(checks.secrets(settings))
    assert {finding.colour for finding in found} == {Colour.RED}
    assert [finding.what_to_do for finding in found] == [f"chmod 700 {secret.parent}", f"chmod 600 {secret}"]
    secret.parent.chmod(0o700)
    secret.chmod(0o600)
    (finding,) = checks.secrets(settings)
    assert finding.colour == Colour.GREEN


def test_the_doctor_of_the_command_line_looks_at_the_local_site(settings, monkeypatch):
    from stereo_tasks.cli import _mount_commands, _mount_local_site, app

    monkeypatch.setenv("STEREO_SITE", str(settings.site.root))
    _mount_commands()
    result = CliRunner().invoke(app, ["doctor", "--json"], obj=_mount_local_site())
    findings = {finding["subject"]: finding for finding in json.loads(result.output)}
    assert findings["Airflow"]["text"] == "the site does not run"
    assert "does not run, nor does its catalog" in findings["catalog"]["text"]
    assert findings["secrets"]["text"] == "there are none yet"
    assert findings["cluster"]["text"] == "the private SLURM cluster does not run"
