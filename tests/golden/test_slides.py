"""The numbers on the lecture slides, sections 1, 3, 4 and 5 (section 6: test_xor.py)."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from by_hand import MSE, Add, Affine, Mul, Sigmoid

import chainrule as cr
from chainrule.core.philox import Generator
from chainrule.data.embedded import iris

ROWS = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
GATES = {"AND": (0.5, 0.5, -0.7), "NAND": (-0.5, -0.5, 0.7), "OR": (0.5, 0.5, -0.2)}
TRUTH = {"AND": [0, 0, 0, 1], "NAND": [1, 1, 1, 0], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


def double(*numbers: Any) -> cr.Tensor:
    """A float64 tensor that wants a gradient."""
    return cr.tensor(np.array(numbers[0] if len(numbers) == 1 else numbers, np.float64), requires_grad=True)


def gate(name: str, x: cr.Tensor) -> cr.Tensor:
    """The slide's perceptron: 1 where b + w.x > 0."""
    w1, w2, b = GATES[name]
    return cr.step(x @ cr.tensor([w1, w2]) + b)


# ---- 1. perceptron and logic gates


@pytest.mark.parametrize("name", GATES)
def test_gates(name: str) -> None:
    assert gate(name, cr.tensor(ROWS)).tolist() == TRUTH[name]


def test_xor_from_three_gates() -> None:
    x = cr.tensor(ROWS)
    s1, s2 = gate("NAND", x), gate("OR", x)
    assert (s1.tolist(), s2.tolist()) == ([1, 1, 1, 0], [0, 1, 1, 1])
    assert gate("AND", cr.stack([s1, s2], 1)).tolist() == TRUTH["XOR"]


def test_xor_as_two_layers_of_matrix_products() -> None:
    """The bias is the weight of a third input that is always one."""
    ones = cr.ones(4, 1)
    hidden = cr.tensor([[1.0, 1.0], [1.0, 1.0], [-1.5, -0.5]])
    output = cr.tensor([[-1.0], [1.0], [-0.5]])
    sums = cr.concatenate([cr.tensor(ROWS), ones], 1) @ hidden
    assert sums[:, 0].tolist() == [-1.5, -0.5, -0.5, 0.5] and sums[:, 1].tolist() == [-0.5, 0.5, 0.5, 1.5]
    h = cr.step(sums)
    assert (h[:, 0].tolist(), h[:, 1].tolist()) == ([0, 0, 0, 1], [0, 1, 1, 1])
    assert h[1].tolist() == h[2].tolist() == [0, 1], "(0,1) and (1,0) meet at one point of the hidden plane"
    last = (cr.concatenate([h, ones], 1) @ output)[:, 0]
    assert last.tolist() == [-0.5, 0.5, 0.5, -0.5]
    assert cr.step(last).tolist() == TRUTH["XOR"]


def learn(targets: list[int], epochs: int) -> tuple[int | None, cr.Tensor]:
    """Rosenblatt's rule: w += (t - y) x after each row; the first epoch without a mistake, and the weights."""
    w = cr.zeros(3)
    for epoch in range(epochs):
        mistakes = 0
        for row, target in zip(ROWS, targets, strict=True):
            x = cr.tensor([*row, 1.0])
            error = target - cr.step(w @ x).item()
            w += error * x
            mistakes += error != 0
        if not mistakes:
            return epoch, w
    return None, w


@pytest.mark.parametrize("name", GATES)
def test_the_perceptron_rule_learns_what_a_line_separates(name: str) -> None:
    epoch, w = learn(TRUTH[name], 50)
    assert epoch is not None
    assert cr.step(cr.concatenate([cr.tensor(ROWS), cr.ones(4, 1)], 1) @ w).tolist() == TRUTH[name]


def test_the_perceptron_rule_never_learns_xor() -> None:
    assert learn(TRUTH["XOR"], 200)[0] is None


def test_no_line_separates_xor() -> None:
    """Whatever w and b: b <= 0, w1 + b > 0, w2 + b > 0 give w1 + w2 + b > -b >= 0, where XOR wants <= 0."""
    grid = np.linspace(-2, 2, 21)
    w = np.array(list(itertools.product(grid, grid, grid))).T
    y = np.array([[*row, 1.0] for row in ROWS]) @ w > 0
    assert not (y == np.array(TRUTH["XOR"])[:, None].astype(bool)).all(0).any()
    assert (y == np.array(TRUTH["AND"])[:, None].astype(bool)).all(0).any()


# ---- 3. linear + classifier, forward

WEIGHT = [
    [0.231595, 0.613372, -0.89624, -0.41208], [0.076107, -0.22382, 0.20313, -0.05043],
    [-0.30772, -0.38941, 0.693168, 0.462622],
]  # fmt: skip
BIAS = [1.123884, 0.319879, 0.844128]
FLOWER = [6.3, 2.7, 4.9, 1.8]


def test_softmax_of_cat_car_frog() -> None:
    scores = cr.tensor([3.2, 5.1, -1.7])
    assert [f"{v:.1f}" for v in cr.exp(scores).tolist()[:2]] == ["24.5", "164.0"]
    assert f"{cr.exp(scores)[2]:.2f}" == "0.18"
    assert [f"{v:.2f}" for v in cr.softmax(scores).tolist()] == ["0.13", "0.87", "0.00"]


@pytest.mark.parametrize(("w", "h", "p"), [((2.0, 3.0), 8, "0.99966"), ((-4.0, -3.0), -10, "0.0000454")])
def test_sigmoid_of_a_weighted_sum(w: tuple[float, float], h: int, p: str) -> None:
    x = cr.tensor(np.array([1.0, 2.0]))
    total = cr.tensor(np.array(w)) @ x
    assert total.item() == h
    assert f"{cr.sigmoid(total):.{len(p) - 2}f}" == p


def iris_row(extra: float = 0.0) -> tuple[cr.Tensor, cr.Tensor]:
    """Scores and probabilities of one flower, with ``extra`` added to b2."""
    bias = np.array(BIAS) + np.array([0, extra, 0])
    h = cr.tensor(np.array(WEIGHT)) @ cr.tensor(np.array(FLOWER)) + cr.tensor(bias)
    return h, cr.softmax(h)


def test_iris_scores_and_probabilities() -> None:
    h, p = iris_row()
    np.testing.assert_allclose(h.numpy(), [-0.89428, 1.0996, 2.08333], atol=0.5e-5)
    np.testing.assert_allclose(cr.exp(h).numpy(), [0.4089, 3.0030, 8.0311], atol=0.5e-4)
    # The slide's probabilities come from weights with more digits than it prints: the last digit is off by up to 4.
    np.testing.assert_allclose(p.numpy(), [0.035734, 0.262425, 0.701841], atol=5e-6)


def test_iris_with_one_bias_raised() -> None:
    h, p = iris_row(1.0)
    np.testing.assert_allclose(h.numpy()[1], 2.0996, atol=0.5e-5)
    np.testing.assert_allclose(p.numpy(), [0.024628, 0.49165, 0.483721], atol=5e-6)


@pytest.mark.parametrize(("extra", "tens", "natural"), [(0.0, 0.15376, 0.35405), (1.0, 0.31541, 0.72625)])
def test_iris_loss_in_two_bases(extra: float, tens: float, natural: float) -> None:
    """The slide's figures are base-10 logarithms; chainrule's cross entropy is the natural one."""
    h, p = iris_row(extra)
    y = cr.one_hot([2], 3, dtype="float64")[0]
    loss = -(y * cr.log(p)).sum()
    assert loss.item() == pytest.approx(natural, abs=0.6e-5)
    assert loss.item() / math.log(10) == pytest.approx(tens, abs=0.6e-5)
    assert -cr.log_softmax(h)[2].item() == pytest.approx(loss.item(), abs=1e-14)


def test_three_views_of_one_loss() -> None:
    """Likelihood, cross entropy and KL divergence differ by constants, so their gradients by the scores are one."""
    target, scores = cr.tensor(np.array([0.2, 0.5, 0.3])), np.array(WEIGHT) @ FLOWER + BIAS

    def cross_entropy(h: Any) -> Any:
        return -(target * cr.log_softmax(h)).sum()

    def divergence(h: Any) -> Any:
        return (target * (cr.log(target) - cr.log_softmax(h))).sum()

    def likelihood(h: Any) -> Any:
        return -cr.log(cr.prod(cr.softmax(h) ** target))

    gradients = [cr.grad(f)(cr.tensor(scores)).numpy() for f in (cross_entropy, divergence, likelihood)]
    for gradient in gradients:
        np.testing.assert_allclose(gradient, cr.softmax(cr.tensor(scores)).numpy() - target.numpy(), atol=1e-14)


# ---- 4. computational graph and the chain rule


@pytest.mark.parametrize("x", [-2.0, 0.0, 0.5, 3.0])
def test_chain_of_a_square(x: float) -> None:
    assert cr.grad(lambda x: 4 * (5 * x + 3) ** 2)(cr.tensor(np.array(x))).item() == pytest.approx(40 * (5 * x + 3))


def test_square_of_a_sum() -> None:
    by_x, by_y = cr.grad(lambda x, y: (x + y) ** 2, (0, 1))(3.0, 4.0)
    assert by_x.item() == by_y.item() == 14


def test_add_gate_passes_multiply_gate_swaps() -> None:
    x, y, z = double(-2), double(5), double(-4)
    q = (x + y).retain_grad()
    f = q * z
    f.backward()
    assert (q.item(), f.item()) == (3, -12)
    assert [t.grad.item() for t in (x, y, z, q)] == [-4, -4, 3, -4]


def test_sigmoid_circuit() -> None:
    w, x = double(2, -3, -3), double(-1, -2)
    total = (w[0] * x[0] + w[1] * x[1] + w[2]).retain_grad()
    out = 1 / (1 + cr.exp(-total))
    out.backward()
    assert f"{out:.2f}" == "0.73"
    assert (f"{total.grad:.2f}", f"{total.grad:.4f}") == ("0.20", "0.1966")
    assert [f"{g:.2f}" for g in w.grad.tolist()] == ["-0.20", "-0.39", "0.20"]
    assert [f"{g:.2f}" for g in x.grad.tolist()] == ["0.39", "-0.59"]
    assert total.grad.item() == pytest.approx((1 - out.item()) * out.item(), abs=1e-15)
    assert round((1 - 0.73) * 0.73, 1) == 0.2


def test_norm_of_a_matrix_product() -> None:
    w, x = double([[0.1, 0.5], [-0.3, 0.8]]), double(0.2, 0.4)
    q = w @ x
    f = (q * q).sum()
    f.backward()
    np.testing.assert_allclose(q.numpy(), [0.22, 0.26], atol=1e-15)
    assert f.item() == pytest.approx(0.116, abs=1e-15)
    np.testing.assert_allclose(w.grad.numpy(), [[0.088, 0.176], [0.104, 0.208]], atol=1e-15)
    np.testing.assert_allclose(x.grad.numpy(), [-0.112, 0.636], atol=1e-15)


def test_softmax_with_cross_entropy() -> None:
    """dL/dH = P - y and dL/dW = X^T (P - y)."""
    x = cr.tensor(np.array([FLOWER, [5.1, 3.5, 1.4, 0.2]]))
    w, y = double(np.array(WEIGHT).T), cr.one_hot([2, 0], 3, dtype="float64")
    h = (x @ w + cr.tensor(np.array(BIAS))).retain_grad()
    loss = -(y * cr.log_softmax(h)).sum()
    loss.backward()
    difference = cr.softmax(h).numpy() - y.numpy()
    np.testing.assert_allclose(h.grad.numpy(), difference, atol=1e-15)
    np.testing.assert_allclose(w.grad.numpy(), x.numpy().T @ difference, atol=1e-14)


def test_apples_and_oranges() -> None:
    values = {"apple price": 100, "apple count": 2, "orange price": 150, "orange count": 3, "tax": 1.1}
    slopes = {"apple price": 2.2, "apple count": 110, "orange price": 3.3, "orange count": 165, "tax": 650}
    t = {name: double(v) for name, v in values.items()}
    price = (t["apple price"] * t["apple count"] + t["orange price"] * t["orange count"]) * t["tax"]
    price.backward()
    assert price.item() == pytest.approx(715)
    assert {name: v.grad.item() for name, v in t.items()} == pytest.approx(slopes)


def test_apples_and_oranges_by_hand_written_layers() -> None:
    number = {
        n: cr.tensor(float(v))
        for n, v in zip(["apple", "apples", "orange", "oranges", "tax"], (100, 2, 150, 3, 1.1), strict=True)
    }
    apple, orange, add, tax = Mul(), Mul(), Add(), Mul()
    total = add.forward(
        apple.forward(number["apple"], number["apples"]), orange.forward(number["orange"], number["oranges"])
    )
    assert tax.forward(total, number["tax"]).item() == pytest.approx(715)
    d_total, d_tax = tax.backward(cr.tensor(1.0))
    d_apples, d_oranges = add.backward(d_total)
    found = [*apple.backward(d_apples), *orange.backward(d_oranges), d_tax]
    assert [d.item() for d in found] == pytest.approx([2.2, 110, 3.3, 165, 650])


# ---- hand-written layers against the tape


def test_hand_written_sigmoid() -> None:
    x, layer = double(-3, -0.5, 0, 2), Sigmoid()
    out = layer.forward(x.detach())
    cr.sigmoid(x).sum().backward()
    np.testing.assert_allclose(layer.backward(cr.ones(4, dtype="float64")).numpy(), x.grad.numpy(), atol=1e-15)
    np.testing.assert_allclose(out.numpy(), cr.sigmoid(x).numpy(), atol=1e-15)


def test_hand_written_affine() -> None:
    generator = Generator(3)
    x, w, b, dout = (cr.randn(*s, dtype="float64", generator=generator) for s in ((5, 4), (4, 3), (3,), (5, 3)))
    layer = Affine(w, b)
    for t in (x, w, b):
        t.requires_grad_()
    (layer.forward(x) * dout).sum().backward()
    with cr.no_grad():
        dx = layer.backward(dout)
    for mine, tape in [(dx, x.grad), (layer.dweight, w.grad), (layer.dbias, b.grad)]:
        np.testing.assert_allclose(mine.numpy(), tape.numpy(), atol=1e-14)


def test_hand_written_mse() -> None:
    y, t, layer = double([[0.2], [0.9]]), cr.tensor(np.array([[0.0], [1.0]])), MSE()
    loss = layer.forward(y, t)
    assert loss.item() == pytest.approx(0.5 * (0.04 + 0.01))
    (loss / 2).backward()
    np.testing.assert_allclose(layer.backward().detach().numpy(), y.grad.numpy(), atol=1e-15)
    assert layer.backward()[:, 0].tolist() == pytest.approx([0.1, -0.05])


# ---- 5. gradient descent on Iris

START = [
    [-8.74615472e-05, 3.03732950e-05, 4.65428693e-05], [-3.23668516e-05, 4.42560055e-06, -2.56037962e-05],
    [-2.43068233e-05, 9.68563102e-05, -6.81574199e-05], [-1.63824136e-04, 2.12286420e-04, 7.43973291e-05],
]  # fmt: skip
TRAJECTORY = {
    1000: [[-0.00321581, 0.00061467, 0.0025906], [0.02404027, -0.01065741, -0.01343641],
           [-0.05779136, 0.01472877, 0.04306699], [-0.0255728, 0.00370264, 0.02199303]],
    2000: [[0.00861248, -0.00040284, -0.00822019], [0.05412096, -0.02178615, -0.03238836],
           [-0.10186908, 0.02754678, 0.07432669], [-0.04607576, 0.00652109, 0.03967753]],
    3000: [[0.02155924, -0.00163555, -0.01993423], [0.08324693, -0.03262187, -0.0506786],
           [-0.1418079, 0.03937622, 0.10243607], [-0.06481271, 0.00892456, 0.05601101]],
    4000: [[0.03370442, -0.00258894, -0.03112603], [0.11051824, -0.0428869, -0.06768488],
           [-0.17908648, 0.05050046, 0.12859041], [-0.08228968, 0.01100061, 0.07141193]],
}  # fmt: skip


def test_iris_trajectory() -> None:
    """Softmax regression by gradient descent: every printed matrix, to 1e-8.

    The slide's loss is the mean over the 150 flowers, and the biases learn too (a sum, or fixed biases, does not give
    its numbers).
    """
    flowers = iris(np.float64)
    x, y = cr.tensor(flowers.inputs), cr.one_hot(flowers.targets, 3, dtype="float64")
    w, b = cr.Parameter(np.array(START)), cr.Parameter(np.ones(3))
    for epoch in range(1, 4001):
        loss = -(y * cr.log_softmax(x @ w + b)).sum() / 150
        w.grad = b.grad = None
        loss.backward()
        with cr.no_grad():
            w -= 0.0001 * w.grad
            b -= 0.0001 * b.grad
        if epoch in TRAJECTORY:
            assert np.abs(w.numpy() - TRAJECTORY[epoch]).max() < 1e-8, epoch
    assert w.grad.dtype == "float64"


def test_batches_and_iterations() -> None:
    assert [math.ceil(150 / 50), math.ceil(100 / 4)] == [3, 25]
    assert len(cr.split(cr.arange(150), 3)) == 3 and len(cr.split(cr.arange(100), 25)) == 25
