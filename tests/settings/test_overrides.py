"""Rules by which a production differs for sources and nights: which hold, which wins, and what is refused."""

import datetime as dt
from itertools import pairwise

import pytest
import yaml

from stereo_tasks.nights import Night
from stereo_tasks.settings import SettingsError, load_settings
from stereo_tasks.settings.overrides import Rule, spans
from stereo_tasks.stages import Engine


@pytest.fixture
def production(tmp_path):
    """Load the default production with rules."""
    (tmp_path / "config").mkdir()

    def load(*rules):
        content = {"productions": {"mcp062": {"overrides": list(rules)}}}
        (tmp_path / "config" / "productions.yaml").write_text(yaml.safe_dump(content))
        return load_settings(tmp_path).production()

    return load


CRAB = {"source": "CrabNebula", "first": "2024-01-01", "last": "2024-01-31", "set": {"nsb": 2.0}}


@pytest.mark.parametrize(
    ("night", "source", "nsb"),
    [
        ("2023-12-31", "CrabNebula", 1.5),
        ("2024-01-01", "CrabNebula", 2.0),  # both ends are evenings, and belong to it
        ("2024-01-31", "CrabNebula", 2.0),
        ("2024-02-01", "CrabNebula", 1.5),
        ("2024-01-10", "Crab", 1.5),
        ("2024-01-10", "Mrk421", 1.5),
    ],
)
def test_a_rule_holds_for_its_sources_and_nights(production, night, source, nsb):
    effective = production(CRAB).effective(Night(night), source)
    assert effective.nsb == nsb
    assert ("rule 1 of overrides" in effective.origin("nsb")) == (nsb == 2.0)


def test_later_rules_win_and_keys_they_do_not_name_stay(production):
    first = {"set": {"nsb": 0.5, "mc_version": "02", "mcp": {"create_irf": {"event_type": "hardware"}}}}
    second = {"source": ["CrabNebula", "Mrk421"], "set": {"nsb": 3.0, "mcp": {"create_irf": {"quality_cuts": None}}}}
    loaded = production(first, second)
    crab, other = (loaded.effective(Night("2024-01-10"), name) for name in ("CrabNebula", "Mrk501"))
    assert (crab.nsb, crab.mc_version, other.nsb) == (3.0, "02", 0.5)
    irf = crab.mcp["create_irf"]
    assert (irf["event_type"], irf["quality_cuts"], irf["weight_type_dl2"]) == ("hardware", None, "intensity")
    assert crab.origin("nsb").endswith("config/productions.yaml, rule 2 of overrides")
    assert crab.origin("mcp.create_irf.event_type").endswith("rule 1 of overrides")
    assert crab.origin("mcp.create_irf.quality_cuts").endswith("rule 2 of overrides")
    assert crab.origin("mcp.create_irf.weight_type_dl2") == "config/mcp.yaml"
    assert crab.origin("lst_version") == "config/productions.yaml"
    assert crab.origin("corrections") == "default"


def test_a_file_of_the_site_is_an_origin_too(production, tmp_path):
    (tmp_path / "config" / "mcp.yaml").write_text("dl2_to_dl3: {max_distance: 40 deg}\n")
    loaded = production()
    assert loaded.origin("mcp.dl2_to_dl3.max_distance") == str(tmp_path / "config" / "mcp.yaml")
    assert loaded.origin("mcp.dl2_to_dl3.interpolation_method") == "config/mcp.yaml"


def test_without_a_rule_that_holds_the_production_is_as_it_was(production):
    loaded = production(CRAB)
    assert loaded.effective(Night("2020-12-01"), "CrabNebula") is loaded


def test_a_rule_can_give_the_position_of_its_source(production):
    effective = production({"source": "GRB240110A", "set": {"position": {"ra_deg": 10.5, "dec_deg": -4.0}}}).effective(
        Night("2024-01-10"), "GRB240110A"
    )
    assert (effective.position.ra_deg, effective.position.dec_deg) == (10.5, -4.0)


def test_an_engine_asked_for_by_hand_wins(production):
    loaded = production({"set": {"engine": "mcp", "nsb": 0.5}}).with_engine(Engine.FAST)
    effective = loaded.effective(Night("2024-01-10"), "CrabNebula")
    assert (effective.engine, effective.nsb) == (Engine.FAST, 0.5)


IRF = "create_irf"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"set": {"nbs": 2.0}}, "rule 2: nbs"),
        ({"set": {"nsb": "dark"}}, "rule 2: nsb"),
        ({"set": {"nsb": 1.7}}, "nsb_levels lack 1.7.*rule 2"),
        ({"set": {"engine": "quick"}}, "rule 2: engine.*'mcp' or 'fast'"),
        ({"set": {"mcp_version": "0.7.0"}}, "rule 2.*mcp_version is of the science environment"),
        ({"set": {}}, "rule 2.*at least 1"),
        ({"when": "2024-01-10", "set": {"nsb": 2.0}}, "rule 2.when"),
        ({"source": [], "set": {"nsb": 2.0}}, "rule 2.source"),
        ({"first": "2024-02-01", "last": "2024-01-31", "set": {"nsb": 2.0}}, "rule 2.*no night matches"),
        ({"first": "January", "set": {"nsb": 2.0}}, "rule 2.first"),
        ({"set": {"position": {"ra_deg": 1, "dec_deg": 2}}}, "rule 2.*position needs a source"),
        ({"source": "A", "set": {"position": {"ra_deg": 1, "dec_deg": 92}}}, "rule 2: position.dec_deg"),
        ({"set": {"mcp": "other.yaml"}}, "rule 2.*not the name of a file"),
        ({"set": {"mcp": {"creat_irf": {}}}}, "rule 2.*no stage reads mcp.creat_irf"),
        ({"set": {"mcp": {"dl2_to_dl3": {"source_ra": "3 deg"}}}}, "rule 2.*set position instead"),
        ({"set": {"mcp": {IRF: {"event_typ": "software"}}}}, "rule 2: mcp: create_irf.event_typ"),
        ({"set": {"mcp": {IRF: {"event_type": "3tel"}}}}, "create_irf.event_type.*'software_only_3tel'.*not '3tel'"),
        ({"set": {"mcp": {IRF: {"weight_type_dl2": "none"}}}}, "'simple', 'intensity' or 'variance'"),
        ({"set": {"mcp": {IRF: {"quality_cuts": "width >"}}}}, "no expression"),
        ({"set": {"mcp": {IRF: {"gammaness": {"cut_type": "fixed"}}}}}, "'global', 'dynamic' or 'custom'"),
        ({"set": {"mcp": {IRF: {"gammaness": {"cut_type": "custom"}}}}}, "needs custom_cuts, interpolate_kind"),
        ({"set": {"mcp": {IRF: {"gammaness": {"efficiency": 90}}}}}, "gammaness.efficiency"),
        ({"set": {"mcp": {IRF: {"gammaness": {"min_cut": 0.9}}}}}, "min_cut must not exceed max_cut"),
        ({"set": {"mcp": {IRF: {"theta": {"global_cut_value": 0.2}}}}}, "has no unit"),
        ({"set": {"mcp": {IRF: {"theta": {"max_cut": "0.3 TeV"}}}}}, "not a quantity in a unit like 'deg'"),
        ({"set": {"mcp": {IRF: {"energy_bins": {"stop": "1 GeV"}}}}}, "start must be below stop"),
        ({"set": {"mcp": {"dl2_to_dl3": {"interpolation_method": "spline"}}}}, "'nearest', 'linear' or 'cubic'"),
        ({"set": {"mcp": {"dl2_to_dl3": {"interpolation_scheme": "zd"}}}}, "'cosZd' or 'cosZdAz'"),
        ({"set": {"mcp": {"dl2_to_dl3": {"max_distance": None}}}}, "max_distance"),
        ({"set": {"mcp": {"event_coincidence": {"timestamp_type_lst": "gps"}}}}, "'dragon_time'"),
        ({"set": {"mcp": {"event_coincidence": {"window_half_width": "300 m"}}}}, "window_half_width"),
        ({"set": {"mcp": {"MAGIC": {"magic_clean": {"pedestal_type": "none"}}}}}, "'from_extractor_rndm'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_named_when_the_configuration_is_loaded(production, rule, message):
    with pytest.raises(SettingsError, match=message) as error:
        production({"source": "CrabNebula", "set": {"nsb": 2.0}}, rule)
    assert str(error.value).startswith("config/")


def test_of_several_rules_the_one_is_named_that_is_wrong(production):
    wrong = {"set": {"mcp": {IRF: {"weight_type_dl2": "none"}}}}
    with pytest.raises(SettingsError, match="rule 1: mcp"):
        production(wrong, CRAB)


def test_rules_may_make_sense_only_together(production):
    table = {"energy_bins": [0.1, 1, 10], "energy_unit": "TeV", "cut": [0.4, 0.5], "cut_unit": ""}
    first = {"set": {"mcp": {IRF: {"gammaness": {"custom_cuts": table, "interpolate_kind": "nearest"}}}}}
    second = {"source": "CrabNebula", "set": {"mcp": {IRF: {"gammaness": {"cut_type": "custom"}}}}}
    effective = production(first, second).effective(Night("2024-01-10"), "CrabNebula")
    assert effective.mcp[IRF]["gammaness"]["custom_cuts"] == table
    with pytest.raises(SettingsError, match=r"rule 1: mcp: create_irf.gammaness: a cut"):
        production(second)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ({"cut": [0.4]}, "1 cuts for 2 energy bins"),
        ({"energy_bins": [1, 0.1, 10]}, "energy_bins must rise"),
        ({"energy_unit": "deg"}, "custom_cuts"),
        ({"cut": [0.4, 1.5]}, "between 0 and 1"),
        ({"cut_unit": "deg"}, "cut_unit is empty"),
    ],
)
def test_tables_of_custom_cuts_are_looked_at(production, cut, message):
    table = {"energy_bins": [0.1, 1, 10], "energy_unit": "TeV", "cut": [0.4, 0.5], "cut_unit": ""} | cut
    asked = {"cut_type": "custom", "custom_cuts": table, "interpolate_kind": "nearest"}
    with pytest.raises(SettingsError, match=message):
        production({"set": {"mcp": {IRF: {"gammaness": asked}}}})


def test_spans_are_all_sources_and_nights_each_once():
    rules = [
        Rule(source="A", first=dt.date(2024, 1, 1), set={"nsb": 2.0}),
        Rule(last=dt.date(2024, 6, 30), set={"nsb": 3.0}),
        Rule(source=("A", "B"), first=dt.date(2024, 3, 1), last=dt.date(2024, 3, 31), set={"nsb": 1.0}),
    ]
    found = list(spans(rules))
    for source in ("A", "B", None):
        own = [span for span in found if span.source == source]
        assert (own[0].first, own[-1].last) == (dt.date.min, dt.date.max)
        for span, after in pairwise(own):
            assert after.first - span.last == dt.timedelta(days=1)
    for night in ("2023-12-31", "2024-01-01", "2024-03-01", "2024-03-31", "2024-04-01", "2024-06-30", "2024-07-01"):
        for source in ("A", "B", "other"):
            holding = tuple(i for i, rule in enumerate(rules) if rule.matches(Night(night), source))
            known = source if source in ("A", "B") else None
            (span,) = [s for s in found if s.source == known and s.first <= Night(night).evening <= s.last]
            assert span.rules == holding
