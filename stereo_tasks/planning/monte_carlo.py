"""The plan of the Monte Carlo products of a period and declination line: stereo, forests, DL2, IRFs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stereo_tasks.planning.night import make_element
from stereo_tasks.planning.plan import Choice, Element, Hold, Input, Plan
from stereo_tasks.products.models import COMBINATIONS, ModelFile, pointing_of
from stereo_tasks.products.tree import MonteCarloTree
from stereo_tasks.settings import Settings
from stereo_tasks.settings.production import Production
from stereo_tasks.stages import Stage

SAMPLES = ("GammaTrain", "ProtonTrain", "GammaTest")
# Kind of forest -> how magic-cta-pipe names its files.
FORESTS = {"energy": "energy_regressors", "disp": "disp_regressors", "classifier": "event_classifiers"}


def plan_monte_carlo(
    tree: MonteCarloTree,
    samples: dict[str, tuple[ModelFile, ...]],
    settings: Settings,
    production: Production,
    versions: dict[str, str],
) -> Plan:
    """Plan forests and IRFs of one period, NSB level, version and declination line.

    Parameters
    ----------
    tree : MonteCarloTree
        Where everything lies.
    samples : dict of str to tuple of ModelFile
        The DL1 files of ``GammaTrain``, ``ProtonTrain`` and ``GammaTest`` that were found.
    settings, production, versions
        As for a night.
    """
    holds = [
        Hold(sample, f"no Monte Carlo DL1 (dl1_*.h5) in {tree.dl1_folder(sample)}")
        for sample in SAMPLES
        if not samples.get(sample)
    ]
    elements: list[Element] = []

    def add(stage: Stage, name: str, inputs: Sequence[Input], outputs: Sequence[Path], **parameters: Any) -> None:
        elements.append(make_element(settings.resources[stage], stage, name, inputs, outputs, parameters))

    stereo: dict[str, list[Input]] = defaultdict(list)
    nodes: dict[str, list[Input]] = defaultdict(list)
    for sample in SAMPLES:
        for file in samples.get(sample, ()):
            raw = Input(str(file.path), None, file.size_bytes, file.modified_ns)
            output = tree.stereo(sample, file.path.name)
            add(Stage.MC_STEREO, f"{sample}/{file.path.stem}", [raw], [output])
            product = Input(str(output), str(output), role=sample)
            stereo[sample].append(product)
            pointing = pointing_of(file.path.name)
            if sample == "GammaTest" and pointing:
                nodes[pointing[0]].append(product)
    if not holds:
        forest_inputs = []
        for kind, name in FORESTS.items():
            outputs = [tree.forests_folder / f"{name}_{combination}.joblib" for combination in COMBINATIONS]
            train = stereo["GammaTrain"] + (stereo["ProtonTrain"] if kind == "classifier" else [])
            add(Stage.MC_FORESTS, kind, train, outputs, kind=kind)
            forest_inputs += [Input(str(path), str(outputs[0]), role="forest") for path in outputs]
        for node, inputs in nodes.items():
            add(Stage.MC_DL2, node, [*inputs, *forest_inputs], [tree.dl2(node)])
        for node in nodes:
            dl2 = tree.dl2(node)
            output = tree.irf_folder / f"irf_{node}_{_cut_suffix(production)}.fits.gz"
            add(Stage.MC_IRF, node, [Input(str(dl2), str(dl2))], [output])
        if len(nodes) == 2:
            holds.append(Hold("IRFs", "two nodes of test gammas: magic-cta-pipe interpolates from 3 on, or takes 1"))
    return Plan(
        production=production.name,
        name=f"mc/{tree.key}",
        source="mc",
        night=None,
        root=str(tree.root),
        choices=(
            Choice("Monte Carlo", tree.key, "period, NSB level and version of the production, declination line"),
            Choice("forests", str(tree.forests_folder), "autoMCP's tree"),
            Choice("IRFs", str(tree.irf_folder), "autoMCP's tree"),
        ),
        notices=(),
        holds=tuple(holds),
        runs=(),
        elements=tuple(elements),
        config=json.loads(json.dumps(production.mcp)),
        settings={},
        versions=versions,
    )


def _cut_suffix(production: Production) -> str:
    """Return the part of an IRF file's name that tells event type and cuts, as create_irf of MCP 0.6.2 writes it."""
    irf = production.mcp["create_irf"]
    gammaness, theta = irf["gammaness"], irf["theta"]
    angle = str(theta["global_cut_value"]).replace(" ", "")
    gammaness_names = {"global": f"glob{gammaness['global_cut_value']}", "dynamic": f"dyn{gammaness['efficiency']}"}
    theta_names = {"global": f"glob{angle}", "dynamic": f"dyn{theta['efficiency']}"}
    return (
        f"{irf['event_type']}_gh_{gammaness_names.get(gammaness['cut_type'], 'custom')}"
        f"_theta_{theta_names.get(theta['cut_type'], 'custom')}"
    )
