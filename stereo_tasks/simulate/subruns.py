"""The events of one subrun: which showers come when, and which of them each readout records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stereo_tasks.simulate.library import Library, join_libraries, with_lst_parameters
from stereo_tasks.simulate.lst_files import COSMIC_EVENT, FLATFIELD_EVENT, PEDESTAL_EVENT, flatfield_parameters
from stereo_tasks.simulate.primaries import Pointing, Primaries, draw_cores, draw_energies
from stereo_tasks.simulate.showers import Images, ShowerModel, Showers, simulate
from stereo_tasks.simulate.spec import LST_DEAD_TIME_US, MAGIC_DEAD_TIME_US, NightSpec, SpectrumSpec

Times = NDArray[np.int64]

EDGE_NS = 100_000
"""No event this close to the ends of a subrun, so that dead times need not look across them."""

CLOCK_MARGIN_NS = 500
"""LST-1 times are kept to 0.24 us only; events must stay apart after this rounding, too."""


class Deck:
    """Deals events of a library in random order, every one once before any comes again.

    Parameters
    ----------
    events : numpy.ndarray
        Indices of the events in the library.
    rng : numpy.random.Generator
        Shuffles.
    """

    def __init__(self, events: NDArray[np.int64], rng: np.random.Generator) -> None:
        self._events, self._rng = events, rng
        self._left = np.zeros(0, dtype=np.int64)

    def deal(self, n: int) -> NDArray[np.int64]:
        """Return the next n events."""
        while len(self._left) < n:
            self._left = np.concatenate([self._left, self._rng.permutation(self._events)])
        dealt, self._left = self._left[:n], self._left[n:]
        return dealt


class Decks(NamedTuple):
    """The background of a run: a library with its MAGIC-triggered events and those that only LST-1 sees."""

    library: Library
    stereo: Deck
    alone: Deck

    @classmethod
    def of(cls, library: Library, rng: np.random.Generator) -> Decks:
        """Return the decks of a library."""
        both = library.showers.magic_stereo
        return cls(library, Deck(np.flatnonzero(both), rng), Deck(np.flatnonzero(~both), rng))


@dataclass(frozen=True)
class SubrunEvents:
    """What both observatories recorded in a subrun, each in time order.

    Parameters
    ----------
    lst_ns, lst_type : numpy.ndarray
        Times and event types of LST-1's events.
    lst_parameters : dict of str to numpy.ndarray
        Image parameters of LST-1's events, NaN for interleaved ones and for images that did not survive; with them the
        truth, as of `true_values`.
    magic_ns : numpy.ndarray
        Shape (2, n): times of MAGIC's stereo events in M1 and M2.
    images : tuple of Images
        Their images in M1 and M2.
    magic_truth : dict of str to numpy.ndarray
        The truth of MAGIC's events, as of `true_values`.
    pedestal_ns : numpy.ndarray
        Times of MAGIC's pedestal events.
    counts : dict of str to int
        Truth: how many showers of each kind were thrown, seen, triggered and recorded.
    """

    lst_ns: Times
    lst_type: NDArray[np.int64]
    lst_parameters: dict[str, NDArray[np.float64]]
    magic_ns: Times
    images: tuple[Images, Images]
    magic_truth: dict[str, NDArray[np.float64]]
    pedestal_ns: Times
    counts: dict[str, int]


def throw_gammas(
    spectrum: SpectrumSpec | None,
    seconds: float,
    radius_m: float,
    source_offset_rad: tuple[float, float],
    pointing: Pointing,
    rng: np.random.Generator,
) -> Library:
    """Return the gammas of a point source that reach the array in some time and trigger a telescope.

    Parameters
    ----------
    spectrum : SpectrumSpec or None
        Injected spectrum; None gives no gammas.
    seconds : float
        Length of time.
    radius_m : float
        Cores fall in a circle of this radius in the plane perpendicular to the direction.
    source_offset_rad : tuple of float
        The source in the camera (lat, lon), in rad.
    pointing : Pointing
        Where the telescopes look.
    rng : numpy.random.Generator
        Source of all fluctuations; the number of gammas is Poisson distributed.
    """
    n = 0
    energy = np.zeros(0)
    if spectrum is not None:
        area_cm2 = np.pi * (100 * radius_m) ** 2
        n = int(rng.poisson(spectrum.integral_per_cm2_s() * area_cm2 * seconds))
        energy = draw_energies(n, spectrum.energy_min_tev, spectrum.energy_max_tev, -spectrum.index, rng)
    lat, lon = (np.full(n, offset) for offset in source_offset_rad)
    primaries = Primaries(energy, lat, lon, *draw_cores(n, radius_m, rng))
    return with_lst_parameters(simulate(ShowerModel(), "gamma", primaries, pointing, rng), rng)


def assemble(
    spec: NightSpec, gammas: Library, decks: Decks, start_s: float, seconds: float, rng: np.random.Generator
) -> SubrunEvents:
    """Mix gammas and background of one subrun, give them times, and let both readouts be dead after each event.

    Parameters
    ----------
    spec : NightSpec
        Rates, time offset and jitter.
    gammas : Library
        Triggered gammas of the subrun.
    decks : Decks
        Background of the run.
    start_s, seconds : float
        Unix time of the start and length, in s.
    rng : numpy.random.Generator
        Source of all fluctuations.
    """
    begin = round(start_s * 1e9)
    span = (begin + EDGE_NS, begin + int(seconds * 1e9) - EDGE_NS)
    hadrons = decks.library.take(decks.stereo.deal(max(int(rng.poisson(spec.magic_rate_hz * seconds)), 1)))
    joint = join_libraries([gammas, hadrons])
    joint_ns = rng.integers(*span, len(joint))
    is_gamma = np.arange(len(joint)) < len(gammas)
    truth = true_values(joint.showers, is_gamma)
    joint = Library(joint.showers, joint.lst | truth)
    lst_rows = np.flatnonzero(joint.showers.triggered[:, 0])
    magic_rows = np.flatnonzero(joint.showers.magic_stereo)

    alone_rate = max(spec.lst_rate_hz - spec.magic_rate_hz * float(hadrons.showers.triggered[:, 0].mean()), 0.0)
    alone = decks.alone.deal(int(rng.poisson(alone_rate * seconds)))
    alone_parameters = decks.library.lst | true_values(decks.library.showers, np.zeros(len(decks.library), dtype=bool))
    alone_parameters = {name: values[alone] for name, values in alone_parameters.items()}
    lst = _lst_events(spec, joint, lst_rows, joint_ns, alone_parameters, span, seconds, rng)

    pedestal_ns = rng.integers(*span, max(int(rng.poisson(spec.magic_pedestal_hz * seconds)), 1))
    both_ns = np.concatenate([joint_ns[magic_rows], pedestal_ns])
    live = alive(both_ns, MAGIC_DEAD_TIME_US)
    recorded, pedestal_ns = magic_rows[live[: len(magic_rows)]], pedestal_ns[live[len(magic_rows) :]]
    if not len(pedestal_ns):
        pedestal_ns = np.array([begin + EDGE_NS // 2], dtype=np.int64)
    recorded = recorded[np.argsort(joint_ns[recorded], kind="stable")]
    offset_ns = spec.time_offset_us * 1000
    jitter = rng.normal(offset_ns, spec.time_jitter_ns, (2, len(recorded)))
    magic_ns = joint_ns[recorded] + np.rint(jitter).astype(np.int64)
    images = (joint.showers.images[1].take(recorded), joint.showers.images[2].take(recorded))
    counts = _counts("gamma", joint.showers, is_gamma, recorded, gammas.showers.thrown)
    counts |= _counts("proton", joint.showers, ~is_gamma, recorded, None)
    counts["lst_events"] = int(np.count_nonzero(lst[1] == COSMIC_EVENT))
    counts["magic_events"] = len(recorded)
    magic_truth = {name: values[recorded] for name, values in truth.items()}
    return SubrunEvents(*lst, magic_ns, images, magic_truth, np.sort(pedestal_ns + int(offset_ns)), counts)


def true_values(showers: Showers, is_gamma: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Return what showers really are.

    Parameters
    ----------
    showers : Showers
        The n showers.
    is_gamma : numpy.ndarray
        Shape (n,): whether they are gammas of the source.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (n,) each: ``true_gamma`` (1 or 0), ``true_energy`` in TeV, ``true_lat`` and ``true_lon`` (offset from the
        pointing along altitude and azimuth) in rad, ``true_core_x`` (north) and ``true_core_y`` (west) in m.
    """
    return {
        "true_gamma": is_gamma.astype(np.float64),
        "true_energy": showers.energy_tev,
        "true_lat": showers.lat_rad,
        "true_lon": showers.lon_rad,
        "true_core_x": showers.core_x_m,
        "true_core_y": showers.core_y_m,
    }


def alive(time_ns: Times, dead_us: float) -> NDArray[np.bool_]:
    """Return which events a readout records that is dead for a while after each recorded one.

    Parameters
    ----------
    time_ns : numpy.ndarray
        Times in ns, in any order.
    dead_us : float
        Dead time in us.
    """
    order = np.argsort(time_ns, kind="stable")
    kept = order
    while True:
        late = np.concatenate([[False], np.diff(time_ns[kept]) < dead_us * 1000])
        if not late.any():
            break
        # An event after a lost one may be recorded again: only the first of a row of late ones is surely lost.
        kept = kept[~(late & ~np.concatenate([[False], late[:-1]]))]
    mask = np.zeros(len(time_ns), dtype=bool)
    mask[kept] = True
    return mask


def _lst_events(
    spec: NightSpec,
    joint: Library,
    joint_rows: NDArray[np.int64],
    joint_ns: Times,
    alone: dict[str, NDArray[np.float64]],
    span: tuple[int, int],
    seconds: float,
    rng: np.random.Generator,
) -> tuple[Times, NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    n_alone = len(alone["intensity"])
    n_flat, n_pedestal = rng.poisson(spec.lst_interleaved_hz * seconds, 2)
    time_ns = np.concatenate([joint_ns[joint_rows], rng.integers(*span, n_alone + n_flat + n_pedestal)])
    kinds = [(COSMIC_EVENT, len(joint_rows) + n_alone), (FLATFIELD_EVENT, n_flat), (PEDESTAL_EVENT, n_pedestal)]
    event_type = np.concatenate([np.full(n, kind, dtype=np.int64) for kind, n in kinds])
    flat = flatfield_parameters(int(n_flat), rng)
    parameters = {}
    for name, values in joint.lst.items():
        flat_values = flat.get(name, np.full(n_flat, np.nan))
        parameters[name] = np.concatenate([values[joint_rows], alone[name], flat_values, np.full(n_pedestal, np.nan)])
    live = np.flatnonzero(alive(time_ns, LST_DEAD_TIME_US + CLOCK_MARGIN_NS / 1000))
    live = live[np.argsort(time_ns[live], kind="stable")]
    return time_ns[live], event_type[live], {name: values[live] for name, values in parameters.items()}


def _counts(
    kind: str, showers: Showers, chosen: NDArray[np.bool_], recorded: NDArray[np.int64], thrown: int | None
) -> dict[str, int]:
    seen = showers.triggered[chosen]
    counts = {
        f"{kind}_seen_by_lst": int(seen[:, 0].sum()),
        f"{kind}_seen_by_m1": int(seen[:, 1].sum()),
        f"{kind}_seen_by_m2": int(seen[:, 2].sum()),
        f"{kind}_magic_stereo": int((seen[:, 1] & seen[:, 2]).sum()),
        f"{kind}_all_three": int(seen.all(axis=1).sum()),
        f"{kind}_recorded_by_magic": int(chosen[recorded].sum()),
    }
    return counts if thrown is None else {f"{kind}_thrown": thrown, **counts}
