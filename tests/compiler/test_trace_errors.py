"""What cannot be traced: the error shows the user's line and a way out, and nothing has changed."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from twins import assert_same, numbers, snapshot, traced

import chainrule as cr
from chainrule import nn, optim

X = cr.tensor(numbers(0, 6, 3))

#: Uses of a traced number, each with the text that the error is to show.
LOOKS: dict[str, Callable[[cr.Tensor], Any]] = {
    "if loss > 1": lambda loss: 1 if loss > 1 else 2,
    "while loss > 1": lambda loss: [0 for _ in iter(lambda: bool(loss > 1), False)],
    "not loss": lambda loss: not loss,
    "loss and 1": lambda loss: loss and 1,
    "loss.item()": lambda loss: loss.item(),
    "float(loss)": lambda loss: float(loss),
    "int(loss)": lambda loss: int(loss),
    "loss.numpy()": lambda loss: loss.numpy(),
    "loss.tolist()": lambda loss: loss.tolist(),
    "np.asarray(loss)": lambda loss: np.asarray(loss),
    "math.exp(loss)": lambda loss: math.exp(loss),
    "max(loss, 1.0)": lambda loss: builtins.max(loss, 1.0),
    "range(loss.long())": lambda loss: list(range(loss.long())),
    "f'{loss:.2f}'": lambda loss: f"{loss:.2f}",
    "cr.tensor(loss)": lambda loss: cr.tensor(loss),
    "loss == loss in list": lambda loss: 3.0 in [loss],
    "assert loss > 0": lambda loss: bool((loss > 0).all()),
}


def world(look: Callable[[cr.Tensor], Any]) -> tuple[Any, ...]:
    """A step that changes everything there is, and then looks at its loss."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    total = cr.tensor(0.0)
    (model(X) ** 2).mean().backward()
    optimizer.step()

    def step(x: cr.Tensor) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        total.add_(loss.detach())
        (model(x) ** 2).mean().backward()
        return look(loss)

    return step, [model, optimizer, schedule, total]


@pytest.mark.parametrize("name", LOOKS)
def test_looking_at_a_number(name: str, backend: Any) -> None:
    step, things = world(LOOKS[name])
    before = snapshot(things)
    nodes = [p.node for p in things[0].parameters()]
    compiled = cr.compile(step, backend=backend)
    for _ in range(2):
        with pytest.raises(cr.GradientError) as caught:
            compiled(X)
        assert_same(snapshot(things), before)
    text = str(caught.value)
    assert "the numbers of a tensor while a function is traced" in text
    assert "f32[], whose numbers are known only when" in text or "[]" in text
    assert "cr.where(condition, a, b)" in text and "as a Python number" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("at:"))
    assert "test_trace_errors.py:" in line and "lambda loss:" in line
    assert [p.node for p in things[0].parameters()] == nodes
    # It runs as it is, and trains on.
    cr.compile(lambda x: things[0](x), backend=backend)(X)
    step(X)


def test_looking_at_state_and_arguments(backend: Any) -> None:
    """Not only at what was computed: parameters, gradients and arguments may be others at the next call."""
    w = cr.tensor([3.0], requires_grad=True)
    w.grad = cr.ones(1)
    for look in (
        lambda x: w.item(), lambda x: w.data.item(), lambda x: w.detach().numpy(), lambda x: w.grad.item(),
        lambda x: x.item(), lambda x: x if w > 1 else -x, lambda x: float(x.shape[0] * w),
    ):  # fmt: skip
        with pytest.raises(cr.GradientError, match="numbers of a tensor while a function is traced"):
            cr.compile(look, backend=backend)(cr.ones(1))
        assert w.item() == 3.0 and w.grad.item() == 1.0


def test_what_is_known_may_be_looked_at(backend: Any) -> None:
    """Shapes, types, modes, Python numbers, and constants that the function makes."""
    w = cr.tensor([[1.0, 2.0]], requires_grad=True)

    def f(x: cr.Tensor) -> cr.Tensor:
        assert x.ndim == 1 and len(x) == 3 and x.dtype == np.float32 and w.requires_grad and w.is_leaf and x.numel() < 9
        scale = 2 if x.shape[0] > 2 and float(cr.tensor(1.5)) > 1 else 3
        for row in x:
            scale = scale + row * 0
        return x * scale * len(w)

    assert_same(cr.compile(f, backend=backend)(X[0]), X[0] * 2)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, cr.ShapeError])
def test_exceptions_in_the_function(error: Any, backend: Any) -> None:
    """They come out as they are, and everything is as it was; the next call is traced as if nothing had been."""
    fail = True

    def look(loss: cr.Tensor) -> Any:
        if fail and error is cr.ShapeError:
            return cr.ones(2) + cr.ones(3)
        if fail:
            raise error("on purpose")
        return loss

    step, things = world(look)
    before = snapshot(things)
    compiled = cr.compile(step, backend=backend)
    with pytest.raises(error) as caught:
        compiled(X)
    assert "on purpose" in str(caught.value) or "at:       test_trace_errors.py" in str(caught.value)
    assert_same(snapshot(things), before)
    assert cr.is_grad_enabled() and compiled.events == []
    fail = False
    assert compiled(X).item() > 0 and traced(compiled) == 1


def test_exceptions_within_layers_and_modes(backend: Any) -> None:
    """The modes that layers, no_grad and derivatives set are as before (the tests' own watch looks at the others)."""

    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 1))

    def f(x: cr.Tensor) -> Any:
        with cr.no_grad():
            return cr.grad(lambda v: model(v).sum())(x)

    with pytest.raises(cr.ShapeError) as caught:
        cr.compile(f, backend=backend)(X)
    assert "layer:" in str(caught.value) and cr.is_grad_enabled()
    assert cr.core.modes.current().deriving == 0 and cr.core.modes.current().tracer is None


def test_errors_while_it_runs(backend: Any) -> None:
    """An index that does not fit is found when the program runs: state is as it was before the call."""
    table = cr.tensor(numbers(1, 4, 2), requires_grad=True)
    optimizer = optim.SGD([table], lr=0.1, momentum=0.9)
    count = cr.tensor(0)

    @cr.compile(backend=backend)
    def step(rows: cr.Tensor) -> None:
        optimizer.zero_grad()
        count.add_(1)
        (table[rows] ** 2).sum().backward()
        optimizer.step()
        cr.rand(3)

    step(cr.tensor([0, 3]))
    step(cr.tensor([0, 3]))
    before = snapshot([table, optimizer, count])
    with pytest.raises((IndexError, cr.ChainruleError)):
        step(cr.tensor([0, 4]))
    assert_same(snapshot([table, optimizer, count]), before)
    step(cr.tensor([0, -4]))
    assert count.item() == 3


# ---- traced tensors that outlive their trace


class Kept:
    """Where a function leaves things behind."""

    tensor: Any = None


@dataclass
class Output:
    """A form of result that is not looked into."""

    value: Any


USES: dict[str, Callable[[cr.Tensor], Any]] = {
    "item": lambda t: t.item(),
    "numpy": lambda t: t.numpy(),
    "float": lambda t: float(t),
    "truth": lambda t: bool(t),
    "list": lambda t: t.tolist(),
    "array": lambda t: np.asarray(t),
    "add": lambda t: t + 1,
    "radd": lambda t: 1 - t,
    "multiply": lambda t: t * cr.ones(()),
    "compare": lambda t: t == 1,
    "power": lambda t: t**2,
    "exp": lambda t: t.exp(),
    "sum": lambda t: t.sum(),
    "where": lambda t: cr.where(cr.tensor(True), t, t),
    "stack": lambda t: cr.stack([t, t]),
    "reshape": lambda t: t.reshape(1),
    "detach": lambda t: t.detach(),
    "cast": lambda t: t.double(),
    "backward": lambda t: t.backward(),
    "grad": lambda t: cr.grad(lambda x: x * t)(1.0),
    "in place": lambda t: t.add_(1.0),
    "as data": lambda t: cr.zeros(()).copy_(t).item(),
    "compiled": lambda t: cr.compile(lambda: t * 2, backend="numpy")(),
    "argument": lambda t: cr.compile(lambda x: x * 2, backend="numpy")(t),
    "format": lambda t: f"{t:.3f}",
}


@pytest.mark.parametrize("name", USES)
def test_traced_tensors_after_the_trace(name: str, backend: Any) -> None:
    """Left in a list, an attribute or an object that is not looked into: any use says what to do instead."""
    w = cr.tensor(numbers(2, 3), requires_grad=True)
    kept = Kept()

    def f(x: cr.Tensor) -> Output:
        kept.tensor = (w * x).sum()
        return Output(kept.tensor)

    result = cr.compile(f, backend=backend)(X)
    for tensor in (kept.tensor, result.value):
        with pytest.raises((cr.GraphError, cr.GradientError)) as caught:
            USES[name](tensor)
        text = str(caught.value)
        assert "a tensor of a compiled function, used after its trace" in text
        made_by = "multiply" if name == "backward" else "sum"
        assert f" made by {made_by} at test_trace_errors.py:" in text
        assert "return it from the function, by itself or in a tuple, list or dict" in text
        assert "traced f32[]" in repr(tensor) and tensor.shape == () and tensor.dtype == np.float32


def test_arguments_and_constants_after_the_trace(backend: Any) -> None:
    """What stood for an argument has no numbers either; what the function made from numbers has."""
    kept: list[cr.Tensor] = []

    def f(x: cr.Tensor) -> cr.Tensor:
        kept.extend([x, cr.ones(2)])
        return x * 2

    cr.compile(f, backend=backend)(X)
    with pytest.raises(cr.GraphError, match="used after its trace"):
        kept[0].sum()
    assert kept[1].tolist() == [1.0, 1.0]


def test_a_traced_tensor_that_the_next_trace_meets(backend: Any) -> None:
    """State kept as an attribute, as a recurrent network would: the second call says so instead of using old numbers."""

    class Cell(nn.Module):
        """Keeps what it computed."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.h = nn.Linear(2, 2), cr.zeros(1, 2)

        def forward(self, x: cr.Tensor) -> cr.Tensor:
            """The next state, from the last."""
            self.h = (self.layer(self.h) + x).tanh()
            return self.h

    compiled = cr.compile(Cell(), backend=backend)
    compiled(cr.ones(1, 2))
    with pytest.raises(cr.GraphError, match="used after its trace"):
        compiled(cr.ones(1, 2))


def test_masks_and_counts_that_depend_on_values(backend: Any) -> None:
    """A result whose shape depends on values has its own error."""
    with pytest.raises(cr.GradientError, match=r"where\(mask, t, 0\)"):
        cr.compile(lambda x: x[x > 0], backend=backend)(X)
    with pytest.raises(cr.ChainruleError, match="num_classes"):
        cr.compile(lambda t: cr.one_hot(t), backend=backend)(cr.tensor([1, 2]))


def test_setting_items(backend: Any) -> None:
    """Replacing a part of a tensor in place needs its numbers."""
    buffer = cr.zeros(3)

    def f(x: cr.Tensor) -> None:
        buffer[0] = 1.0

    with pytest.raises(cr.GradientError, match=r"buffer\[0\] = 1\.0"):
        cr.compile(f, backend=backend)(X)
    assert buffer.tolist() == [0, 0, 0]
