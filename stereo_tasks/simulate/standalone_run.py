"""Collects what the standalone analyses need of a run, subrun by subrun, and writes their files with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stereo_tasks.nights import Night
from stereo_tasks.simulate.atomic import atomic
from stereo_tasks.simulate.lst_dl2 import lst_dl2_path, write_lst_dl2
from stereo_tasks.simulate.lst_files import LstSubrun
from stereo_tasks.simulate.magic_files import MagicSubrun
from stereo_tasks.simulate.melibea_files import Columns, melibea_events, melibea_path, write_melibea
from stereo_tasks.simulate.spec import LST_DEAD_TIME_US, NightSpec, RunSpec
from stereo_tasks.simulate.standalone import Truth
from stereo_tasks.simulate.streams import stream
from stereo_tasks.simulate.subruns import CLOCK_MARGIN_NS


class StandaloneRun:
    """The standalone files of one run.

    Parameters
    ----------
    spec : NightSpec
        The night, whose `standalone` is given.
    run : RunSpec
        The run.
    index : int
        Its position in the spec.
    source : str
        Name of its source.
    """

    def __init__(self, spec: NightSpec, run: RunSpec, index: int, source: str) -> None:
        self._spec, self._run, self._index, self._source = spec, run, index, source
        self._lst: list[LstSubrun] = []
        self._melibea: list[Columns] = []
        self._magic_truth: list[Truth] = []
        self._magic_run = 0

    def add(self, lst: LstSubrun, magic: tuple[MagicSubrun, MagicSubrun], truth: Truth, first_event: int) -> None:
        """Take what the telescopes recorded in a subrun, and what MAGIC's events, from `first_event` on, really are."""
        assert self._spec.standalone is not None  # noqa: S101 - by construction
        truth = truth | {"event_id": np.arange(first_event, first_event + len(truth["true_energy"]))}
        rng = stream(self._spec.seed, "melibea", self._spec.night, self._index, lst.subrun)
        events = melibea_events(magic, truth, self._spec.standalone.failed_fraction, rng)
        rows = np.isin(truth["event_id"], events["MRawEvtHeader_1.fStereoEvtNumber"])
        self._lst.append(lst)
        self._melibea.append(events)
        self._magic_truth.append({name: values[rows] for name, values in truth.items()})
        self._magic_run = magic[0].run

    def write(self, out: Path) -> tuple[list[Path], dict[str, Any]]:
        """Write the files; return their paths and what they should give.

        Returns
        -------
        files : list of pathlib.Path
            LST-1's DL2, melibea, and the truth of their events.
        numbers : dict
            ``lst_effective_time_s``: the length of the run without stalls and dead time; ``melibea_events`` and how
            many of them have an energy.
        """
        spec, night, lst_run = self._spec, Night(self._spec.night), self._lst[0].run
        dl2 = lst_dl2_path(out, night, spec.lstchain_version, spec.tailcut, lst_run)
        write_lst_dl2(dl2, self._lst, stream(spec.seed, "lst_dl2", spec.night, self._index))
        wobble = self._run.wobble_offset_deg, self._run.wobble_angle_deg
        melibea = melibea_path(out, night, self._magic_run, self._source, wobble)
        write_melibea(melibea, self._melibea)
        truth = out / "truth" / f"standalone_Run{lst_run:05d}.h5"
        self._write_truth(truth)
        energy = np.concatenate([part["MEnergyEst.fEnergy"] for part in self._melibea])
        numbers = {
            "lst_effective_time_s": self._effective_time_s(),
            "melibea_events": len(energy),
            "melibea_events_with_energy": int((energy > 0).sum()),
        }
        return [dl2, melibea, truth], numbers

    def _effective_time_s(self) -> float:
        stalls = [f for f in self._spec.faults if f.run == self._index and f.stops("LST")]
        triggers = sum(len(subrun.time_ns) for subrun in self._lst)
        dead_s = 1e-6 * LST_DEAD_TIME_US + 1e-9 * CLOCK_MARGIN_NS
        return self._run.seconds - sum(stall.duration_s for stall in stalls) - triggers * dead_s

    def _write_truth(self, path: Path) -> None:
        import pandas as pd

        lst = pd.concat([_lst_truth(subrun) for subrun in self._lst], ignore_index=True)
        magic = pd.concat([pd.DataFrame(part) for part in self._magic_truth], ignore_index=True)
        magic.insert(0, "obs_id", self._magic_run)
        with atomic(path) as temporary:
            temporary.unlink()
            for key, table in (("lst", lst), ("magic", magic)):
                table.to_hdf(temporary, key=key, format="table")


def _lst_truth(subrun: LstSubrun) -> Any:
    import pandas as pd

    columns = {name: values for name, values in subrun.parameters.items() if name.startswith("true_")}
    number = subrun.first_event + np.arange(len(subrun.time_ns))
    table = pd.DataFrame({"obs_id": subrun.run, "event_id": number, **columns})
    return table[np.isfinite(table["true_energy"])]
