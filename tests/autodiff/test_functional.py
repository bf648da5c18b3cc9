"""``grad``, ``value_and_grad``, ``jacobian`` and ``hvp``: nested arguments, nested derivatives, closures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import GradientError, ShapeError


class Layer(NamedTuple):
    weight: Any
    bias: Any


def double(*values: float) -> cr.Tensor:
    return cr.tensor(np.array(values if len(values) > 1 else values[0], np.float64))


# ---- grad and value_and_grad


def test_numbers_tensors_and_whole_numbers() -> None:
    assert cr.grad(lambda x: x * x)(3.0).item() == 6
    assert cr.grad(lambda x: x * x)(3).item() == 6
    assert cr.grad(lambda x: (x * x).sum())(cr.tensor([1, 2])).tolist() == [2, 4]
    assert cr.grad(lambda x: (x * x).sum())(double(1, 2)).dtype == "float64"


def test_arguments_stay_as_they_are() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    value, gradient = cr.value_and_grad(lambda t: (t * t).sum())(x)
    assert value.item() == 5 and gradient.tolist() == [2, 4]
    assert x.grad is None and not cr.tensor([1.0]).requires_grad


def test_argnums() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y + y * z

    assert cr.grad(f, 1)(2.0, 3.0, 5.0).item() == 7
    assert [g.item() for g in cr.grad(f, (2, 0))(2.0, 3.0, 5.0)] == [3, 3]
    assert cr.grad(f, -1)(2.0, 3.0, 5.0).item() == 3
    for n in (3, -4):
        with pytest.raises(GradientError, match="3 positional arguments"):
            cr.grad(f, n)(2.0, 3.0, 5.0)


def test_keyword_arguments_are_passed_on() -> None:
    assert cr.grad(lambda x, power: x**power)(2.0, power=3).item() == 12


def test_nested_containers() -> None:
    params = {"layers": [Layer(double(2.0), double(1.0)), (double(3.0), 4.0)], "scale": double(5.0)}

    def f(p: Any) -> Any:
        first, second = p["layers"]
        assert type(first) is Layer
        return ((first.weight + first.bias) * second[0] + second[1].double()) * p["scale"]

    value, gradient = cr.value_and_grad(f)(params)
    assert value.item() == ((2 + 1) * 3 + 4) * 5
    first, second = gradient["layers"]
    assert type(first) is Layer and type(second) is tuple
    assert [g.item() for g in (*first, *second, gradient["scale"])] == [15, 15, 15, 5, 13]


def test_has_aux() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return y.sum(), {"squares": y}, "text"

    (value, aux, text), gradient = cr.value_and_grad(f, has_aux=True)(double(1, 2))
    assert (value.item(), aux["squares"].tolist(), text, gradient.tolist()) == (5, [1, 4], "text", [2, 4])


def test_what_is_not_used_has_gradient_zero() -> None:
    a, b = cr.grad(lambda x, y: (x * 2).sum(), (0, 1))(double(1, 2), double(3, 4))
    assert (a.tolist(), b.tolist()) == ([2, 2], [0, 0])
    assert cr.grad(lambda x: cr.tensor(1.0))(2.0).item() == 0


@pytest.mark.parametrize("f", [lambda x: x, lambda x: 3.0, lambda x: (x.sum(), x.sum())])
def test_a_result_that_is_not_one_number(f: Any) -> None:
    with pytest.raises(ShapeError, match="one number"):
        cr.grad(f)(double(1, 2))


# ---- derivatives inside derivatives


def test_grad_of_grad_of_grad() -> None:
    f = cr.grad
    assert f(f(f(lambda x: x**4)))(2.0).item() == 48


def test_nested_grad_closes_over_the_outer_variable() -> None:
    """The inner gradient, 2 x y, depends on x, by which the outer one derives: d/dx = 2 y."""
    assert cr.grad(lambda x: cr.grad(lambda y: x * y * y)(3.0))(5.0).item() == 6
    # Perturbation confusion: d/dx [x * d/dy (x + y)] = 1, not 2 (Siskind and Pearlmutter, 2005).
    assert cr.grad(lambda x: x * cr.grad(lambda y: x + y)(1.0))(1.0).item() == 1


def test_an_inner_jacobian_closes_over_the_outer_variable() -> None:
    def f(x: Any) -> Any:
        return cr.jacobian(lambda y: x * y * y)(double(1, 2)).sum()

    assert cr.grad(f)(double(3.0)).item() == 2 * 1 + 2 * 2


def test_gradient_as_part_of_a_loss() -> None:
    """``backward`` goes through a gradient taken by ``grad`` of a function that closes over a parameter."""
    w = cr.Parameter(np.array(3.0))
    slope = cr.grad(lambda x: w * x * x)(double(2.0))
    (slope * slope).backward()
    assert w.grad.item() == 2 * 12 * 4


def test_a_closure_keeps_the_callers_graph() -> None:
    """What ``f`` closes over belongs to the caller: its tape is still there afterwards."""
    w = cr.Parameter(np.array([1.0, 2.0]))
    h = w * w
    assert cr.grad(lambda x: (x * h).sum())(double(1, 1)).tolist() == [1, 4]
    with cr.no_grad():
        assert cr.grad(lambda x: (x * h).sum())(double(1, 1)).tolist() == [1, 4]
    h.sum().backward()
    assert w.grad.tolist() == [2, 4]


def test_under_no_grad_derivatives_are_computed_and_not_recorded() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    with cr.no_grad():
        value, gradient = cr.value_and_grad(lambda t: t**3)(x)
    assert (value.item(), gradient.item()) == (8, 12)
    assert not value.requires_grad and not gradient.requires_grad


def test_results_are_recorded_only_where_someone_derives() -> None:
    value, gradient = cr.value_and_grad(lambda t: t**3)(2.0)
    assert not value.requires_grad and not gradient.requires_grad
    value, gradient = cr.value_and_grad(lambda t: t**3)(cr.tensor(2.0, requires_grad=True))
    assert value.requires_grad and gradient.requires_grad


def test_as_a_decorator() -> None:
    @cr.grad
    def slope(x: Any) -> Any:
        return x.sin()

    assert slope(0.0).item() == 1


def test_a_training_loop_without_modules() -> None:
    """Gradient descent on a line, as a function of a dict of parameters."""
    x = cr.linspace(-1, 1, 20)
    target = 2 * x - 0.5
    params = {"slope": cr.tensor(0.0), "offset": cr.tensor(0.0)}
    step = cr.value_and_grad(lambda p: ((p["slope"] * x + p["offset"] - target) ** 2).mean())
    for _ in range(200):
        loss, gradient = step(params)
        params = {name: value - 0.5 * gradient[name] for name, value in params.items()}
    assert loss.item() < 1e-6
    assert params["slope"].item() == pytest.approx(2, abs=1e-3) and params["offset"].item() == pytest.approx(
        -0.5, abs=1e-3
    )


# ---- jacobian and hvp


def test_jacobian_shapes_and_values() -> None:
    a = np.arange(6.0).reshape(2, 3)
    assert cr.jacobian(lambda x: cr.tensor(a) @ x)(double(1, 2, 3)).tolist() == a.tolist()
    x = cr.tensor(np.arange(1.0, 5).reshape(2, 2))
    full = cr.jacobian(lambda t: t.T * 2)(x)
    assert full.shape == (2, 2, 2, 2)
    assert full.reshape(4, 4).tolist() == [[2, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 2]]
    assert cr.jacobian(lambda t: t * t)(3.0).item() == 6
    assert cr.jacobian(lambda t: t[:0])(double(1, 2)).shape == (0, 2)
    assert cr.jacobian(lambda t: cr.ones(2))(double(1, 2)).tolist() == [[0, 0], [0, 0]]
    assert cr.jacobian(lambda s, t: s * t, 1)(double(1, 2), double(3, 4)).tolist() == [[1, 0], [0, 2]]


def test_jacobian_refuses_several_tensors() -> None:
    with pytest.raises(ShapeError, match="one tensor out and one tensor in"):
        cr.jacobian(lambda p: p[0] * p[1])((double(1.0), double(2.0)))
    with pytest.raises(ShapeError, match="one tensor out"):
        cr.jacobian(lambda x: (x, x))(double(1.0))


def test_jacobian_of_softmax() -> None:
    p = cr.softmax(double(0.1, 0.7, -0.3)).numpy()
    got = cr.jacobian(lambda x: cr.softmax(x))(double(0.1, 0.7, -0.3))
    np.testing.assert_allclose(got.numpy(), np.diag(p) - np.outer(p, p), atol=1e-15)


def test_hessian_as_jacobian_of_grad_and_as_products() -> None:
    a = np.array([[2.0, 1.0], [1.0, 4.0]])

    def f(x: Any) -> Any:
        return (x @ cr.tensor(a) @ x) * 0.5 + (x**3).sum()

    x = np.array([1.0, -2.0])
    expected = a + np.diag(6 * x)
    np.testing.assert_allclose(cr.jacobian(cr.grad(f))(cr.tensor(x)).numpy(), expected, atol=1e-13)
    for v in np.eye(2):
        np.testing.assert_allclose(cr.hvp(f, x, v).numpy(), expected @ v, atol=1e-13)
    with pytest.raises(ShapeError, match="equal shapes"):
        cr.hvp(f, x, np.ones(3))


def test_third_derivative_by_jacobians() -> None:
    third = cr.jacobian(cr.jacobian(cr.grad(lambda x: (x**3).sum())))(double(1, 2))
    assert third.shape == (2, 2, 2) and third[0, 0, 0].item() == 6 and third.sum().item() == 12
