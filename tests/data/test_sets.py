"""Generated and embedded sets, the Examples they come in, and their names."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from chainrule.core.errors import ConfigError, DataError
from chainrule.core.philox import Generator
from chainrule.data.embedded import digits, iris
from chainrule.data.examples import Examples, class_indices, looks_like_classes, make_examples
from chainrule.data.named import load, set_names
from chainrule.data.sets import (
    blobs,
    circles,
    gaussian_quantiles,
    logic_gate,
    moons,
    sine,
    spirals,
    xor,
)

GENERATED = [moons, circles, spirals, blobs, gaussian_quantiles, sine, xor]
CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]]


@pytest.mark.parametrize("make", GENERATED)
def test_same_seed_same_bits_and_another_seed_other_bits(make):
    noisy = {"noise": 0.2} if "noise" in make.__annotations__ else {}
    first, again, other = make(40, seed=5, **noisy), make(40, seed=5, **noisy), make(40, seed=6, **noisy)
    assert first.inputs.tobytes() == again.inputs.tobytes()
    assert first.targets.tobytes() == again.targets.tobytes()
    changed = other.targets if make is sine else other.inputs
    assert changed.tobytes() != (first.targets if make is sine else first.inputs).tobytes()


@pytest.mark.parametrize("make", GENERATED)
@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_shapes_and_types(make, n):
    made = make(n)
    features = 1 if make is sine else 2
    assert made.inputs.shape == (n, features) and made.inputs.dtype == np.float32
    assert len(made.feature_names) == features and made.name and made.source
    if make is sine:
        assert made.task == "regression" and made.targets.shape == (n, 1) and made.targets.dtype == np.float32
    else:
        assert made.task == "classification" and made.targets.shape == (n,) and made.targets.dtype == np.int64


@pytest.mark.parametrize("make", GENERATED)
def test_float32_is_float64_rounded_once(make):
    np.testing.assert_array_equal(make(50).inputs, make(50, dtype=np.float64).inputs.astype(np.float32))


@pytest.mark.parametrize("make", GENERATED)
def test_a_set_of_no_points_is_refused(make):
    with pytest.raises(ConfigError, match="n=0"):
        make(0)


@pytest.mark.parametrize("make", [moons, circles, spirals, sine, xor])
@pytest.mark.parametrize("noise", [-0.1, np.nan, np.inf])
def test_bad_noise_is_refused(make, noise):
    with pytest.raises(ConfigError, match="standard deviation"):
        make(10, noise=noise)


@pytest.mark.parametrize(
    ("gate", "outputs"),
    [
        ("and", [0, 0, 0, 1]),
        ("or", [0, 1, 1, 1]),
        ("nand", [1, 1, 1, 0]),
        ("nor", [1, 0, 0, 0]),
        ("xor", [0, 1, 1, 0]),
    ],
)
def test_truth_tables(gate, outputs):
    made = logic_gate(gate)
    assert made.inputs.tolist() == CORNERS and made.targets.tolist() == outputs
    assert logic_gate(gate, n=6).inputs.tolist() == CORNERS + CORNERS[:2]


def test_noisy_gate_stays_near_its_corners():
    made = xor(400, noise=0.1)
    assert 0.08 < (made.inputs - np.array(CORNERS * 100)).std() < 0.12
    assert ((made.inputs.round() @ [1, 1] == 1) == made.targets).mean() > 0.99


def test_unknown_gate_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'nand'"):
        logic_gate("implies")


def test_moons_lie_on_half_circles():
    made = moons(101, noise=0, dtype=np.float64)
    centre = np.where(made.targets[:, None] == 0, [0, 0], [1, 0.5])
    away = made.inputs - centre
    np.testing.assert_allclose(np.hypot(*away.T), 1)
    assert (away[made.targets == 0, 1] > -1e-12).all() and (away[made.targets == 1, 1] < 1e-12).all()
    assert np.bincount(made.targets).tolist() == [51, 50]


def test_moons_agree_with_scikit_learn():
    reference = pytest.importorskip("sklearn.datasets").make_moons(60, shuffle=False)[0]
    made = moons(60, noise=0, dtype=np.float64).inputs
    np.testing.assert_allclose(made[np.lexsort(made.T)], reference[np.lexsort(reference.T)], atol=1e-12)


def test_circles_have_their_radii():
    made = circles(80, noise=0, factor=0.3, dtype=np.float64)
    np.testing.assert_allclose(np.hypot(*made.inputs.T), np.where(made.targets == 0, 1, 0.3))
    for factor in (0, 1, -0.5):
        with pytest.raises(ConfigError, match="factor"):
            circles(10, factor=factor)


def test_spiral_follows_its_formula():
    made = spirals(90, noise=0, classes=3, turns=1.5, dtype=np.float64)
    radius = np.hypot(*made.inputs.T)
    angle = 2 * np.pi * (1.5 * radius + made.targets / 3)
    np.testing.assert_allclose(made.inputs, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))
    assert np.sort(radius[made.targets == 1]) == pytest.approx((np.arange(30) + 0.5) / 30)
    with pytest.raises(ConfigError, match="classes=1"):
        spirals(classes=1)


def test_blobs_gather_round_their_centres():
    made = blobs(3000, centers=[(-5, 0, 2), (5, 1, -2)], spread=0.5, dtype=np.float64)
    for label, centre in enumerate([(-5, 0, 2), (5, 1, -2)]):
        cloud = made.inputs[made.targets == label]
        assert len(cloud) == 1500
        np.testing.assert_allclose(cloud.mean(0), centre, atol=0.06)
        np.testing.assert_allclose(cloud.std(0), 0.5, atol=0.03)
    assert blobs(10, centers=4, features=5).inputs.shape == (10, 5)
    with pytest.raises(ConfigError, match=r"\(2,\)"):
        blobs(centers=[1.0, 2.0])


def test_gaussian_quantiles_are_shells_of_equal_count():
    made = gaussian_quantiles(1000, classes=4, features=3, dtype=np.float64)
    radius = np.linalg.norm(made.inputs, axis=1)
    assert np.bincount(made.targets).tolist() == [250] * 4
    assert np.bincount(gaussian_quantiles(7, classes=2).targets).tolist() == [4, 3]
    assert all(radius[made.targets == k].max() < radius[made.targets == k + 1].min() for k in range(3))


def test_sine_has_the_noise_asked_for():
    made = sine(2000, noise=0.3, low=-2, high=2, frequency=0.5, dtype=np.float64)
    assert made.inputs[0] == -2 and made.inputs[-1] == 2
    assert 0.28 < (made.targets - np.sin(np.pi * made.inputs)).std() < 0.32


def test_a_generator_may_stand_for_a_seed():
    shared = Generator(1)
    first, second = moons(20, seed=shared), moons(20, seed=shared)
    assert first.inputs.tobytes() == moons(20, seed=1).inputs.tobytes() != second.inputs.tobytes()


def test_numpys_random_state_is_left_alone():
    before = np.random.get_state()[1].tobytes()
    blobs(50)
    assert np.random.get_state()[1].tobytes() == before


# Embedded sets


def test_iris_is_that_of_r():
    flowers = iris(np.float64)
    assert flowers.inputs.shape == (150, 4) and flowers.class_names == ("setosa", "versicolor", "virginica")
    # Rows 35 and 38 are where UCI's file is wrong.
    assert flowers.inputs[34].tolist() == [4.9, 3.1, 1.5, 0.2]
    assert flowers.inputs[37].tolist() == [4.9, 3.6, 1.4, 0.1]
    np.testing.assert_allclose(flowers.inputs.mean(0), [5.843333333, 3.057333333, 3.758, 1.199333333])
    assert flowers.targets.tolist() == [0] * 50 + [1] * 50 + [2] * 50
    assert iris().inputs.dtype == np.float32


def test_digits_are_bytes_from_0_to_16():
    small = digits()
    assert small.inputs.shape == (1797, 64) and small.inputs.dtype == np.uint8 and small.image_shape == (8, 8)
    assert small.inputs.min() == 0 and small.inputs.max() == 16
    assert np.bincount(small.targets).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert hashlib.md5(small.inputs.tobytes()).hexdigest() == DIGITS_MD5


DIGITS_MD5 = "fa70cba135d4cdd4cde65da70dbffde2"


def test_embedded_sets_agree_with_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    np.testing.assert_array_equal(iris(np.float64).inputs, datasets.load_iris().data)
    np.testing.assert_array_equal(iris().targets, datasets.load_iris().target)
    np.testing.assert_array_equal(digits().inputs, datasets.load_digits().data)
    np.testing.assert_array_equal(digits().targets, datasets.load_digits().target)


# Examples


def test_regression_targets_become_a_column():
    made = Examples(np.zeros((3, 2)), [1.0, 2.0, 3.0])
    assert made.task == "regression" and made.targets.tolist() == [[1], [2], [3]]
    assert Examples(np.zeros((3, 2)), np.zeros((3, 5))).targets.shape == (3, 5)


@pytest.mark.parametrize(
    ("inputs", "targets", "names", "message"),
    [
        (np.zeros((3, 2)), [0, 1], None, r"shape \(2,\)"),
        (np.float64(1), [0], None, "as many targets"),
        (np.zeros((2, 2)), [0, 2], ("a", "b"), "from 0 to 2"),
        (np.zeros((2, 2)), [-1, 0], ("a", "b"), "from -1"),
        (np.zeros((2, 2)), [0.0, 1.0], ("a", "b"), "float64"),
        (np.zeros((2, 2)), [[0, 1], [1, 0]], ("a", "b"), r"\(2, 2\)"),
    ],
)
def test_examples_that_do_not_fit_are_refused(inputs, targets, names, message):
    with pytest.raises(DataError, match=message):
        Examples(inputs, targets, class_names=names)


def test_take_picks_rows_by_number_or_mask_and_may_take_none():
    made = moons(10)
    np.testing.assert_array_equal(made.take([7, 0]).inputs, made.inputs[[7, 0]])
    assert len(made.take(made.targets == 1)) == 5
    assert made.take([]).inputs.shape == (0, 2)
    assert made.take([1]).class_names == made.class_names


def test_examples_keep_a_memory_map(tmp_path):
    np.save(tmp_path / "big.npy", np.arange(12.0).reshape(6, 2))
    mapped = np.load(tmp_path / "big.npy", mmap_mode="r")
    made = Examples(mapped, np.zeros(6))
    assert made.inputs is mapped and isinstance(made.flat(), np.memmap)


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (["a", "b"], True),
        ([True, False], True),
        ([0, 1, 1, 0], True),
        ([3, 4, 5] * 10, True),
        ([0.0, 1.0, 1.0, 0.0], True),
        ([0.5, 1.0, 1.0, 0.5], False),
        (list(range(20)), False),
        (list(range(100)) * 20, True),
        (list(range(100)) * 19, False),
        (list(range(1, 101)) * 20, False),
        ([0.0, np.nan, 1.0, 0.0], False),
        ([], False),
    ],
)
def test_what_looks_like_classes(targets, classes):
    assert looks_like_classes(np.array(targets)) is classes


def test_class_indices_by_name_and_their_errors():
    assert class_indices(np.array(["b", "a"]), ("b", "a"))[0].tolist() == [0, 1]
    assert class_indices(np.array([True, False]))[1] == ("False", "True")
    assert class_indices(np.array([2.0, 10.0, 2.0]))[1] == ("2", "10")
    with pytest.raises(DataError, match="class 'c'"):
        class_indices(np.array(["c"]), ("a", "b"))
    with pytest.raises(DataError, match="missing"):
        class_indices(np.array(["a", None], object))
    with pytest.raises(DataError, match="NaN"):
        class_indices(np.array([1.0, np.nan]))


def test_a_test_part_is_numbered_as_the_training_part():
    made = make_examples(np.zeros((6, 1)), np.array([3, 7, 9] * 2), test=(np.zeros((2, 1)), np.array([9, 3])))
    assert made.class_names == ("3", "7", "9") and made.test.targets.tolist() == [2, 0]
    with pytest.raises(DataError, match="'5'"):
        make_examples(np.zeros((4, 1)), np.array([3, 7] * 2), test=(np.zeros((1, 1)), np.array([5])))


# Names


@pytest.mark.parametrize("name", [name for name in set_names() if "mnist" not in name])
def test_every_name_loads(name):
    assert len(load(name)) >= 4


def test_load_takes_options_and_seed():
    assert load("Gaussian_Quantiles", n=30, classes=5, seed=2).targets.max() == 4
    assert load("moons", seed=1).inputs.tobytes() == moons(seed=1).inputs.tobytes()


def test_unknown_set_names_the_nearest():
    with pytest.raises(DataError, match="did you mean 'spirals'"):
        load("spiral")
