"""Planning the analyses of sources over many nights: from what is published to a plan."""

from __future__ import annotations

from stereo_tasks.nights import Night
from stereo_tasks.planning.datasets import range_name
from stereo_tasks.planning.plan import Plan
from stereo_tasks.planning.seasons import plan_season
from stereo_tasks.processing.source_plans import LAST_OF_ALL
from stereo_tasks.products.provenance import analysis_versions
from stereo_tasks.products.published_folders import published_folders
from stereo_tasks.settings import Settings, load_settings


def plan_source_season(
    source: str,
    first: Night | None = None,
    last: Night | None = None,
    *,
    production: str | None = None,
    settings: Settings | None = None,
) -> Plan:
    """Plan the analysis of a source. Nothing is written: `Plan.save` does that.

    Parameters
    ----------
    source : str
        The source, as in the log.
    first, last : Night, optional
        Only nights from the first to the last; all that are published if not given.
    production : str, optional
        Name of the production; the site's default if not given.
    settings : Settings, optional
        Loaded from the site if not given.
    """
    settings = settings or load_settings()
    chosen = settings.production(production).effective(last or LAST_OF_ALL, source)
    root = settings.site.paths.output / chosen.name / source
    folders = published_folders(root, chosen.cuts, first, last)
    versions = analysis_versions(settings.site.analysis_python)
    return plan_season(range_name(first, last), source, folders, settings, chosen, versions)
