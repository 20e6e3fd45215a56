"""Where the sources are: the table against the names in it, aliases, and the real log."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.coordinates import FK4, ICRS, SkyCoord

from stereo_tasks.settings import SettingsError, load_settings
from stereo_tasks.settings.choices import NoChoiceError
from stereo_tasks.settings.sources import SourcePosition, find_source
from stereo_tasks.stereo_log import read_log

LOG = Path(__file__).parents[3] / "shared" / "data" / "stereo_log_2019-2022.csv"

# 06 47 +25.0, 18 57 +02.6, 22 29 +61 14: hours and minutes, then degrees, tenths of them, or degrees and minutes.
PLACE = re.compile(r"(\d\d)(\d\d)([+-])(\d{2,4})B?$")
OF_1950 = ("1ES", "1A-", "B2", "PG", "PKS", "S2", "S4", "TXS")
OF_2000 = ("HESSJ", "LHAASOJ", "MAXIJ", "PSRJ", "RGB", "SDSSJ", "SGR")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return load_settings(tmp_path_factory.mktemp("site")).sources


def _said_by(name):
    """Return what the digits of a name say: position and what they leave open, or None."""
    prefix = next((one for one in (*OF_1950, *OF_2000) if name.startswith(one)), None)
    if prefix is None or (digits := PLACE.search(name.removeprefix(prefix))) is None:
        return None
    hours, minutes, sign, dec = digits.groups()
    step_deg = {2: 1.0, 3: 0.1, 4: 1 / 60}[len(dec)]
    dec_deg = int(dec[:2]) + (int(dec[2:]) * step_deg if dec[2:] else 0)
    frame = FK4(equinox="B1950") if prefix in OF_1950 else ICRS()
    place = SkyCoord((int(hours) + int(minutes) / 60) * 15 * u.deg, float(f"{sign}{dec_deg}") * u.deg, frame=frame)
    return SkyCoord(place.icrs.ra, place.icrs.dec, frame="icrs"), step_deg


def test_a_position_is_where_the_name_says(sources):
    """B1950 names are precessed. Digits are cut or rounded: the last one may be off by one."""
    checked = 0
    for name, position in sources.items():
        if (said := _said_by(name)) is None:
            continue
        place, step_deg = said
        checked += 1
        found = SkyCoord(position.ra_deg * u.deg, position.dec_deg * u.deg, frame="icrs")
        east, north = place.spherical_offsets_to(found)
        assert abs(east.deg) <= 0.26, f"{name}: {east.deg:.3f} deg from the minute of its name"
        assert abs(north.deg) <= 1.1 * step_deg + 0.01, f"{name}: {north.deg:.3f} deg from the declination of its name"
    assert checked == 25


def test_every_position_tells_its_origin(sources):
    assert not [name for name, position in sources.items() if position.origin == "config/sources.yaml"]


@pytest.mark.skipif(not LOG.exists(), reason=f"the real stereo log is not at {LOG}")
def test_every_source_of_the_log_has_a_position_or_is_a_target_that_only_magic_knows(sources):
    names = {row.source for row in read_log(LOG).observations}
    unknown = {name for name in names if find_source(sources, name) is None}
    assert len(names) == 68
    assert len(unknown) == 20
    assert {name for name in unknown if not re.match(r"GRB\d{6}|IC-?\d{6}", name)} == {"Boomerang-Ta", "Cygnus-XNort"}


@pytest.mark.skipif(not LOG.exists(), reason=f"the real stereo log is not at {LOG}")
def test_every_zenith_of_the_log_was_reached_that_night(sources):
    """From 19 to 7:30 UTC at the Roque; telescopes point 0.4 deg beside a source, farther at the Galactic Centre."""
    checked = 0
    for row in read_log(LOG).observations:
        if (found := find_source(sources, row.source)) is None:
            continue
        checked += 1
        days = row.night.evening.toordinal() + 1721424.5 - 2451545.0 + np.arange(19.0, 31.5, 0.1) / 24
        sidereal_deg = 280.46062 + 360.98564737 * days - 17.8914  # Greenwich mean sidereal time, and the longitude
        dec, latitude = np.radians([found[1].dec_deg, 28.7619])
        height = np.cos(dec) * np.cos(latitude) * np.cos(np.radians(sidereal_deg - found[1].ra_deg))
        zenith_deg = np.degrees(np.arccos(np.sin(dec) * np.sin(latitude) + height))
        assert row.zenith_min_deg >= zenith_deg.min() - 0.75, row
        assert row.zenith_max_deg <= zenith_deg.max() + 0.75, row
    assert checked == 377


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("1A0535+262", "1A-0535+262"),  # hyphen
        ("3c279", "3C279"),  # capitals
        ("LHAASOJ2108+", "LHAASOJ2108+5157"),  # cut by the log
        ("LhaasoJ1956+", "LHAASOJ1956+2845"),
        ("PKS1749+096", "OT081"),  # two names
        ("Mrk501-Mon", "Mrk501"),  # the source under moonlight
    ],
)
def test_other_spellings_find_the_position(sources, written, name):
    assert find_source(sources, written) == (name, sources[name])


def test_a_southern_source_is_no_northern_one(sources):
    assert find_source(sources, "PKS1510+089") is None


def test_positions_that_the_site_had_before_have_not_moved(sources):
    """They are in the configuration of every DL3: another digit would make all of them stale."""
    assert (sources["CrabNebula"].ra_deg, sources["CrabNebula"].dec_deg) == (83.6331, 22.0145)
    assert (sources["1ES2344+514"].ra_deg, sources["1ES2344+514"].dec_deg) == (356.7702, 51.7050)


def test_one_name_for_two_places_is_refused(tmp_path):
    (tmp_path / "config").mkdir()
    table = {"Crab": {"ra_deg": 84.6, "dec_deg": 22.0, "aliases": ["Crab-Nebula"]}}
    (tmp_path / "config" / "sources.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(SettingsError, match=r"both called Crab-Nebula, and are 0\.90 deg apart"):
        load_settings(tmp_path)


def test_an_unknown_source_says_how_it_becomes_known(tmp_path):
    with pytest.raises(NoChoiceError, match=r"no position of Nowhere1: .*'stereo sources resolve Nowhere1'"):
        load_settings(tmp_path).position("Nowhere1")


def test_separation_across_the_meridian():
    west, east = SourcePosition(ra_deg=359.9, dec_deg=60), SourcePosition(ra_deg=0.1, dec_deg=60)
    assert west.separation_deg(east) == pytest.approx(0.1, abs=1e-4)
