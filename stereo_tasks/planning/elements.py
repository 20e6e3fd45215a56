"""Making elements: with the limits and the expected time that their stage declares and the site overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stereo_tasks.inventory import LstSubrun, MagicSubrun
from stereo_tasks.planning.plan import Element, Input
from stereo_tasks.settings import Settings
from stereo_tasks.stages import Cost, EngineChoice, Stage

_GB = 1e9


class Planner:
    """Collects the elements of one plan, in the order of the stages; what the stages' functions for elements are given.

    Parameters
    ----------
    settings : Settings
        Configuration of the site.
    engines : mapping of str to EngineChoice
        Who makes the products of each stage.
    """

    def __init__(self, settings: Settings, engines: Mapping[str, EngineChoice]) -> None:
        self.settings = settings
        self.engines = engines
        self._made: list[Element] = []
        self._size_bytes: dict[str, int] = {}

    @property
    def elements(self) -> tuple[Element, ...]:
        """All elements so far."""
        return tuple(self._made)

    def of_stage(self, stage: Stage | str) -> list[Element]:
        """Return the elements of an earlier stage."""
        return [element for element in self._made if element.stage.name == str(stage)]

    def add(
        self,
        stage: Stage,
        name: str,
        inputs: Sequence[Input],
        outputs: Sequence[Path],
        parameters: Mapping[str, Any] | None = None,
        cost: Cost | None = None,
    ) -> Element:
        """Add an element of a stage.

        Parameters
        ----------
        stage : Stage
            Of which stage.
        name : str
            What it is made of, such as ``01622.0001``; empty where a stage has one element.
        inputs : sequence of Input
            What it reads, from `raw` and `product`.
        outputs : sequence of pathlib.Path
            Its products; the record lies beside the first.
        parameters : mapping, optional
            What the step needs beyond its inputs.
        cost : Cost, optional
            What it is expected to need; that of its stage if not given.
        """
        if cost is None:
            cost = self.settings.cost(stage, self.engines[stage.name].engine)
        # Models and drive reports of neighbours are not what an element works through.
        size_bytes = sum(self._size_of(item) for item in inputs if item.role not in stage.side_inputs)
        element = Element(
            id=f"{stage.name}/{name}" if name else stage.name,
            stage=stage,
            inputs=tuple(inputs),
            outputs=tuple(str(path) for path in outputs),
            parameters=dict(parameters or {}),
            size_bytes=size_bytes,
            memory_mb=cost.memory_mb,
            time_s=self.time_s(cost, size_bytes),
        )
        self._made.append(element)
        self._size_bytes[element.outputs[0]] = size_bytes
        return element

    @staticmethod
    def time_s(cost: Cost, size_bytes: int) -> float:
        """Return the time that an element is expected to need, in s."""
        return round(cost.element_s + cost.s_per_gb * size_bytes / _GB, 1)

    def _size_of(self, item: Input) -> int:
        return item.size_bytes or 0 if item.producer is None else self._size_bytes.get(item.producer, 0)


def raw(file: MagicSubrun | LstSubrun, role: str) -> Input:
    """Return a raw file as an input."""
    return Input(str(file.path), None, file.size_bytes, file.modified_ns, role)


def product(path: Path | str, role: str = "") -> Input:
    """Return a product of an earlier stage as an input; `path` is the first output of its element."""
    return Input(str(path), producer=str(path), role=role)
