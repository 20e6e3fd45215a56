"""The truth file of a night: everything that was injected, for tests and closure plots to compare with."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atomic import write_text
from stereo_tasks.simulate.spec import MODEL_VERSION, NightSpec


def truth_path(out: Path, night: Night) -> Path:
    """Return where a night's truth is kept."""
    return out / "truth" / f"{night.lst_date}.json"


def finished(truth: Path, out: Path, digest: str) -> bool:
    """Return whether a night has already been simulated from the spec with this hash and all its files are there.

    If there are outputs of another spec they are removed, so that nothing of two simulations is mixed.
    """
    if not truth.is_file():
        return False
    content = json.loads(truth.read_text(encoding="utf-8"))
    paths = [out / name for name in content["files"]]
    if content["spec_hash"] == digest and all(path.is_file() for path in paths):
        return True
    truth.unlink()
    for path in paths:
        path.unlink(missing_ok=True)
    return False


def write_truth(
    truth: Path,
    spec: NightSpec,
    digest: str,
    runs: list[dict[str, Any]],
    files: list[str],
    faults: list[dict[str, Any]],
) -> None:
    """Write the truth; it is the last file of a night, so that its presence means that the night is whole."""
    sources = [_source(source.name, spec, runs) for source in spec.sources]
    content = {
        "night": spec.night,
        "spec_hash": digest,
        "versions": {"model": MODEL_VERSION, "stereo_nights": version("stereo-nights")},
        "time_offset_us": spec.time_offset_us,
        "sources": sources,
        "files": files,
        "faults": faults,
        "spec": spec.model_dump(mode="json"),
    }
    write_text(truth, json.dumps(content, indent=1))


def _source(name: str, spec: NightSpec, runs: list[dict[str, Any]]) -> dict[str, Any]:
    source = next(s for s in spec.sources if s.name == name)
    spectrum = None
    if source.spectrum is not None:
        spectrum = {
            "model": "power_law",
            "amplitude": source.spectrum.amplitude_per_tev_cm2_s,
            "amplitude_unit": "TeV-1 cm-2 s-1",
            "reference_tev": source.spectrum.reference_tev,
            "index": source.spectrum.index,
            "energy_min_tev": source.spectrum.energy_min_tev,
            "energy_max_tev": source.spectrum.energy_max_tev,
        }
    own = [run for run in runs if run["source"] == name]
    return {"name": name, "ra_deg": source.ra_deg, "dec_deg": source.dec_deg, "spectrum": spectrum, "runs": own}
