"""``stereo select``: filters on the command line, tables, JSON and the run lists of people's scripts."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from stereo_tasks.catalog.database import URL_VARIABLE, Catalog
from stereo_tasks.catalog.models import QaRow
from stereo_tasks.catalog.schema import migrate
from stereo_tasks.commands.select import select_command
from stereo_tasks.errors import StereoError
from stereo_tasks.local_site.database import EmbeddedPostgres
from stereo_tasks.stereo_log import StereoLogError

REAL = Path(__file__).parents[3] / "shared" / "data" / "stereo_log_2019-2022.csv"
needs_the_real_log = pytest.mark.skipif(not REAL.exists(), reason=f"the real stereo log is not at {REAL}")
LOG = """\
Evening dates,,,,,,,,,,,,,
Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes
(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),
2022_03_10,CrabNebula,['Dark'],['L3T'],[True],['Nominal'],10,30,"[7173, 7174]",5100001,5100003,40,38,
2022_03_11,CrabNebula,['Moon'],['L3T'],[True],['Nominal'],10,50,[7180],5100011,5100011,20,0,
2022_03_11,GalacticCent,['Dark'],['L3T'],[True],"['Nominal', 'Reduced']",62,65,[7185],5100015,5100016,30,20,
2022_03_12,Mrk421,['Dark'],['L1_M2'],[False],['Nominal'],10,20,[7190],2100001,2100002,30,25,
2022_03_13,Mrk421,['Dark'],['L3T'],[True],['Nominal'],10,20,[7190,5100031,5100032,30,25,
"""
app = typer.Typer()
app.command()(select_command)


@pytest.fixture
def log(tmp_path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


@pytest.fixture
def stereo_select(log, monkeypatch, tmp_path) -> Callable[..., Result]:
    monkeypatch.delenv("STEREO_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["--log", str(log), *arguments])


def _chosen(result: Result) -> list[tuple[str, str]]:
    assert result.exit_code == 0, result.output
    return [(row["night"][4:], row["source"]) for row in json.loads(result.stdout)["selected"]]


CRAB10, CRAB11 = ("0310", "CrabNebula"), ("0311", "CrabNebula")
CENTRE, MONO = ("0311", "GalacticCent"), ("0312", "Mrk421")


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ("", [CRAB10, CRAB11, CENTRE, MONO]),
        ("--source crab_nebula", [CRAB10, CRAB11]),
        ("--source Mrk421 --source GalacticCenter", [CENTRE, MONO]),
        ("--night 2022-03-11", [CRAB11, CENTRE]),
        ("--after 20220310 --before 2022_03_12", [CRAB11, CENTRE]),
        ("--from 2022-03-11 --to 2022-03-12", [CRAB11, CENTRE, MONO]),
        ("--from 2022-03-11 --before 2022-03-12", [CRAB11, CENTRE]),
        ("--min-minutes 30 --max-minutes 30", [CENTRE, MONO]),
        ("--min-same-wobble 0", [CRAB10, CRAB11, CENTRE, MONO]),
        ("--min-same-wobble 0.1 --max-same-wobble 25", [CENTRE, MONO]),
        ("--conditions moon", [CRAB11]),
        ("--trigger L3T", [CRAB10, CRAB11, CENTRE]),
        ("--trigger l1_m2 --trigger L3T", [CRAB10, CRAB11, CENTRE, MONO]),
        ("--stereo", [CRAB10, CRAB11, CENTRE]),
        ("--mono", [MONO]),
        ("--hv Nominal", [CRAB10, CRAB11, MONO]),
        ("--hv Nominal --mixed", [CRAB10, CRAB11, CENTRE, MONO]),
        ("--max-zenith 30", [CRAB10, MONO]),
        ("--min-zenith 60", [CENTRE]),
        ("--min-lst-runs 2", [CRAB10]),
        ("--max-magic-runs 2 --min-magic-runs 2", [CENTRE, MONO]),
        ("--max-lst-runs 0", []),
        ("--policy", [CRAB10]),
        ("--policy --source Mrk421", []),
    ],
)
def test_every_filter(stereo_select, arguments, rows):
    assert _chosen(stereo_select("--json", *arguments.split())) == rows


def test_json_says_where_the_rows_come_from(stereo_select, log):
    result = stereo_select("--json", "--night", "20220310")
    out = json.loads(result.stdout)
    assert (out["log"]["origin"], out["log"]["rows"]) == (str(log), 4)
    assert out["counts"] == {"rows": 1, "nights": 1, "lst_runs": 2, "magic_runs": 3}
    assert out["selected"][0]["magic_runs"] == [5100001, 5100002, 5100003]
    assert "not_selected" not in out
    assert len(out["problems"]) == 1
    assert "not understood: line 8" in result.stderr


def test_why_gives_all_rows_with_all_their_reasons(stereo_select):
    out = json.loads(stereo_select("--json", "--why", "--source", "CrabNebula", "--policy").stdout)
    assert len(out["selected"]) + len(out["not_selected"]) == 4
    reasons = {row["source"]: row["reason"] for row in out["not_selected"]}
    assert reasons["Mrk421"].startswith("source is Mrk421; trigger is L1_M2, not L3T; stereo is False")
    table = stereo_select("--why", "--source", "CrabNebula").stdout
    assert "source is Mrk421" in table
    assert table.rstrip().endswith("2 rows, 2 nights, 3 LST-1 runs, 4 MAGIC runs of 4 rows")


def test_the_table(stereo_select):
    lines = stereo_select("--source", "CrabNebula").stdout.splitlines()
    assert lines[0].split()[:3] == ["night", "source", "sky"]
    assert lines[1].split()[:2] == ["2022-03-10", "CrabNebula"]
    assert "7173..7174 (2)" in lines[1]
    assert len(lines) == 4
    assert "--why" in stereo_select("--max-lst-runs", "0").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--source crab", "near: CrabNebula"),
        ("--trigger L4T", "there are L1_M2, L3T"),
        ("--hv high", "there are Nominal, Reduced"),
        ("--qa great", "there are good, warning"),
        ("--night yesterday", "evening"),
        ("--export-txt out", "--as NAME"),
        ("--export-txt out --as a/b", "file's name"),
        ("--export-txt out --as A --max-lst-runs 0", "--why"),
    ],
)
def test_a_mistake_says_what_to_do(stereo_select, arguments, says):
    result = stereo_select(*arguments.split())
    assert isinstance(result.exception, StereoError)
    assert says in str(result.exception)


def test_run_lists_are_written_and_kept(stereo_select, tmp_path):
    result = stereo_select("--source", "CrabNebula", "--export-txt", "out")
    assert result.stdout.splitlines() == [
        "2 rows, 2 nights, 3 LST-1 runs, 4 MAGIC runs",
        "out/common_dataCrabNebula.txt",
        "out/MAGIC_runsCrabNebula.txt",
    ]
    assert (tmp_path / "out" / "MAGIC_runsCrabNebula.txt").read_text().count("# Night") == 2
    other = ("--source", "CrabNebula", "--night", "2022-03-10", "--export-txt", "out", "--as", "CrabNebula")
    assert isinstance(stereo_select(*other).exception, StereoLogError)
    both = stereo_select(*other, "--overwrite", "--json")
    assert json.loads(both.stdout)["counts"]["rows"] == 1
    assert (tmp_path / "out" / "MAGIC_runsCrabNebula.txt").read_text().count("# Night") == 1


def test_qa_verdicts_come_from_the_pages(log, monkeypatch, tmp_path):
    site = tmp_path / "site"
    monkeypatch.setenv("STEREO_SITE", str(site))
    for source, date, content in (
        ("CrabNebula", "20220310", '{"verdict": {"level": "good", "reason": ""}}'),
        ("CrabNebula", "20220311", '{"verdict": {"level": "warning"}}'),
        ("GalacticCent", "20220311", "half a pa"),
    ):
        page = site / "products" / "mcp062" / source / "QA" / date / "qa.json"
        page.parent.mkdir(parents=True)
        page.write_text(content)

    def chosen(*qa: str) -> list[tuple[str, str]]:
        options = [word for one in qa for word in ("--qa", one)]
        return _chosen(CliRunner().invoke(app, ["--log", str(log), "--json", "--production", "mcp062", *options]))

    assert chosen("good") == [CRAB10]
    assert chosen("Good", "warning") == [CRAB10, CRAB11]
    assert chosen("none") == [CENTRE, MONO]


@pytest.fixture
def catalog(monkeypatch) -> Iterator[None]:
    """A real PostgreSQL with an empty catalog."""
    folder = Path(tempfile.mkdtemp(prefix="select-"))
    server = EmbeddedPostgres(folder / "state", folder)
    try:
        server.start()
        monkeypatch.setenv(URL_VARIABLE, server.url("postgres"))
        migrate(Catalog(server.url("postgres")))
        yield
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_where_the_pages_are_elsewhere_the_catalog_knows_qa(stereo_select, catalog):
    with Catalog.of_site().transaction() as session:
        for production, source, verdict in (
            ("mcp062", "CrabNebula", "bad"), ("mcp062", "GalacticCent", "good"), ("other", "Mrk421", "good")
        ):  # fmt: skip
            session.add(
                QaRow(
                    production=production, night=dt.date(2022, 3, 11), source=source, verdict=verdict, reason="",
                    metrics={}, runs={}, page="",
                )
            )  # fmt: skip
    assert _chosen(stereo_select("--json", "--qa", "bad", "--production", "mcp062")) == [CRAB11]
    assert _chosen(stereo_select("--json", "--qa", "good", "--production", "mcp062")) == [CENTRE]


def test_without_pages_and_catalog_qa_says_so(stereo_select, monkeypatch):
    for name in ("STEREO_CATALOG_URL", "STEREO_CATALOG_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    error = stereo_select("--qa", "good").exception
    assert isinstance(error, StereoLogError)
    assert "leave --qa out" in str(error)


def test_without_a_log_the_site_s_is_read(log, monkeypatch, tmp_path):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path / "site"))
    missing = CliRunner().invoke(app, []).exception
    assert isinstance(missing, StereoLogError)
    (tmp_path / "site" / "data").mkdir(parents=True)
    (tmp_path / "site" / "data" / "stereo_log.csv").write_text(LOG)
    assert len(_chosen(CliRunner().invoke(app, ["--json"]))) == 4


@needs_the_real_log
@pytest.mark.parametrize(
    ("source", "name", "says"),
    [
        ("CrabNebula", "Crab", "40 rows, 40 nights, 151 LST-1 runs, 223 MAGIC runs"),
        ("BLLac", "BLLac", "15 rows, 15 nights, 44 LST-1 runs, 48 MAGIC runs"),
        ("Mrk421", "Mrk421", "32 rows, 32 nights, 103 LST-1 runs, 119 MAGIC runs"),
    ],
)
def test_the_command_as_people_type_it(tmp_path, source, name, says):
    command = [Path(sys.executable).parent / "stereo", "select", "--log", REAL, "--source", source]
    command += ["--before", "2022-07-01", "--min-same-wobble", "0", "--export-txt", tmp_path / "lists", "--as", name]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("STEREO_")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == says
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        f"common_data{name}.txt", f"MAGIC_runs{name}.txt"
    }  # fmt: skip
