"""Forests as deep as real ones: ``.venv-science/bin/python tests/benchmarks/deep_forests.py STEREO FORESTS EVENTS``.

The demo's Monte Carlo has too few events for them. Its images are drawn again and again, each time with some noise in
the features and in what is to be learned, until a tree has as many nodes as one that learned from so many images.
"""

import copy
import sys
from pathlib import Path

import numpy as np
import yaml
from magicctapipe.io import load_train_data_files
from magicctapipe.reco import DispRegressor, EnergyRegressor, EventClassifier

from stereo_tasks.kernels.forest_files import pack

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "mcp.yaml").read_text())
TREES_LEARNED = 25
"""Trees of a forest that learn; the others are copies of them, which cost as much to apply: learning takes minutes."""
FEATURE_NOISE, TARGET_NOISE = 0.03, 0.1


def drawn(images, count, features, rng):
    """Draw images of one telescope with some noise."""
    rows = images.iloc[rng.integers(len(images), size=count)].copy()
    changed = [name for name in features if name in rows and not name.startswith("pointing")]
    rows[changed] *= 1 + FEATURE_NOISE * rng.standard_normal((count, len(changed)))
    for target in ("true_energy", "true_disp"):
        rows[target] *= np.exp(TARGET_NOISE * rng.standard_normal(count))
    # A hadron that is taken for a gamma: where both look alike, trees go deep.
    if "true_event_class" in rows:
        rows["true_event_class"] ^= (rng.random(count) < TARGET_NOISE).astype(int)
    return rows


def learn(kind, key, images, path, count, rng):
    """Write the forests of one combination of telescopes, and pack them."""
    import pandas as pd

    settings, features = CONFIG[key]["settings"], CONFIG[key]["features"]
    forests = kind({**settings, "n_estimators": TREES_LEARNED}, features, False)
    images = images.dropna(subset=features)
    forests.fit(pd.concat([drawn(one, count, features, rng) for _, one in images.groupby("tel_id")]))
    for forest in forests.telescope_rfs.values():
        wanted = settings["n_estimators"]
        forest.estimators_ = [copy.deepcopy(forest.estimators_[i % TREES_LEARNED]) for i in range(wanted)]
        forest.n_estimators = wanted
    forests.settings = settings
    path.unlink(missing_ok=True)
    forests.save(str(path))
    pack(path)
    nodes = [tree.tree_.node_count for forest in forests.telescope_rfs.values() for tree in forest.estimators_]
    print(f"{path.name}: {np.mean(nodes):.0f} nodes a tree, {path.stat().st_size / 1e6:.0f} MB", flush=True)


def main() -> None:
    """Write all forests."""
    import pandas as pd

    stereo, folder, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    rng = np.random.default_rng(1)
    gammas = load_train_data_files(str(stereo / "GammaTrain"), true_event_class=0)
    protons = load_train_data_files(str(stereo / "ProtonTrain"), true_event_class=1)
    for combination, images in gammas.items():
        both = pd.concat([images, protons[combination]])
        for kind, key, name, sample in (
            (EnergyRegressor, "energy_regressor", "energy_regressors", images),
            (DispRegressor, "disp_regressor", "disp_regressors", images),
            (EventClassifier, "event_classifier", "event_classifiers", both),
        ):
            learn(kind, key, sample, folder / f"{name}_{combination}.joblib", count, rng)


if __name__ == "__main__":
    main()
