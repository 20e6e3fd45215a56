"""``stereo sources``: with a name server on this machine, and without any."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote

import pytest
from astropy.coordinates.name_resolve import sesame_url
from typer.testing import CliRunner

from stereo_tasks.commands.sources import app
from stereo_tasks.settings import load_settings
from stereo_tasks.settings.sources import SourceError


class Sesame(BaseHTTPRequestHandler):
    """Answers as CDS Sesame does, and knows one source."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.asked.append(unquote(self.path))
        known = "PKS 2155-304" in unquote(self.path)
        answer = "%J 329.71693 -30.22559 = 21:58:52.06 -30:13:32.1\n" if known else "#!SIMBAD: nothing\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("STEREO_SITE", str(tmp_path))
    return tmp_path


@pytest.fixture
def name_server():
    server = HTTPServer(("127.0.0.1", 0), Sesame)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Sesame.asked.clear()
    with sesame_url.set([f"http://127.0.0.1:{server.server_port}/"]):
        yield Sesame
    server.shutdown()


def _run(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, SourceError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_what_is_resolved_is_stored_once(site, name_server):
    (site / "config").mkdir()
    table = site / "config" / "sources.yaml"
    table.write_text("# ours\nOurs: {ra_deg: 10, dec_deg: 20}  # by hand")
    said = _run("resolve", "PKS2155-304", "--ask", "PKS 2155-304")
    assert "PKS2155-304: 329.7169 -30.2256 deg" in said
    assert table.read_text().startswith("# ours\nOurs: {ra_deg: 10, dec_deg: 20}  # by hand\n")
    position = load_settings(site).position("PKS2155-304")
    assert (position.ra_deg, position.dec_deg) == (329.71693, -30.22559)
    assert "asked for PKS 2155-304" in position.origin
    number, content = len(name_server.asked), table.read_text()
    assert "PKS2155-304 is known" in _run("resolve", "PKS2155-304")
    assert (len(name_server.asked), table.read_text()) == (number, content)


def test_an_alias_is_known_without_asking(site, name_server):
    assert "PKS1749+096 (OT081) is known: 267.8867 +9.6502 deg" in _run("resolve", "PKS1749+096")
    assert name_server.asked == []


def test_a_name_that_nobody_knows_leaves_nothing(site, name_server):
    with pytest.raises(SourceError, match=r"no name server told where Nowhere1 is .*--ask"):
        _run("resolve", "Nowhere1")
    assert not (site / "config").exists()


def test_without_a_network_it_says_what_to_do(site):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with (
            sesame_url.set([f"http://127.0.0.1:{unused.getsockname()[1]}/"]),
            pytest.raises(SourceError, match="where there is a network"),
        ):
            _run("resolve", "Nowhere1")


def test_a_table_that_is_none_is_left_alone(site, name_server):
    (site / "config").mkdir()
    table = site / "config" / "sources.yaml"
    table.write_text("Ours: {ra_deg: 10, dec_deg: 20}\n  broken")
    from stereo_tasks.commands.sources import add_source
    from stereo_tasks.settings.sources import SourcePosition

    with pytest.raises(SourceError, match="correct it first"):
        add_source(table, "Other", SourcePosition(ra_deg=1, dec_deg=2))
    assert table.read_text() == "Ours: {ra_deg: 10, dec_deg: 20}\n  broken"


def test_the_list_has_positions_aliases_and_what_only_magic_knows(site):
    (site / "data").mkdir()
    log = load_settings(site).site.paths.stereo_log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(
        "Date,Source,Conditions,Trigger (MAGIC),Stereo,HV,Min Zd [deg],Max Zd [deg],LST,MAGIC,,,,Notes\n"
        "(LST convention),,,,,,LST-1 only,LST-1 only,Data runs,First run,Last run,Obs. time (min),Same wobble (min),\n"
        "2022_03_10,GRB220302A,['Dark'],['L3T'],[True],['Nominal'],10,30,\"[7173]\",5100001,5100003,40,38,\n"
    )
    lines = {line.split()[0]: line for line in _run("list").splitlines()}
    assert lines["OT081"].endswith("(PKS1749+096)")
    assert lines["GRB220302A"].endswith("in the headers of its MAGIC files")
