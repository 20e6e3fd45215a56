"""Planning the data sets of a source: from what is published and simulated to a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from stereo_tasks.inventory.standalone import lst_files, melibea_files
from stereo_tasks.nights import Night
from stereo_tasks.planning.datasets import SimulatedNodes, Standalone, Triggers, plan_datasets, range_name
from stereo_tasks.planning.plan import Plan
from stereo_tasks.processing.source_plans import LAST_OF_ALL
from stereo_tasks.products.models import ModelFile, pointing_of
from stereo_tasks.products.provenance import science_versions
from stereo_tasks.products.published_nights import PublishedNight, published_nights
from stereo_tasks.products.tree import MONTE_CARLO_FOLDER
from stereo_tasks.settings import Settings, load_settings
from stereo_tasks.settings.choices import NoChoiceError, declination_folder
from stereo_tasks.settings.production import Production


def plan_source(
    source: str,
    first: Night | None = None,
    last: Night | None = None,
    *,
    production: str | None = None,
    name: str | None = None,
    settings: Settings | None = None,
) -> Plan:
    """Plan the data sets of a source. Nothing is written: `Plan.save` does that.

    Parameters
    ----------
    source : str
        The source, as in the log.
    first, last : Night, optional
        Only nights from the first to the last; all that are published if not given.
    production : str, optional
        Name of the production; the site's default if not given.
    name : str, optional
        Of the set; ``all``, or that of the range, if not given.
    settings : Settings, optional
        Loaded from the site if not given.
    """
    settings = settings or load_settings()
    # A set is made in one way, however long: with the options that hold at the end of its range.
    chosen = settings.production(production).effective(last or LAST_OF_ALL, source)
    root = settings.site.paths.output / chosen.name / source
    nights = published_nights(root, chosen.cuts, first, last)
    return plan_datasets(
        name or range_name(first, last), source, nights, _simulated(source, nights, settings, chosen), settings, chosen,
        science_versions(settings.site.science_python), _standalone(nights, settings, chosen),
        _triggers(nights, settings, chosen),
    )  # fmt: skip


def _simulated(
    source: str, nights: tuple[PublishedNight, ...], settings: Settings, production: Production
) -> list[SimulatedNodes]:
    """Find the Monte Carlo of the periods of the nights and the line of the source, of whatever NSB level."""
    root = settings.site.paths.output / production.name / MONTE_CARLO_FOLDER
    folders: set[Path] = set()
    for night in nights:
        try:
            period = settings.monte_carlo.period(night.night).name
            position = production.position or settings.position(source)
            line = declination_folder(settings.monte_carlo.declination_line_deg(position.dec_deg))
        except NoChoiceError:
            continue
        folders |= set(root.glob(f"{period}/NSB*/v{production.mc_version}/{line}"))
    found = [SimulatedNodes(str(folder.relative_to(root)), _nodes(folder / "DL2")) for folder in sorted(folders)]
    return [one for one in found if one.nodes]


def _standalone(nights: tuple[PublishedNight, ...], settings: Settings, production: Production) -> Standalone:
    """Find the files of the standalone analyses that the site has: of the runs of these nights only."""
    paths, found = settings.site.paths, {}
    if paths.lst_dl2:
        found["lst"] = {night.night: _lst_files("dl2", paths.lst_dl2, night, production) for night in nights}
    if paths.melibea:
        found["melibea"] = {
            night.night: melibea_files(paths.melibea, night.night, night.magic_runs) for night in nights
        }
    return {
        kind: {night: [_file(path) for path in files] for night, files in of_night.items()}
        for kind, of_night in found.items()
    }


def _triggers(nights: tuple[PublishedNight, ...], settings: Settings, production: Production) -> Triggers:
    """Find the DL1 of LST-1 of the runs of these nights: not there any more where raw files are moved away."""
    folder = settings.site.paths.lst_dl1
    return {night.night: [_file(path) for path in _lst_files("dl1", folder, night, production)] for night in nights}


def _lst_files(
    level: Literal["dl1", "dl2"], folder: Path, night: PublishedNight, production: Production
) -> tuple[Path, ...]:
    version, tailcut = production.lst_version, production.lst_tailcut
    return lst_files(level, folder, night.night, night.dl2.keys(), version=version, tailcut=tailcut)


def _nodes(folder: Path) -> dict[str, ModelFile]:
    nodes: dict[str, ModelFile] = {}
    for path in sorted(folder.glob("dl2_gamma_*.h5")):
        if found := pointing_of(path.name):
            nodes[found[0]] = _file(path)
    return nodes


def _file(path: Path) -> ModelFile:
    status = path.stat()
    return ModelFile(path, status.st_size, status.st_mtime_ns)
