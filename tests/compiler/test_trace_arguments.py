"""Arguments and results of compiled functions: data, parameters, models, nested structures, static values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from twins import assert_same, numbers, traced

import chainrule as cr
from chainrule import nn, optim

X, Y = (cr.tensor(numbers(i, 3)) for i in range(2))


class Pair(NamedTuple):
    """Two of something."""

    left: Any
    right: Any


# ---- arguments


def test_positional_keyword_and_default_arguments(backend: Any) -> None:
    def f(a: cr.Tensor, /, b: cr.Tensor, *rest: cr.Tensor, scale: float = 2.0, **named: cr.Tensor) -> list[cr.Tensor]:
        return [a - b, *[r * scale for r in rest], *[v + 1 for v in named.values()]]

    compiled = cr.compile(f, backend=backend)
    for args, kwargs in [
        ((X, Y), {}), ((X,), {"b": Y}), ((X, Y, X), {"scale": 3.0}), ((X, Y), {"z": Y, "y": X}), ((Y, X), {}),
    ]:  # fmt: skip
        assert_same(compiled(*args, **kwargs), f(*args, **kwargs))
    assert traced(compiled) == 4


def test_nested_arguments(backend: Any) -> None:
    def f(batch: Any, pair: Pair, options: dict[str, Any]) -> Any:
        return batch[0]["x"] * pair.left + batch[1][0] * options["by"] + (pair.right or 0)

    arguments = ({"x": X}, [Y]), Pair(X + 1, None), {"by": 2, "unused": [1, (2, "three")]}
    compiled = cr.compile(f, backend=backend)
    assert_same(compiled(*arguments), f(*arguments))
    names = {compiled.graph().names[n] for n in compiled.graph().inputs}
    assert names == {"batch_0_x", "batch_1_0", "pair_0"}


def test_arrays_and_numbers(backend: Any) -> None:
    """NumPy arrays are inputs, of any layout and supported type; Python numbers are part of the program."""

    def f(x: Any, n: Any) -> cr.Tensor:
        return cr.tensor([1.0]) * x * n

    compiled = cr.compile(f, backend=backend)
    base = np.arange(24).reshape(4, 6)
    for array in (base, base.T, base[::2, ::-3], base.astype(">i4"), base.astype("uint8"), base > 3, base[0]):
        for x in (array.astype("float32"), array):
            assert_same(compiled(x, 2), f(cr.tensor(x), 2))
    count = traced(compiled)
    compiled(base, 2)
    assert traced(compiled) == count
    with pytest.raises(cr.DTypeError, match="float16"):
        compiled(np.ones(2, np.float16), 2)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 1], [1, 1.0, True], [0.0, -0.0], ["sum", "mean"], [None, 1], [(1, 2), [1, 2], (1, 3)],
        [np.float32(1), np.float64(1)], [np.dtype("float32"), np.dtype("float64")], [slice(0, 1), slice(0, 2)],
        [{"a": 1}, {"a": 2}, {"b": 1}], [{1, 2}, {1, 3}],
    ],
    ids=str,
)  # fmt: skip
def test_static_values_are_told_apart(values: list[Any], backend: Any) -> None:
    """Each is a program of its own, and seen again it is not traced again."""
    compiled = cr.compile(lambda x, value: (x + 1, [value]), backend=backend)
    for value in (*values, *values):
        _, (result,) = compiled(X, value)
        assert (type(result), str(result)) == (type(value), str(value))
    assert traced(compiled) == len({(type(v), str(v)) for v in values})


def test_a_static_nan_is_one_value(backend: Any) -> None:
    compiled = cr.compile(lambda x, value: x * value, backend=backend)
    for text in ("nan", "nan", "inf", "nan"):
        compiled(X, float(text))
    assert traced(compiled) == 2


def test_static_objects_are_told_apart_by_identity(backend: Any) -> None:
    class Settings:
        """Without a hash, so that only identity is left."""

        __hash__ = None  # type: ignore[assignment]

        def __init__(self, scale: float) -> None:
            self.scale = scale

    compiled = cr.compile(lambda x, s: x * s.scale, backend=backend)
    for scale in range(40):  # each freed before the next is made, perhaps at the same address
        assert compiled(X, Settings(scale)).numpy()[0] == X.numpy()[0] * np.float32(scale)
    kept = Settings(9.0)
    compiled(X, kept)
    count = traced(compiled)
    compiled(X, kept)
    assert traced(compiled) == count


def test_shapes_and_types_have_programs_of_their_own(backend: Any) -> None:
    """As the last batch of an epoch, which is smaller."""
    model = nn.Linear(3, 2)

    compiled = cr.compile(lambda x: model(x).mean(0), backend=backend)
    for rows in (8, 8, 5, 8, 5, 1, 0):
        x = cr.tensor(numbers(rows, rows, 3))
        assert_same(compiled(x), model(x).mean(0))
    assert traced(compiled) == 4
    sums = cr.compile(lambda x: x.sum() + x[0], backend=backend)
    for dtype in ("float32", "float64", "int64", "int32", "uint8", "bool", "float32"):
        x = cr.tensor(np.array([1, 0, 1]).astype(dtype))
        assert_same(sums(x), x.sum() + x[0])
    assert traced(sums) == 6


def test_no_grad_and_the_default_dtype_are_part_of_a_trace(backend: Any) -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(x: cr.Tensor) -> tuple[bool, cr.Tensor]:
        return (w * x).requires_grad, cr.zeros(2) + 0.5

    compiled = cr.compile(f, backend=backend)
    assert compiled(cr.ones(2))[0] is True
    with cr.no_grad():
        assert compiled(cr.ones(2))[0] is False
    cr.set_default_dtype("float64")
    try:
        assert compiled(cr.ones(2, dtype="float32"))[1].dtype == np.float64
    finally:
        cr.set_default_dtype("float32")
    assert traced(compiled) == 3


# ---- arguments that are more than data


def test_parameters_as_arguments(backend: Any) -> None:
    """Gradients arrive at the call's own tensors, and accumulate there."""

    def f(w: cr.Tensor, x: cr.Tensor) -> cr.Tensor:
        assert isinstance(w, cr.Parameter)
        loss = ((w * x) ** 2).sum()
        loss.backward()
        return loss

    compiled = cr.compile(f, backend=backend)
    plain, traced_ = ([cr.Parameter(numbers(i, 3)) for i in range(2)] for _ in range(2))
    for i in (0, 0, 1, 0, 1):
        assert_same(compiled(traced_[i], X), f(plain[i], X))
    for p, q in zip(plain, traced_, strict=True):
        assert_same(q.grad, p.grad)
        assert q.is_leaf and q.requires_grad
    assert traced(compiled) == 2  # without and with a gradient to add to


def test_an_argument_that_the_function_reaches_in_another_way(backend: Any) -> None:
    """Through its optimizer, or as a variable: it is one tensor all the same."""

    def make() -> tuple[Any, ...]:
        w, v = (cr.tensor(numbers(i, 3), requires_grad=True) for i in range(2))
        optimizer = optim.SGD([w, v], lr=0.1)

        def step(a: cr.Tensor, x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = ((a * x - w) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss + a.sum()

        return step, w, v, optimizer

    worlds = []
    for compiled in (False, True):
        step, w, v, _ = make()
        step = cr.compile(step, backend=backend, keep_gradients=True) if compiled else step
        other = cr.tensor(numbers(4, 3), requires_grad=True)
        results = [step(a, X) for a in (w, w, v, other, other, w)]
        worlds.append([*results, w, v, other, w.grad, other.grad])
    assert_same(worlds[1], worlds[0])


def test_one_tensor_passed_twice(backend: Any) -> None:
    def f(a: cr.Tensor, b: cr.Tensor) -> None:
        (a * b).sum().backward()

    w, twin, other = (cr.tensor([1.0, 2.0], requires_grad=True) for _ in range(3))
    compiled = cr.compile(f, backend=backend)
    for a, b in [(w, w), (w, w), (w, other)]:
        compiled(a, b)
    f(twin, twin)
    f(twin, twin)
    f(twin, other)
    assert w.grad.tolist() == twin.grad.tolist() == [5.0, 10.0]


def test_a_model_and_an_optimizer_as_arguments(backend: Any) -> None:
    def step(model: nn.Module, optimizer: optim.Optimizer, x: cr.Tensor) -> cr.Tensor:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled = cr.compile(step, backend=backend)
    models = [nn.Linear(3, 1) for _ in range(2)]
    twins = [nn.Linear(3, 1) for _ in range(2)]
    for model, twin in zip(models, twins, strict=True):
        twin.load_state_dict(model.state_dict())
    optimizers = [[optim.Adam(m.parameters(), lr=0.1) for m in group] for group in (models, twins)]
    x = cr.tensor(numbers(1, 4, 3))
    for i in (0, 1, 0, 1, 1):
        assert_same(compiled(models[i], optimizers[0][i], x), step(twins[i], optimizers[1][i], x), "optimizer")
    assert traced(compiled) == 2


def test_gradients_do_not_leave_through_arguments(backend: Any) -> None:
    """A history outside the function cannot be walked from inside: an error that says so, where it would be."""
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    h = w * 3

    def inside(x: cr.Tensor) -> None:
        (x * x).sum().backward()

    for compiled in (cr.compile(inside, backend=backend), cr.compile(lambda y: inside(h * y), backend=backend)):
        with pytest.raises(cr.GradientError, match="history that begins in the function"):
            compiled(h)
        assert w.grad is None and h.grad is None
    assert cr.compile(lambda x: (x * h).sum(), backend=backend)(h).item() == 45.0
    compiled = cr.compile(inside, backend=backend)
    compiled(cr.tensor([1.0, 2.0], requires_grad=True))  # a leaf first: the other is another trace
    with pytest.raises(cr.GradientError, match=r"x\.detach\(\)"):
        compiled(h)


# ---- results


def test_nested_results(backend: Any) -> None:
    def f(x: cr.Tensor) -> Any:
        return {"pair": Pair(x * 2, [x.sum(), (x + 1,)]), "none": None, "text": "a", "number": 3, "same": x, "again": x}

    compiled = cr.compile(f, backend=backend)
    for x in (X, Y):
        result = compiled(x)
        assert type(result["pair"]) is Pair
        assert_same(result, f(x))
    one, two = compiled(X), compiled(X)
    assert one is not two and one["pair"].right is not two["pair"].right


@pytest.mark.parametrize("result", [None, 5, "text", (), [], {}, (1, [2, {"three": 3.0}])], ids=str)
def test_results_without_tensors(result: Any, backend: Any) -> None:
    compiled = cr.compile(lambda x: result, backend=backend)
    assert compiled(X) == result and compiled(X) == result


def test_tensors_that_learn_are_returned_themselves(backend: Any) -> None:
    """What was there before the call is that very object, as eagerly; everything else is new."""
    model, buffer = nn.Linear(3, 2), cr.tensor(numbers(3, 2))

    def f(w: cr.Tensor, x: cr.Tensor) -> tuple[Any, ...]:
        with cr.no_grad():
            w.add_(1.0)
        return w, model.weight, [buffer], x, model(x)

    compiled = cr.compile(f, backend=backend)
    w, v = (cr.tensor(numbers(i, 3), requires_grad=True) for i in range(2))
    for tensor in (w, v, w):
        before = tensor.numpy()
        results = compiled(tensor, X)
        assert results[0] is tensor and results[1] is model.weight and results[2][0] is buffer
        np.testing.assert_allclose(tensor.numpy(), before + 1)
        assert_same(results[3:], (X, model(X)))
    assert traced(compiled) == 1


def test_the_same_result_in_many_places(backend: Any) -> None:
    def f(x: cr.Tensor) -> tuple[cr.Tensor, ...]:
        y = x * 2
        return y, y, y.reshape(3, 1), x, cr.tensor([1.0]), cr.tensor([1.0])

    assert_same(cr.compile(f, backend=backend)(X), f(X))


def test_constants_made_in_the_function(backend: Any) -> None:
    def f() -> list[Any]:
        made = cr.tensor([1.0, 2.0])
        with cr.no_grad():
            made.add_(1.0)
        return [made, cr.zeros(2, 2), cr.arange(4), cr.eye(2), cr.full((2,), 7.0), cr.tensor(3).item(), made + 1]

    compiled = cr.compile(f, backend=backend)
    assert_same([compiled(), compiled()], [f(), f()])


# ---- backward on results


def test_backward_on_a_result_says_where_it_belongs(backend: Any) -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    compiled = cr.compile(lambda x: (w * x).sum(), backend=backend)
    with pytest.raises(cr.GradientError) as caught:
        compiled(cr.ones(2)).backward()
    text = str(caught.value)
    assert "the result of a compiled function" in text and "put loss.backward() into the function" in text
    assert "cr.compile(cr.value_and_grad(f))" in text
    with pytest.raises(cr.GradientError, match="results of compiled functions"):
        (compiled(cr.ones(2)) * 2).backward()
    plain = cr.compile(lambda x: x * 2, backend=backend)
    with pytest.raises(cr.GradientError, match="a tensor that needs no gradient"):
        plain(cr.ones(1)).backward()
    result = compiled(cr.ones(2))
    assert result.is_leaf and not result.requires_grad
    result.requires_grad_()
    (result * 3).backward()
    assert result.grad.item() == 3.0 and w.grad is None
