"""Dead times, dealing from the library and the number of gammas."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stereo_tasks.simulate.primaries import Pointing
from stereo_tasks.simulate.spec import SpectrumSpec
from stereo_tasks.simulate.subruns import Deck, alive, throw_gammas


def non_paralysable(times, dead_ns):
    last, kept = None, []
    for time in sorted(times):
        if last is None or time - last >= dead_ns:
            kept.append(time)
            last = time
    return kept


@given(times=st.lists(st.integers(0, 300_000), unique=True), dead_us=st.sampled_from([8.0, 26.0]))
@settings(max_examples=200, deadline=None)
def test_readout_is_dead_after_each_recorded_event(times, dead_us):
    array = np.array(times, dtype=np.int64)
    recorded = np.sort(array[alive(array, dead_us)])
    assert np.all(np.diff(recorded) >= dead_us * 1000)
    assert recorded.tolist() == non_paralysable(times, dead_us * 1000)


def test_every_event_is_dealt_once_before_any_repeats():
    deck = Deck(np.arange(10, 20), np.random.default_rng(1))
    first = np.concatenate([deck.deal(4), deck.deal(6)])
    assert sorted(first) == list(range(10, 20))
    assert len(deck.deal(25)) == 25


def test_number_of_gammas_is_flux_times_area_times_time():
    spectrum = SpectrumSpec(amplitude_per_tev_cm2_s=1e-9)
    pointing = Pointing(np.deg2rad(70), 0.0)
    thrown = [
        throw_gammas(spectrum, 2.0, 200.0, (0.007, 0.0), pointing, np.random.default_rng(i)).showers.thrown
        for i in range(20)
    ]
    expected = spectrum.integral_per_cm2_s() * np.pi * 200e2**2 * 2.0
    assert abs(np.mean(thrown) - expected) < 4 * np.sqrt(expected / 20)
    assert len(set(thrown)) > 1
    assert throw_gammas(None, 2.0, 200.0, (0.0, 0.0), pointing, np.random.default_rng(1)).showers.thrown == 0


def test_integral_of_the_spectrum():
    spectrum = SpectrumSpec(amplitude_per_tev_cm2_s=2e-9, index=2.0, reference_tev=1.0)
    assert np.isclose(spectrum.integral_per_cm2_s(), 2e-9 * (1 / 0.1 - 1 / 20))
    energy = np.geomspace(0.1, 20, 20_001)
    flat = SpectrumSpec(amplitude_per_tev_cm2_s=1e-9, index=1.0)
    assert np.isclose(flat.integral_per_cm2_s(), np.trapezoid(1e-9 * (energy / 0.5) ** -1, energy), rtol=1e-5)
