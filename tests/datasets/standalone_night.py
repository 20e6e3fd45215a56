"""A simulated night with files of the standalone analyses, and its stereo events as the pipeline finds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from stereo_tasks.nights import Night
from stereo_tasks.simulate import NightSpec, RunSpec, SourceSpec, SpectrumSpec, StandaloneSpec, simulate_night

NIGHT = Night("2024-01-10")
LST_RUN, MAGIC_RUN = 16270, 5_114_600
OTHER_LST_RUN, OTHER_MAGIC_RUN = LST_RUN + 1, MAGIC_RUN + 1

SPEC = NightSpec(
    night=str(NIGHT),
    seed=3,
    sources=(
        SourceSpec(
            name="CrabNebula",
            ra_deg=83.633212,
            dec_deg=22.01446,
            spectrum=SpectrumSpec(amplitude_per_tev_cm2_s=1e-8),
            runs=(RunSpec(zenith_deg=22.0, subruns=2, subrun_seconds=2.0),),
        ),
        SourceSpec(
            name="1A0535+262",
            ra_deg=84.727399,
            dec_deg=26.315806,
            spectrum=None,
            runs=(RunSpec(zenith_deg=18.0, subruns=1, subrun_seconds=1.0),),
        ),
    ),
    magic_rate_hz=40.0,
    # As many as lstchain's effective time needs; really there are twice as many and more.
    lst_rate_hz=2500.0,
    proton_library=80,
    first_lst_run=LST_RUN,
    first_magic_run=MAGIC_RUN,
    standalone=StandaloneSpec(),
)


@dataclass(frozen=True)
class StandaloneNight:
    """Files and stereo events of the night."""

    out: Path
    images: pd.DataFrame
    """The images of the stereo events, by (obs_id, event_id, tel_id)."""

    @property
    def lst_dl2(self) -> Path:
        return self.out / "LST" / "DL2"

    @property
    def melibea(self) -> Path:
        return self.out / "MAGIC" / "ST" / "event" / "Melibea"

    @property
    def dl2_files(self) -> list[Path]:
        return sorted(self.lst_dl2.rglob("dl2_*.h5"))

    @property
    def melibea_files(self) -> list[Path]:
        return sorted(self.melibea.rglob("*_Q_*.root"))

    def events(self, magic_run: int = MAGIC_RUN, telescopes: tuple[int, ...] = ()) -> pd.DataFrame:
        """The stereo events of a run that these telescopes saw, each once."""
        images = self.images[self.images["obs_id_magic"] == magic_run]
        seen = images.groupby(["obs_id", "event_id"])["tel_id"].agg(set)
        events = images.groupby(["obs_id", "event_id"])[["obs_id_magic", "event_id_magic"]].first()
        return events[seen.map(lambda telescopes_: set(telescopes) <= telescopes_)]

    def image(self, tel_id: int) -> pd.DataFrame:
        """The images of a telescope, by event."""
        return self.images[self.images["tel_id"] == tel_id].set_index(["obs_id", "event_id"])

    def truth(self, array: str, lst_run: int) -> pd.DataFrame:
        """What the events of LST-1 (``lst``) or MAGIC (``magic``) really are, by their own ids."""
        table = pd.read_hdf(self.out / "truth" / f"standalone_Run{lst_run:05d}.h5", array)
        return table.set_index(["obs_id", "event_id"])


def standalone_night(folder: Path) -> StandaloneNight:
    """Simulate the night, and go with the kernels as far as its stereo events."""
    from stereo_tasks.kernels.calibrate import magic_calib_to_dl1
    from stereo_tasks.kernels.coincide import event_coincidence
    from stereo_tasks.kernels.merge import merge_hdf_files

    config = yaml.safe_load((Path(__file__).parents[2] / "config" / "mcp.yaml").read_text())
    out, dl1, merged, stereo = (folder / name for name in ("data", "dl1", "merged", "stereo"))
    for made in (dl1, merged, stereo):
        made.mkdir()
    simulate_night(SPEC, out)
    for path in sorted(out.glob("MAGIC/M*/**/*_Y_*.root")):
        magic_calib_to_dl1(input_file=str(path), output_dir=str(dl1), config=config, max_events=None)
    merge_hdf_files(str(dl1), str(merged), run_wise=True)
    for path in sorted(out.glob("LST/DL1/**/*.h5")):
        event_coincidence(str(path), str(merged), str(stereo), config=config)
    images = pd.concat([pd.read_hdf(path, "events/parameters") for path in sorted(stereo.glob("*.h5"))])
    return StandaloneNight(out, images)
