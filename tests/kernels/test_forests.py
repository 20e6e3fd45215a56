"""Packed forests against scikit-learn, tree by tree and bit by bit."""

import os

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

from stereo_tasks.kernels import forest_files, forests
from stereo_tasks.kernels.errors import NotCovered

N_FEATURES = 4


def model_of(kind, seed, n_classes=2, **parameters):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, N_FEATURES))
    if kind is RandomForestClassifier:
        y = rng.integers(n_classes, size=120)
    else:
        y = x[:, 0] * rng.normal(size=120) + x[:, 1]
    return kind(random_state=seed, n_jobs=1, **parameters).fit(x, y)


def save(path, **of_telescope):
    content = {
        "settings": {},
        "features": [f"f{i}" for i in range(N_FEATURES)],
        "use_unsigned_features": False,
        "telescope_rfs": {int(name[1:]): model for name, model in of_telescope.items()},
    }
    joblib.dump(content, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("forests")


def at_thresholds(model, n_events, seed):
    """Features at the thresholds of the trees, where a rounding decides, and one step of float32 and float64 beside."""
    rng = np.random.default_rng(seed)
    features = np.empty((n_events, N_FEATURES))
    for i in range(N_FEATURES):
        thresholds = [tree.tree_.threshold[tree.tree_.feature == i] for tree in model.estimators_]
        features[:, i] = rng.choice(np.concatenate([*thresholds, [0.0, -3.0]]), n_events)
    towards = rng.choice([-np.inf, np.inf], features.shape)
    step = rng.integers(3, size=features.shape)
    near = np.where(step == 1, np.nextafter(features.astype(np.float32), towards.astype(np.float32)), features)
    return np.where(step == 2, np.nextafter(features, towards), near)


PARAMETERS = st.fixed_dictionaries(
    {"n_estimators": st.sampled_from([1, 2, 9, 30]), "max_features": st.sampled_from([1.0, "sqrt", 1])},
    optional={
        "min_samples_leaf": st.sampled_from([1, 5, 120]),  # 120: trees that are one leaf
        "max_leaf_nodes": st.sampled_from([2, 11]),  # these grow by their best leaf: not in preorder
        "ccp_alpha": st.sampled_from([0.003]),  # pruned
        "bootstrap": st.just(False),
    },
)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), n_events=st.sampled_from([1, 2, 3, 7, 8, 9, 17, 40]), parameters=PARAMETERS)
def test_regressors_give_the_mean_and_the_variance_over_the_trees(folder, seed, n_events, parameters):
    model = model_of(RandomForestRegressor, seed, **parameters)
    path = save(folder / "energy_regressors_LST1_M1.joblib", t2=model)
    forest_files.pack(path)
    features = at_thresholds(model, n_events, seed)
    mean, variance = forest_files.load(path).forest(2).predict(features.astype(np.float32))
    assert mean.tobytes() == model.predict(features).tobytes()
    assert variance.tobytes() == np.var([tree.predict(features) for tree in model.estimators_], axis=0).tobytes()


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000), n_events=st.integers(1, 20), parameters=PARAMETERS, n_classes=st.sampled_from([1, 2, 3])
)
def test_classifiers_give_the_probability_of_the_first_class(folder, seed, n_events, parameters, n_classes):
    model = model_of(RandomForestClassifier, seed, n_classes, **parameters)
    path = save(folder / "event_classifiers_LST1_M1.joblib", t1=model)
    forest_files.pack(path)
    features = at_thresholds(model, n_events, seed)
    mean, _ = forest_files.load(path).forest(1).predict(features.astype(np.float32))
    assert mean.tobytes() == np.ascontiguousarray(model.predict_proba(features)[:, 0]).tobytes()


def test_more_events_than_a_block_and_one_event_in_the_last(folder, monkeypatch):
    monkeypatch.setattr(forests, "EVENTS_A_BLOCK", 20)
    model = model_of(RandomForestRegressor, 3, n_estimators=30)
    path = save(folder / "one.joblib", t1=model)
    forest_files.pack(path)
    features = at_thresholds(model, 41, 1)
    mean, variance = forest_files.load(path).forest(1).predict(features.astype(np.float32))
    assert mean.tobytes() == model.predict(features).tobytes()
    assert variance.tobytes() == np.var([tree.predict(features) for tree in model.estimators_], axis=0).tobytes()


@pytest.fixture
def packed(tmp_path):
    models = [model_of(RandomForestRegressor, seed, n_estimators=5) for seed in (1, 2)]
    path = save(tmp_path / "disp_regressors_M1_M2.joblib", t3=models[0], t2=models[1])
    return path, forest_files.pack(path)


def test_telescopes_and_features_keep_their_order(packed):
    found = forest_files.load(packed[0])
    assert list(found.kinds.items()) == [(3, "regressor"), (2, "regressor")]
    assert found.features == ("f0", "f1", "f2", "f3")
    assert not found.unsigned


def test_packed_again_the_file_is_the_same_and_nothing_is_left_over(packed):
    path, target = packed
    before = target.read_bytes()
    assert forest_files.pack(path) == target
    assert target.read_bytes() == before
    assert sorted(path.parent.iterdir()) == sorted([path, target])


def test_a_link_finds_what_lies_beside_the_file(packed, tmp_path):
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / packed[0].name
    link.symlink_to(packed[0])
    assert forest_files.packed_path(link) == packed[1]
    assert forest_files.load(link).path == packed[1]


def test_forests_that_are_not_packed_are_refused(packed):
    packed[1].unlink()
    with pytest.raises(NotCovered, match=r"no packed forests beside .*: run 'stereo prepare-mc'"):
        forest_files.load(packed[0])


def test_a_joblib_file_that_changed_is_refused_and_one_that_was_copied_is_not(packed):
    path, _ = packed
    content = path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    forest_files.load(path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(NotCovered, match="has changed"):
        forest_files.load(path)


@pytest.mark.parametrize("keep", [0, 5, 30, 400, -1])
def test_a_packed_file_that_is_cut_off_is_refused(packed, keep):
    path, target = packed
    target.write_bytes(target.read_bytes()[:keep])
    with pytest.raises(NotCovered, match="holds no packed forests"):
        forest_files.load(path)


def test_other_models_are_not_packed(tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, N_FEATURES)), rng.normal(size=(50, 2))
    extra = ExtraTreesRegressor(2).fit(x, y[:, 0])
    two_outputs = RandomForestRegressor(2).fit(x, y)
    fewer = RandomForestRegressor(2).fit(x[:, :2], y[:, 0])
    for model, text in ((extra, "no random forest"), (two_outputs, "2 outputs"), (fewer, "2 of 4 features")):
        with pytest.raises(NotCovered, match=text):
            forest_files.pack(save(tmp_path / "model.joblib", t1=model))
    assert [path.name for path in tmp_path.iterdir()] == ["model.joblib"]
