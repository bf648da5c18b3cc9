"""The peers do the same work: from the same weights over the same rows they arrive at the same outputs."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.bench.case import Arrays, Case, read_arrays, score
from chainrule.bench.workloads import Network, Rows, make_rows, write_arrays

#: Each with the library that it needs.
PEERS = {
    "chainrule_fit": "numpy",
    "torch_eager": "torch",
    "torch_slide": "torch",
    "jax_scan": "jax",
    "sklearn_mlp": "sklearn",
    "c_program": "numpy",
}
XOR = Network((2, 3, 1), hidden="sigmoid", output="sigmoid", loss="mse", lr=0.5, epochs=40)
IRIS = Network((4, 3), lr=0.01, epochs=40)
#: Not with Adam: a bias before batch normalisation has no gradient but rounding, which Adam makes steps of full length of.
DEEP = Network((20, 16, 8, 4), batch_norm=True, lr=0.1, batch=25, epochs=3)
PLAIN = Network((20, 16, 4), lr=0.1, batch=25, epochs=3)
TABLE = Network((20, 16, 8, 2), loss="mse", optimizer="adam", lr=0.01, batch=25, epochs=3)


def rows_for(network: Network) -> Rows:
    if network.batch == 0:
        return make_rows("xor" if network.hidden == "sigmoid" else "iris")
    generator = np.random.default_rng(1)
    x = generator.standard_normal((110, 20), dtype=np.float32)
    y: Any = generator.integers(0, 4, 110).astype(np.int32)
    if network.loss == "mse":
        y = generator.standard_normal((110, 2), dtype=np.float32)
    return Rows(x, y, x, y)


def outputs(peer: str, network: Network, folder: Path) -> np.ndarray[Any, Any]:
    """What the peer predicts after training, the second time that it trains: reset must forget the first."""
    rows = rows_for(network)
    steps = write_arrays(folder, rows, network)
    case = Case(peer, peer, "step", str(folder), threads=1, steps=steps, keeps_bytes=False, **vars(network))
    system = importlib.import_module(f"chainrule.bench.peers.{peer}").build(case, read_arrays(case))
    for _ in range(2):
        system.reset()
        system.train()
    return np.asarray(system.predict(rows.test_x), np.float64)


@pytest.mark.parametrize(("peer", "network"), [
    ("chainrule_fit", XOR), ("chainrule_fit", IRIS), ("chainrule_fit", DEEP), ("chainrule_fit", TABLE),
    ("torch_eager", DEEP), ("torch_eager", TABLE), ("torch_slide", XOR),
    ("jax_scan", IRIS), ("jax_scan", DEEP), ("jax_scan", TABLE),
    ("sklearn_mlp", IRIS),
    ("c_program", XOR), ("c_program", IRIS),
])  # fmt: skip
def test_a_peer_arrives_where_numpy_does(peer: str, network: Network, tmp_path: Path) -> None:
    pytest.importorskip(PEERS[peer])
    if peer == "c_program" and not shutil.which("gcc"):
        pytest.skip("no C compiler")
    expected, received = outputs("numpy_by_hand", network, tmp_path), outputs(peer, network, tmp_path)
    if network.loss == "cross_entropy":  # scores and logarithms of probabilities differ by a number in each row
        expected, received = (z - z.mean(axis=1, keepdims=True) for z in (expected, received))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(received, expected, rtol=2e-3, atol=2e-4)


def test_rows_that_fill_no_batch_are_left_out_of_every_order(tmp_path: Path) -> None:
    assert write_arrays(tmp_path, rows_for(PLAIN), PLAIN) == 12
    orders = np.load(tmp_path / "orders.npy")
    assert orders.shape == (12, 25) and len(np.load(tmp_path / "x.npy")) == 100
    assert all(sorted(epoch.ravel()) == list(range(100)) for epoch in orders.reshape(3, 4, 25))


def test_pictures_stay_bytes_only_for_those_who_keep_them(tmp_path: Path) -> None:
    x = np.arange(40, dtype=np.uint8).reshape(4, 10) * 6
    network = Network((10, 2), batch=2)
    write_arrays(tmp_path, Rows(x, np.zeros(4, np.int32), x, np.zeros(4, np.int32)), network)
    kept = [
        read_arrays(Case("s", "p", "step", str(tmp_path), 1, (10, 2), batch=2, keeps_bytes=keeps)).x
        for keeps in (True, False)
    ]
    assert [a.dtype for a in kept] == [np.uint8, np.float32]
    np.testing.assert_allclose(kept[1], x / 255, rtol=1e-6)


def test_bare_products_are_those_of_a_step() -> None:
    peer = importlib.import_module("chainrule.bench.peers.matrix_products")
    case = Case("products", "matrix_products", "step", "", 1, (6, 5, 4, 3), batch=2)
    arrays = Arrays(np.empty(0), np.empty(0), [], None)
    products = peer.build(case, arrays).products
    # Three forward, three for the weights, and one for each layer's inputs but the first's.
    assert [p().shape for p in products] == [(2, 5), (2, 4), (2, 3), (5, 6), (4, 5), (2, 5), (3, 4), (2, 4)]


def test_scores() -> None:
    y = np.array([[1.0], [3.0]])
    assert score("r2", "mse", np.array([[1.0], [2.0]]), y) == 0.5
    assert score("loss", "mse", np.array([[1.0], [2.0]]), y) == 0.5
    assert score("accuracy", "cross_entropy", np.eye(3), np.array([0, 1, 0])) == pytest.approx(2 / 3)
    assert score("loss", "cross_entropy", np.log([[0.25, 0.75]]), np.array([0])) == pytest.approx(-np.log(0.25))
