"""Files of stereo parameters with drawn values, and forests trained by magic-cta-pipe's own classes."""

import functools

import numpy as np
import pandas as pd
import tables
from magicctapipe.reco import DispRegressor, EnergyRegressor, EventClassifier

COMBINATIONS = {"LST1_M1": (1, 2), "LST1_M1_M2": (1, 2, 3), "LST1_M2": (1, 3), "M1_M2": (2, 3)}
ALL = tuple(COMBINATIONS.values())
FEATURES = ["intensity", "length", "width", "skewness", "slope", "h_max", "impact", "pointing_alt", "pointing_az"]
SETTINGS = {"n_estimators": 7, "min_samples_leaf": 2, "n_jobs": 1, "random_state": 1}


def draw(seed, n_events, combinations=ALL, *, simulated=False):
    """Return columns of images of events with drawn combinations of telescopes."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(combinations), size=n_events)
    tel_id = np.concatenate([combinations[i] for i in chosen]).astype(np.int64)
    event = np.repeat(np.arange(n_events), [len(combinations[i]) for i in chosen])
    n = len(tel_id)
    frame = pd.DataFrame(
        {
            "obs_id": np.full(n, 1622),
            "event_id": 1000 + 3 * event,
            "tel_id": tel_id,
            "pointing_alt": rng.normal(1.2, 1e-4, n),
            "pointing_az": rng.uniform(0, 2 * np.pi, n_events)[event],
            "n_pixels": rng.integers(4, 90, n),
            "event_id_lst": np.where(tel_id == 1, 1000.0 + event, np.nan),
            "intensity": 10 ** rng.normal(2.3, 0.4, n),
            "length": rng.uniform(0.1, 0.4, n),
            "width": rng.uniform(0.05, 0.1, n),
            "skewness": rng.normal(0, 0.5, n),
            "slope": rng.normal(0, 5, n),
            "x": rng.normal(0, 0.4, n),
            "y": rng.normal(0, 0.4, n),
            "psi": rng.uniform(-90, 90, n),
            "h_max": rng.normal(9000, 1500, n_events)[event],
            "impact": rng.uniform(10, 300, n),
            "multiplicity": np.int64(0),
        }
    )
    if simulated:
        frame["true_energy"] = 10 ** rng.uniform(-1, 1, n_events)[event]
        frame["true_disp"] = rng.uniform(0.1, 1.2, n)
        frame["magic_stereo"] = rng.random(n) < 0.9
    else:
        frame["timestamp"] = 1.7e9 + np.cumsum(rng.exponential(0.003, n_events))[event]
        frame["time_diff"] = rng.exponential(0.003, n)
    return frame


@functools.cache
def subarray():
    """Return the three telescopes."""
    from stereo_tasks.simulate.cameras import joint_subarray

    return joint_subarray()


def write(path, frame):
    """Write a file of stereo parameters."""
    with tables.open_file(str(path), "w") as file:
        file.create_table("/events", "parameters", obj=frame.to_records(index=False), createparents=True)
        if "true_energy" in frame:
            config = np.array([(1, 0.1, True, 2.5)], [("run", "i8"), ("emin", "f8"), ("diffuse", "?"), ("f", "f4")])
            file.create_table("/simulation", "config", obj=config, createparents=True)
    subarray().to_hdf(path)
    return path


def train(folder, *, combinations=tuple(COMBINATIONS), features=FEATURES, suffix="", settings=None, seed=0):
    """Train one forest of each kind for each telescope of each combination, and save them as joblib files."""
    folder.mkdir(exist_ok=True, parents=True)
    for name in combinations:
        frame = draw(seed + 7, 90, (COMBINATIONS[name],), simulated=True)
        frame["true_event_class"] = np.random.default_rng(seed).integers(0, 2, len(frame))
        for kind, model in (
            ("energy_regressors", EnergyRegressor),
            ("disp_regressors", DispRegressor),
            ("event_classifiers", EventClassifier),
        ):
            estimator = model(SETTINGS | (settings or {}), features, suffix == "_unsigned")
            estimator.fit(frame)
            estimator.save(folder / f"{kind}_{name}{suffix}.joblib")
    return folder
