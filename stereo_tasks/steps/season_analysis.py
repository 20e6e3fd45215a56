"""Published DL3 of many nights -> results, tables, pictures and page of a source; runs in the analysis environment."""

from __future__ import annotations

from pathlib import Path

from stereo_tasks.planning.seasons import INDEX_ROLE
from stereo_tasks.stages import Stage
from stereo_tasks.steps.context import Made, StepContext
from stereo_tasks.steps.outcomes import failed, skipped

_PNG = b"\x89PNG\r\n"
_PNG_END = b"IEND\xaeB`\x82"


def run(context: StepContext) -> Made:
    """Analyse; a source of which no run can be used has no analysis."""
    from stereo_tasks.analysis.quiet import be_quiet

    be_quiet()
    from astropy.coordinates import SkyCoord

    from stereo_tasks.analysis.analyse import analyse
    from stereo_tasks.analysis.errors import AnalysisError, NothingToAnalyseError
    from stereo_tasks.analysis.settings import AnalysisSettings

    plan, given = context.plan, context.element.parameters
    position = given["position"]
    out = context.folder("out")
    try:
        results = analyse(
            list(dict.fromkeys(Path(item.path).parent for item in context.inputs(INDEX_ROLE))),
            given["source"],
            out,
            settings=AnalysisSettings.model_validate(plan.settings["analysis"]),
            position=SkyCoord(position["ra_deg"], position["dec_deg"], unit="deg") if position else None,
            origin={"production": plan.production, "plan": str(plan.path)},
        )
    except NothingToAnalyseError as error:
        raise skipped(str(error)) from error
    except AnalysisError as error:
        raise failed(str(error)) from error
    counts: dict[str, float] = {
        "observations": len(results["observations"]),
        "left_out": len(results["left_out"]),
        "nights": len(results["nights"]),
        **{name: results[name] for name in ("on", "off", "excess", "significance_sigma", "live_time_s")},
    }
    lost = [f"run {obs_id}: {reason}" for obs_id, reason in results["left_out"].items()]
    return Made([out / Path(path).name for path in context.element.outputs], counts, lost)


def check(stage: Stage, path: Path) -> str:
    """Check a file of an analysis: it is whole."""
    if path.suffix == ".png":
        content = path.read_bytes()
        return "" if content.startswith(_PNG) and content.endswith(_PNG_END) else "is no whole picture"
    if path.suffix == ".html":
        return "" if path.read_text(encoding="utf-8").rstrip().endswith("</html>") else "does not end as a page"
    if path.suffix == ".ecsv":
        from astropy.table import QTable

        return "" if len(QTable.read(path)) else "has no rows"
    import yaml

    return "" if "significance_sigma" in yaml.safe_load(path.read_text()) else "has no significance"
