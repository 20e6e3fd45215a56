"""``stereo production create``: a site's own productions, a file that people write in, too."""

import pytest
import yaml
from typer.testing import CliRunner

from stereo_tasks.commands.production import app
from stereo_tasks.settings import SettingsError, load_settings

OWN = """\
# What we process with.
default: mcp062
productions:
    deep:              # indented as people do
        mcp_version: 0.6.2
        lst_version: v0.10
        lst_tailcut: tailcut84
        mc_version: "02"   # thrown in May
        nsb: 2.0
        mcp: mcp.yaml

# Ask Maria before you change this.
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    return tmp_path


def create(*arguments):
    result = CliRunner().invoke(app, ["create", *arguments])
    if isinstance(result.exception, SettingsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_it_is_like_the_other_one_but_for_what_was_given(site):
    create("new", "--from", "mcp062", "nsb=2.5", "engine=mcp", "mcp.create_irf.theta.global_cut_value=0.15 deg")
    settings = load_settings(site)
    new, old = settings.production("new"), settings.production("mcp062")
    assert (new.nsb, new.engine, new.name) == (2.5, "mcp", "new")
    assert new.mcp["create_irf"]["theta"] == {**old.mcp["create_irf"]["theta"], "global_cut_value": "0.15 deg"}
    assert {key: value for key, value in new.mcp.items() if key != "create_irf"} == {
        key: value for key, value in old.mcp.items() if key != "create_irf"
    }
    assert new.mc_version == old.mc_version


def test_what_people_wrote_stays_as_it_is(site):
    path = site / "config" / "productions.yaml"
    path.parent.mkdir()
    path.write_text(OWN)
    create("deeper", "--from", "deep", "mcp.stereo_reco.theta_uplim=5 arcmin", "corrections=[time_difference]")
    create("deepest", "--from", "deeper", "mcp.stereo_reco.quality_cuts=null", "nsb=3.0")
    text = path.read_text()
    head, _, tail = OWN.partition("\n# Ask")
    assert text.startswith(head)
    assert text.endswith("\n# Ask" + tail)
    settings = load_settings(site)
    assert list(yaml.safe_load(text)["productions"]) == ["deep", "deeper", "deepest"]
    deepest = settings.production("deepest")
    assert (deepest.mc_version, deepest.nsb, deepest.corrections) == ("02", 3.0, ("time_difference",))
    assert deepest.mcp["stereo_reco"] == {"quality_cuts": None, "theta_uplim": "5 arcmin"}


def test_a_file_with_other_things_in_it_gets_its_productions(site):
    path = site / "config" / "productions.yaml"
    path.parent.mkdir()
    path.write_text("# The usual one.\ndefault: mcp062")
    create("new", "nsb=2.0")
    assert path.read_text().startswith("# The usual one.\ndefault: mcp062\nproductions:\n")
    assert load_settings(site).production("new").nsb == 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mcp062"], "already"),
        (["new", "--from", "nothing"], "no production 'nothing'"),
        (["new", "nbs=2.0"], "did you mean nsb"),
        (["new", "mcp.create_irf.gamaness.efficiency=0.8"], "did you mean gammaness"),
        (["new", "nsb=dark"], "nsb"),
        (["new", "engine=slow"], "engine"),
        (["new", "name=other"], "name is unknown"),
        (["../new"], "name"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(site, arguments, message):
    with pytest.raises(SettingsError, match=message):
        create(*arguments)
    assert not (site / "config").exists()


def test_productions_in_braces_are_left_to_people(site):
    path = site / "config" / "productions.yaml"
    path.parent.mkdir()
    text = "productions: {mcp062: {nsb: 2.0}}\n"
    path.write_text(text)
    with pytest.raises(SettingsError, match="as a block"):
        create("new")
    assert path.read_text() == text


def test_mcp_with_another_key_than_file_and_set_is_an_error(site):
    (site / "config").mkdir()
    (site / "config" / "productions.yaml").write_text("productions:\n  mcp062:\n    mcp: {flie: mcp.yaml}\n")
    with pytest.raises(SettingsError, match="'file' and 'set'"):
        load_settings(site)
