"""The story of a file as a document of W3C PROV (https://www.w3.org/TR/prov-dm/).

A file is an entity, an element an activity, software an agent. Attributes that PROV has no word for are of the IVOA's
Provenance Data Model 1.0 (https://www.ivoa.net/documents/ProvenanceDM/, prefix ``voprov``) or ours (``stereo``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from prov.model import PROV, ProvActivity, ProvDocument, ProvEntity

from stereo_tasks.products.record import FileMark, Record
from stereo_tasks.provenance.story import Story

_VOPROV = "http://www.ivoa.net/documents/ProvenanceDM/index.html#"  # as the package voprov has it
_STEREO = "urn:stereo-nights:"


def document_of(story: Story) -> ProvDocument:
    """Return the story of a file as a PROV document; `ProvDocument.serialize` writes it as PROV-JSON."""
    return _Writer(story).document


class _Writer:
    """Fills a document; each file and each version of a software once."""

    def __init__(self, story: Story) -> None:
        self.document = ProvDocument()
        self.document.add_namespace("voprov", _VOPROV)
        self.document.add_namespace("stereo", _STEREO)
        self._files: dict[str, ProvEntity] = {}
        self._agents: dict[str, Any] = {}
        self._plans: dict[str, Any] = {}
        for mark in story.origins:
            self._file(mark)
        # What was made has a checksum in the record of its element: before those who read it.
        for record in story.records:
            for mark in record.outputs:
                self._file(mark)
        for record in story.records:
            self._element(record, str(story.plan.production) if story.plan else "")

    def _file(self, mark: FileMark) -> ProvEntity:
        if mark.path not in self._files:
            attributes: dict[Any, Any] = {
                PROV["label"]: Path(mark.path).name,
                PROV["type"]: "voprov:DatasetEntity",
                PROV["location"]: mark.path,
                "stereo:size_bytes": mark.size_bytes,
            }
            if mark.sha256:
                attributes["stereo:sha256"] = mark.sha256
            self._files[mark.path] = self.document.entity(_name("file", mark.path), attributes)
        return self._files[mark.path]

    def _element(self, record: Record, production: str) -> None:
        root = record.plan.partition("/plans/")[0]
        activity = self.document.activity(
            _name("element", f"{root}/{record.element}"),
            record.started_utc or None,
            record.ended_utc or None,
            {
                PROV["label"]: record.element,
                "voprov:name": record.stage,
                "stereo:production": production,
                "stereo:state": record.state.value,
                "stereo:reason": record.reason,
                "stereo:fingerprint": record.fingerprint,
                "stereo:engine": record.engine,
                "stereo:host": record.host,
                "stereo:job": record.job,
                "stereo:cpu_s": record.cpu_s,
                "stereo:peak_memory_mb": record.peak_memory_mb,
            },
        )
        for mark in record.inputs:
            activity.used(self._file(mark))
        for mark in record.outputs:
            self._file(mark).wasGeneratedBy(activity, record.ended_utc or None)
        self._software(record, activity)

    def _software(self, record: Record, activity: ProvActivity) -> None:
        if record.plan not in self._plans:
            attributes: dict[Any, Any] = {PROV["type"]: PROV["Plan"], PROV["location"]: record.plan}
            self._plans[record.plan] = self.document.entity(_name("plan", record.plan), attributes)
        for name, version in sorted(record.versions.items()):
            key = _name("software", f"/{name}/{version}")
            if key not in self._agents:
                self._agents[key] = self.document.agent(
                    key,
                    {PROV["type"]: PROV["SoftwareAgent"], PROV["label"]: name, "stereo:version": version},
                )
            self.document.wasAssociatedWith(activity, self._agents[key], self._plans[record.plan])


def _name(kind: str, path: str) -> str:
    # PROV-N cannot write every character that a path may have.
    return f"stereo:{kind}{quote(path)}"
