"""The description of a published folder, checked by the validator of RO-Crate and against the files."""

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import pytest

CONTEXT = "https://w3id.org/ro/crate/1.3/context"


@pytest.fixture(scope="session")
def http_cache(tmp_path_factory):
    """The context of RO-Crate 1.3 in the cache of the validator, which works without a network then."""
    import requests_cache

    path = tmp_path_factory.mktemp("http") / "cache"
    body = files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    assert json.loads(body)["@id"] == CONTEXT
    accept = {"Accept": "application/ld+json, application/json"}
    with requests_cache.CachedSession(str(path)) as session:
        request = requests_cache.Request("GET", CONTEXT, headers=accept).prepare()
        response = requests_cache.CachedResponse(
            status_code=200, url=CONTEXT, content=body, headers={"Content-Type": "application/ld+json"}
        )
        response._content = body
        session.cache.save_response(response, session.cache.create_key(request))
    return path


def issues(folder, http_cache, severity="REQUIRED"):
    from rocrate_validator import models, services

    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier="ro-crate-1.3",
        requirement_severity=models.Severity[severity],
        cache_path=http_cache,
        cache_max_age=-1,
        offline=True,
    )
    return [issue.message for issue in services.validate(settings).get_issues()]


def folder_of(site):
    (link,) = Path(site.root, "products").glob("mcp062/*/DL3/*/published/*[0-9]")
    return link


def entities(folder):
    return {one["@id"]: one for one in json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]}


def test_it_is_valid_with_and_without_authors_and_licence(site, http_cache):
    assert not issues(folder_of(site), http_cache)
    site.configure("site.yaml", CITATION)
    republish(site)
    assert not issues(folder_of(site), http_cache)


def test_the_validator_would_find_a_file_that_is_not_there(site, http_cache):
    (folder_of(site) / "report.html").unlink()
    assert any("report.html" in message for message in issues(folder_of(site), http_cache))


def test_every_file_of_the_folder_is_listed_with_size_and_checksum(site):
    folder = folder_of(site)
    known = entities(folder)
    listed = {part["@id"] for part in known["./"]["hasPart"]}
    there = {path.name for path in folder.iterdir()} - {"ro-crate-metadata.json", "published.json"}
    assert listed == there
    assert {"report.html", "hdu-index.fits.gz", "dl3_MAGIC_LST-1.Run01622.fits.gz"} <= listed
    for name in listed:
        content = (folder / name).read_bytes()
        assert known[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert known[name]["contentSize"] == str(len(content))


def test_it_says_night_source_production_verdict_and_software(site):
    known = entities(folder_of(site))
    said = {known[one["@id"]]["name"]: known[one["@id"]]["value"] for one in known["./"]["additionalProperty"]}
    assert {"night": "2024-01-10", "source": "CrabNebula", "production": "mcp062", "QA verdict": "good"}.items() <= (
        said.items()
    )
    software = {one["name"]: one["version"] for name, one in known.items() if name.startswith("#software-")}
    assert software["magic-cta-pipe"] == "0.6.2"
    assert software["stereo-nights"]
    assert known["./"]["license"].startswith("No licence is stated")
    assert "author" not in known["./"], "nobody is invented"


def test_authors_organisation_and_licence_are_those_of_the_configuration(site):
    site.configure("site.yaml", CITATION)
    republish(site)
    known = entities(folder_of(site))
    root = known["./"]
    author = known[root["author"][0]["@id"] if isinstance(root["author"], list) else root["author"]["@id"]]
    assert (author["@id"], author["name"]) == ("https://orcid.org/0000-0002-1825-0097", "Maria Mitchell")
    assert known[root["publisher"]["@id"]]["name"] == "An observatory"
    assert root["license"]["@id"] == "https://creativecommons.org/licenses/by/4.0/"


CITATION = {
    "citation": {
        "authors": [{"name": "Maria Mitchell", "orcid": "0000-0002-1825-0097"}],
        "organisation": {"name": "An observatory", "url": "https://observatory.example"},
        "licence": "https://creativecommons.org/licenses/by/4.0/",
    }
}


def republish(site):
    plan = site.plan()
    next(element for element in plan.elements if element.id == "dl3/01622").record_path.unlink()
    site.publish(site.run(plan))
