"""The description of a published folder as an RO-Crate 1.3 (https://w3id.org/ro/crate/1.3).

Other programs and archives read from it what the folder holds, how it was made, by whom, and how it may be used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.planning.plan import Plan
from stereo_tasks.products.files import sha256_of
from stereo_tasks.settings.citation import Author, Citation

_FORMATS = {".gz": "application/fits", ".html": "text/html", ".json": "application/json"}
_HOMES = {
    "astropy": "https://www.astropy.org",
    "ctapipe": "https://github.com/cta-observatory/ctapipe",
    "ctapipe-io-lst": "https://github.com/cta-observatory/ctapipe_io_lst",
    "ctapipe-io-magic": "https://github.com/cta-observatory/ctapipe_io_magic",
    "gammapy": "https://gammapy.org",
    "lstchain": "https://github.com/cta-observatory/cta-lstchain",
    "magic-cta-pipe": "https://github.com/cta-observatory/magic-cta-pipe",
    "numpy": "https://numpy.org",
    "pyirf": "https://github.com/cta-observatory/pyirf",
    "scikit-learn": "https://scikit-learn.org",
    "uproot": "https://github.com/scikit-hep/uproot5",
}
"""Pages of the software; an RO-Crate takes no application without one."""
_NO_LICENCE = "No licence is stated: ask who published it before you use or hand it on."


@dataclass(frozen=True, slots=True)
class Described:
    """A file of the folder."""

    path: Path
    what: str
    """One line for a person."""
    made_utc: str
    """When it was made, in ISO format."""


def crate_of(
    plan: Plan,
    files: Sequence[Described],
    versions: Mapping[str, str],
    verdict: str,
    citation: Citation,
    published: dt.datetime,
) -> dict[str, Any]:
    """Return the content of ``ro-crate-metadata.json``.

    Parameters
    ----------
    plan : Plan
        Of the night and source.
    files : sequence of Described
        What is in the folder.
    versions : mapping of str to str
        Of the software that made them.
    verdict : str
        Of the QA page; empty if there is none.
    citation : Citation
        Authors, organisation and licence.
    published : datetime.datetime
        When, with its zone.
    """
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    night = Night(str(plan.night))
    crate = ROCrate(version="1.3")
    crate.name = f"{plan.source}, night of {night}: DL3 of MAGIC + LST-1, production {plan.production}"
    crate.description = (
        f"Gamma-ray events and point-like instrument response functions (DL3, GADF) of {plan.source} in the night of "
        f"{night}, with their index and QA page. QA verdict: {verdict or 'none'}."
    )
    crate.datePublished = published.isoformat(timespec="seconds")
    root = crate.root_dataset
    root["temporalCoverage"] = f"{night.evening}/{night.morning}"
    root["version"] = plan.digest

    def entity(identifier: str, kind: str, **properties: Any) -> Any:
        return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))

    name = f"stereo-nights/{plan.production}/{night.lst_date}/{plan.source}/{plan.digest}"
    root["identifier"] = entity("#identifier", "PropertyValue", name="identifier", value=name)
    _cite(crate, entity, citation)
    root["additionalProperty"] = [
        entity(f"#{name.lower().replace(' ', '-')}", "PropertyValue", name=name, value=value)
        for name, value in (
            ("night", str(night)), ("source", plan.source), ("production", plan.production),
            ("QA verdict", verdict or "none"), ("plan", plan.digest),
        )
    ]  # fmt: skip
    tools = [
        entity(f"#software-{name}", "SoftwareApplication", name=name, version=versions[name], url=home)
        for name, home in _HOMES.items()
        if name in versions
    ]
    ours = {name: version for name, version in versions.items() if name not in _HOMES}
    tools += [entity(f"#software-{name}", "Thing", name=name, version=ours[name]) for name in sorted(ours)]
    described = [_file(crate, file) for file in files]
    made = [file.made_utc for file in files]
    entity(
        "#processing", "CreateAction",
        name=f"processing of {plan.name} under plan {plan.digest}",
        endTime=max(made, default=published.isoformat()),
        instrument=tools,
        result=described,
    )  # fmt: skip
    root["mentions"] = crate.get("#processing")
    content: dict[str, Any] = crate.metadata.generate()
    return content


def _file(crate: Any, file: Described) -> Any:
    name = file.path.name
    properties = {
        "name": name,
        "description": file.what,
        "encodingFormat": _FORMATS[Path(name).suffix],
        "contentSize": str(file.path.stat().st_size),
        "sha256": sha256_of(file.path),
        "dateModified": file.made_utc,
    }
    return crate.add_file(file.path, name, properties=properties)


def _cite(crate: Any, entity: Any, citation: Citation) -> None:
    root = crate.root_dataset
    organisation = citation.organisation
    if organisation:
        root["publisher"] = entity(
            organisation.url, "Organization", name=organisation.name, url=organisation.url
        )  # fmt: skip
    if citation.authors:
        belongs = {"affiliation": root["publisher"]} if organisation else {}
        root["author"] = [
            entity(_person(one, place), "Person", name=one.name, **belongs)
            for place, one in enumerate(citation.authors, 1)
        ]
    elif organisation:
        root["author"] = root["publisher"]
    if citation.licence:
        root["license"] = entity(citation.licence, "CreativeWork", name=citation.licence)
    else:
        root["license"] = _NO_LICENCE


def _person(author: Author, place: int) -> str:
    return f"https://orcid.org/{author.orcid}" if author.orcid else f"#author-{place}"
