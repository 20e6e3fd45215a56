"""Which elements each stage of Monte Carlo has: what they read, and where their products go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stereo_tasks.planning.elements import product
from stereo_tasks.planning.monte_carlo import MonteCarloPlanner
from stereo_tasks.planning.plan import Input
from stereo_tasks.products.models import COMBINATIONS, PACKED_SUFFIX
from stereo_tasks.settings.irf_name import in_deg
from stereo_tasks.stages import Stage

# Kind of forest -> how magic-cta-pipe names its files.
_FORESTS = {"energy": "energy_regressors", "disp": "disp_regressors", "classifier": "event_classifiers"}


def mc_stereo(planner: MonteCarloPlanner, stage: Stage) -> None:
    """One element a DL1 file."""
    for sample in planner.needed:
        for file in planner.samples.get(sample, ()):
            inputs = [Input(str(file.path), None, file.size_bytes, file.modified_ns)]
            output = planner.tree.stereo(sample, file.path.name)
            planner.add(stage, f"{sample}/{file.path.stem}", inputs, [output])


def mc_forests(planner: MonteCarloPlanner, stage: Stage) -> None:
    """One element a kind of forest, for all combinations of telescopes."""
    for kind in () if planner.incomplete or planner.given else _FORESTS:
        samples = ("GammaTrain", "ProtonTrain") if kind == "classifier" else ("GammaTrain",)
        train = [
            product(planner.tree.stereo(sample, file.path.name), sample)
            for sample in samples
            for file in planner.samples[sample]
        ]
        planner.add(stage, kind, train, _forests(planner, kind), {"kind": kind})


def mc_pack(planner: MonteCarloPlanner, stage: Stage) -> None:
    """One element a file of forests: what jobs map into memory instead of loading them."""
    for forest in () if planner.incomplete else _all_forests(planner):
        path = Path(forest.path)
        planner.add(stage, path.stem, [forest], [path.with_suffix(PACKED_SUFFIX)])


def mc_dl2(planner: MonteCarloPlanner, stage: Stage) -> None:
    """One element a node of the test gammas, with all forests."""
    forests = _all_forests(planner)
    for node, files in planner.nodes.items():
        inputs = [*(product(path, "GammaTest") for path in files), *forests]
        planner.add(stage, node, inputs, [planner.tree.dl2(node)])


def mc_irf(planner: MonteCarloPlanner, stage: Stage) -> None:
    """One element a node of the test gammas, for each set of IRFs."""
    for one in planner.irf_sets:
        own = one.create_irf == planner.production.mcp["create_irf"]
        prefix, parameters = ("", {}) if own else (f"{one.name}/", {"mcp": {"create_irf": one.create_irf}})
        for node in planner.nodes:
            output = one.folder / f"irf_{node}_{_cut_suffix(one.create_irf)}.fits.gz"
            planner.add(stage, f"{prefix}{node}", [product(planner.tree.dl2(node))], [output], parameters)


def _all_forests(planner: MonteCarloPlanner) -> list[Input]:
    if planner.given:
        return [Input(str(one.path), None, one.size_bytes, one.modified_ns, "forest") for one in planner.given]
    return [
        Input(str(path), str(outputs[0]), role="forest")
        for kind in _FORESTS
        for outputs in [_forests(planner, kind)]
        for path in outputs
    ]


def _forests(planner: MonteCarloPlanner, kind: str) -> list[Path]:
    folder = planner.tree.forests_folder
    return [folder / f"{_FORESTS[kind]}_{combination}.joblib" for combination in COMBINATIONS]


def _cut_suffix(irf: dict[str, Any]) -> str:
    """Return the part of an IRF file's name that tells event type and cuts, as create_irf of MCP 0.6.2 writes it."""
    gammaness, theta = irf["gammaness"], irf["theta"]
    return f"{irf['event_type']}_gh_{_cut(gammaness, '')}_theta_{_cut(theta, 'deg')}"


def _cut(cut: dict[str, Any], unit: str) -> str:
    match cut["cut_type"]:
        case "global":
            return f"glob{in_deg(cut['global_cut_value'])}{unit}"
        case "dynamic":
            return f"dyn{cut['efficiency']}"
        case _:
            return "custom"
