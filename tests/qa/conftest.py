"""Synthetic point-like DL3 in magic-cta-pipe's layout, drawn from a known spectrum; synthetic plans and records."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

# The page is made in the science environment; elsewhere there is nothing to test here.
collect_ignore_glob = [] if importlib.util.find_spec("gammapy") else ["test_*.py"]

SOURCE = "CrabNebula"
RA_DEG, DEC_DEG = 83.6331, 22.0145
FLUX, INDEX, REFERENCE_TEV = 2.2e-10, 2.5, 0.5  # 1 / (TeV cm2 s)
DEADC = 0.952


@dataclass(frozen=True)
class Sky:
    """What is injected."""

    flux: float = FLUX
    index: float = INDEX
    background_hz: float = 0.6
    """Background events in the whole field of view."""
    wobble_offset_deg: float = 0.4
    name: str = SOURCE


def _cut_deg(energy_tev, dynamic: bool):
    import numpy as np

    return np.interp(np.log10(energy_tev), [-1.0, 0.5], [0.2, 0.12]) if dynamic else np.full_like(energy_tev, 0.2)


def write_dl3(
    folder: Path, run: int, position_angle_deg: float, *, sky: Sky, dynamic: bool, seconds: float, seed: int
) -> None:
    """Write one DL3 file with HDUs made by magic-cta-pipe's and pyirf's own functions."""
    import numpy as np
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from astropy.io import fits
    from astropy.table import QTable
    from magicctapipe.io import create_event_hdu, create_gh_cuts_hdu, create_gti_hdu, create_pointing_hdu
    from pyirf.io import create_aeff2d_hdu, create_energy_dispersion_hdu, create_rad_max_hdu

    rng = np.random.default_rng(seed)
    edges = np.geomspace(0.03, 30, 31)  # true and reconstructed energy, TeV
    centers = np.sqrt(edges[1:] * edges[:-1])
    migration = np.geomspace(0.2, 5, 61)
    mu = np.sqrt(migration[1:] * migration[:-1])
    psf_deg = 0.06

    # Responses: area before the theta cut, containment by the cut at the reconstructed energy, 15 % energy resolution.
    def containment(energy_tev):
        return 1 - np.exp(-(_cut_deg(energy_tev, dynamic) ** 2) / (2 * psf_deg**2))

    def area_m2(energy_tev):
        return 1.5e5 / (1 + (energy_tev / 0.12) ** -3)

    weight = np.exp(-0.5 * (np.log(mu) / 0.15) ** 2) * np.diff(np.log(migration))
    weight /= weight.sum()
    kept = weight * containment(centers[:, np.newaxis] * mu)
    area = area_m2(centers) * kept.sum(axis=1)
    area[:2] = area[28:] = 0  # where nothing was simulated
    dispersion = kept / kept.sum(axis=1, keepdims=True) / np.diff(migration)
    offset_bins = [0.3, 0.5] * u.deg

    # Events.
    livetime = seconds * DEADC
    fine = np.geomspace(edges[2], edges[28], 3001)
    middle = np.sqrt(fine[1:] * fine[:-1])
    expected = sky.flux * (middle / REFERENCE_TEV) ** -sky.index * area_m2(middle) * 1e4 * livetime * np.diff(fine)
    n_gamma, n_background = rng.poisson(expected.sum()), rng.poisson(sky.background_hz * seconds)
    true_energy = rng.choice(middle, n_gamma, p=expected / expected.sum())
    source = SkyCoord(RA_DEG, DEC_DEG, unit="deg")
    pointing = source.directional_offset_by(position_angle_deg * u.deg, sky.wobble_offset_deg * u.deg)
    gamma = source.directional_offset_by(rng.uniform(0, 360, n_gamma) * u.deg, rng.rayleigh(psf_deg, n_gamma) * u.deg)
    radius = 1.2 * np.sqrt(rng.uniform(size=n_background))
    hadron = pointing.directional_offset_by(rng.uniform(0, 360, n_background) * u.deg, radius * u.deg)
    energy = np.concatenate(
        [true_energy * rng.lognormal(0, 0.15, n_gamma), 0.06 * rng.uniform(size=n_background) ** (-1 / 1.7)]
    )
    n = n_gamma + n_background
    order = rng.permutation(n)
    events = QTable(
        {
            "obs_id": np.full(n, run),
            "event_id": np.arange(n),
            "timestamp": 1.7051e9 * u.s + np.linspace(0, seconds, n) * u.s,
            "reco_ra": np.concatenate([gamma.ra.deg, hadron.ra.deg])[order] * u.deg,
            "reco_dec": np.concatenate([gamma.dec.deg, hadron.dec.deg])[order] * u.deg,
            "reco_energy": energy[order] * u.TeV,
            "gammaness": rng.uniform(0.8, 1, n),
            "multiplicity": np.full(n, 3),
            "combo_type": np.full(n, 1),
            "reco_alt": np.full(n, 66.0) * u.deg,
            "reco_az": np.full(n, 100.0) * u.deg,
            "pointing_ra": np.full(n, pointing.ra.deg) * u.deg,
            "pointing_dec": np.full(n, pointing.dec.deg) * u.deg,
            "pointing_alt": np.full(n, 66.0) * u.deg,
            "pointing_az": np.full(n, 100.0) * u.deg,
        }
    )
    extra = {} if dynamic else {"RAD_MAX": (0.2, "deg")}
    with pytest.MonkeyPatch.context() as patch:  # magic-cta-pipe asks a name server first
        patch.setattr(SkyCoord, "from_name", classmethod(lambda *_, **__: 1 / 0))
        event_hdu = create_event_hdu(
            events, seconds * u.s, DEADC, sky.name, source_ra=f"{RA_DEG} deg", source_dec=f"{DEC_DEG} deg"
        )
    hdus = [
        fits.PrimaryHDU(),
        event_hdu,
        create_gti_hdu(events),
        create_pointing_hdu(events),
        create_aeff2d_hdu(
            area[:, np.newaxis] * u.m**2, edges * u.TeV, offset_bins, point_like=True, extname="EFFECTIVE AREA", **extra
        ),
        create_energy_dispersion_hdu(
            dispersion[..., np.newaxis],
            edges * u.TeV,
            migration,
            offset_bins,
            point_like=True,
            extname="ENERGY DISPERSION",
        ),
        create_gh_cuts_hdu(np.full((30, 1), 0.8), edges * u.TeV, offset_bins),
    ]
    if dynamic:
        table = _cut_deg(centers, dynamic)[:, np.newaxis] * u.deg
        hdus.append(create_rad_max_hdu(table, edges * u.TeV, offset_bins, point_like=True, extname="RAD_MAX"))
    fits.HDUList(hdus).writeto(folder / f"dl3_LST-1_MAGIC.Run{run:05d}.fits.gz")


def write_night(folder: Path, *, sky: Sky, dynamic: bool, runs: int, seconds: float, seed: int) -> Path:
    """Write a folder of DL3 files with the index of magic-cta-pipe."""
    from magicctapipe.scripts.lst1_magic.create_dl3_index_files import create_dl3_index_files

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(runs):
        angle = (35 + 180 * number) % 360
        write_dl3(folder, 1622 + number, angle, sky=sky, dynamic=dynamic, seconds=seconds, seed=seed + number)
    create_dl3_index_files(str(folder))
    return folder


@pytest.fixture(scope="session")
def make_night(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a folder of DL3 files; keywords of `Sky` change what is injected."""

    def make(*, dynamic: bool = False, runs: int = 2, seconds: float = 900.0, seed: int = 1, **sky: Any) -> Path:
        folder = tmp_path_factory.mktemp("dl3")
        return write_night(folder, sky=replace(Sky(), **sky), dynamic=dynamic, runs=runs, seconds=seconds, seed=seed)

    return make


@pytest.fixture(scope="session")
def crab_fixed(make_night: Callable[..., Path]) -> Path:
    """Two runs of the Crab, one theta cut for all energies."""
    return make_night(dynamic=False, seed=11)


@pytest.fixture(scope="session")
def crab_dynamic(make_night: Callable[..., Path]) -> Path:
    """Two runs of the Crab, a theta cut that depends on energy."""
    return make_night(dynamic=True, seed=21)


@pytest.fixture(scope="session")
def raw_qa_settings() -> dict[str, Any]:
    """Return the base configuration as it is in `config/qa.yaml`."""
    return yaml.safe_load((Path(__file__).parents[2] / "config" / "qa.yaml").read_text())


@pytest.fixture(scope="session")
def qa_settings(raw_qa_settings: dict[str, Any]) -> Any:
    """Return the base configuration as a model."""
    from stereo_tasks.settings.qa import QaSettings

    return QaSettings.model_validate(raw_qa_settings)


@dataclass
class FakeNight:
    """A plan with all its elements, and records to change."""

    plan: Any
    records: dict[str, Any]

    def set(
        self, element: str, state: str = "done", reason: str = "", lost: tuple[str, ...] = (), **counts: float
    ) -> None:
        """Give an element another state or other counts."""
        from stereo_tasks.stages import State

        old = self.records[element]
        self.records[element] = replace(
            old, state=State(state), reason=reason, lost=lost or old.lost, counts={**old.counts, **counts}
        )


@pytest.fixture
def fake_night(tmp_path: Path, qa_settings: Any) -> FakeNight:
    """Two runs of three subruns, everything done."""
    from stereo_tasks.planning.plan import Choice, Element, Notice, Plan, Run
    from stereo_tasks.products.record import FileMark, Record
    from stereo_tasks.stages import Stage, State
    from stereo_tasks.stages.night import CALIBRATE, COINCIDE, DL2, DL3, INDEX, MERGE, MERGE_STEREO, QA, STEREO

    elements, counts = [], {}

    def add(name: str, stage: Stage, **numbers: float) -> None:
        elements.append(Element(name, stage, (), (str(tmp_path / "products" / f"{name}.h5"),)))
        counts[name] = numbers

    magic_runs, lst_runs = (5093711, 5093712), (1622, 1623)
    for tel in ("M1", "M2"):
        for run in magic_runs:
            for subrun in (1, 2, 3):
                add(f"calibrate/{tel}/{run:08d}.{subrun:03d}", CALIBRATE, events_in=9000, events_out=4200)
            add(f"merge/{tel}/{run:08d}", MERGE, events_out=12600, subruns_used=3, subruns_expected=3)
    for number, run in enumerate(lst_runs):
        for subrun in range(3):
            zenith = 20 + 3 * number + subrun
            add(
                f"coincide/{run:05d}.{subrun:04d}", COINCIDE, events_in=53000, events_out=2700,
                time_offset_us=-3.2 + 0.05 * subrun, n_coincidence=2700, pointing_separation_deg=0.01,
                zenith_deg=zenith,
            )  # fmt: skip
            add(f"stereo/{run:05d}.{subrun:04d}", STEREO, events_in=2700, events_out=2500)
        add(f"merge_stereo/{run:05d}", MERGE_STEREO, events_out=7500, subruns_used=3, subruns_expected=3)
        add(f"dl2/{run:05d}", DL2, events_in=7500, events_out=7450, zenith_mean_deg=21 + 3 * number)
        add(
            f"dl3/{run:05d}", DL3, events_in=7450, events_out=1500, on_time_s=900, live_time_s=900 * DEADC,
            zenith_deg=21 + 3 * number, deadc=DEADC,
        )  # fmt: skip
    add("index", INDEX)
    add("qa", QA)
    plan = Plan(
        production="mcp062",
        name=f"20240110/{SOURCE}",
        source=SOURCE,
        night="2024-01-10",
        root=str(tmp_path / "products"),
        choices=(
            Choice("period", "ST0320A", "MAGIC date 2024-01-11 lies in 2023-03-10 to 2024-05-18"),
            Choice("NSB level", "1.5", "the production's"),
            Choice("time offset", "-3.2 us", "known from 2023-12-01 on"),
        ),
        notices=(Notice("MAGIC M2 05093712.004", "subrun missing in the sequence"),),
        blockers=(),
        runs=tuple(Run(lst, (magic,), 3, 3) for lst, magic in zip(lst_runs, magic_runs, strict=True)),
        elements=tuple(elements),
        config={},
        settings={
            "source_ra_deg": RA_DEG,
            "source_dec_deg": DEC_DEG,
            "completeness_min": 0.6,
            "time_offset_us": -3.2,
            "qa": qa_settings.model_dump(mode="json"),
        },
        versions={"magic-cta-pipe": "0.6.2", "ctapipe": "0.25.1", "lstchain": "0.12.3"},
    )
    records = {
        element.id: Record(
            element=element.id,
            stage=element.stage,
            state=State.DONE,
            reason="",
            fingerprint="f" * 64,
            plan=str(plan.path),
            outputs=(FileMark(element.outputs[0], 12345, 1, "ab" * 32),),
            counts=counts[element.id],
            versions={**plan.versions, "stereo-nights": "0.1.0"},
            cpu_s=61.5,
            peak_memory_mb=812.4,
        )
        for element in elements
        if element.id != "qa"
    }
    return FakeNight(plan, records)
