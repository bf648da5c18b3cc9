"""What a trace takes for granted: when it changes, the function is traced again, and ``explain`` says why."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from twins import assert_same, check_twins, numbers, traced

import chainrule as cr
from chainrule import nn
from chainrule.compiler.compile import MOST_TRACES
from chainrule.compiler.guards import Guard, Same, image, module_image, surroundings, variables

X = cr.tensor(numbers(0, 3))

RATE = 2.0
NAMES = ["a", "b"]
LAYER = nn.Linear(3, 1)
SETTINGS = SimpleNamespace(scale=2.0, inner=SimpleNamespace(shift=1.0))


def helper(x: cr.Tensor) -> cr.Tensor:
    """Reads a global."""
    return x * RATE


def other_helper(x: cr.Tensor) -> cr.Tensor:
    """Takes the place of ``helper`` in a test."""
    return x * 100


# ---- what is around a function


def test_globals(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, containers, functions and what they read, objects and their attributes, modules."""

    def f(x: cr.Tensor) -> cr.Tensor:
        h = helper(x) * len(NAMES) + SETTINGS.scale + SETTINGS.inner.shift
        return LAYER(h) * RATE

    compiled = cr.compile(f, backend=backend)
    count = 0

    def same_as_now(reason: str) -> None:
        nonlocal count
        for _ in range(2):
            assert_same(compiled(X), f(X))
        count += 1
        assert traced(compiled) == count, compiled.explain()
        assert f"{reason} changed" in compiled.explain() or count == 1

    same_as_now("")
    monkeypatch.setitem(globals(), "RATE", 3.0)
    same_as_now("the variable RATE")
    monkeypatch.setitem(globals(), "RATE", 3)
    same_as_now("the variable RATE")
    NAMES.append("c")
    same_as_now("the variable NAMES")
    monkeypatch.setattr(SETTINGS, "scale", 5.0)
    same_as_now("SETTINGS.scale")
    monkeypatch.setattr(SETTINGS.inner, "shift", -1.0)
    same_as_now("SETTINGS.inner.shift")
    monkeypatch.setitem(globals(), "helper", other_helper)
    same_as_now("the variable helper")
    monkeypatch.setitem(globals(), "LAYER", nn.Linear(3, 2))
    same_as_now("the variable LAYER")
    NAMES.pop()


def test_closed_over_variables(backend: Any) -> None:
    scale, offset, tensors = 2.0, cr.tensor(1.0), {"a": cr.tensor([1.0, 2.0, 3.0])}
    switch = False

    def inner(x: cr.Tensor) -> cr.Tensor:
        return x * scale

    def f(x: cr.Tensor) -> Any:
        def innermost(y: cr.Tensor) -> cr.Tensor:
            return y - offset if switch else y + offset

        return innermost(inner(x)) * tensors["a"]

    compiled = cr.compile(f, backend=backend)

    def check(count: int) -> None:
        for _ in range(2):
            assert_same(compiled(X), f(X))
        assert traced(compiled) == count, compiled.explain()

    check(1)
    scale = 5.0
    check(2)
    switch = True
    check(3)
    offset = cr.tensor(7.0)
    check(4)
    offset.add_(1.0)
    tensors["a"].mul_(2.0)
    check(4)  # values of tensors are inputs
    tensors["a"] = cr.ones(3)
    check(5)
    scale = 2.0
    check(6)


def test_a_variable_that_has_its_first_programs_value_again(backend: Any) -> None:
    """Programs are kept: going back and forth traces each once."""
    mode = "plus"
    compiled = cr.compile(lambda x: x + 1 if mode == "plus" else x - 1, backend=backend)
    for _ in range(3):
        mode = "plus"
        assert_same(compiled(X), X + 1)
        mode = "minus"
        assert_same(compiled(X), X - 1)
    assert traced(compiled) == 2


class Worker:
    """Methods, properties and attributes that a compiled method reads."""

    def __init__(self) -> None:
        self.scale, self._shift, self.options = 2.0, 1.0, {"power": 1}
        self.unread = 0

    @property
    def shift(self) -> float:
        """Reads a private attribute."""
        return self._shift

    def powered(self, x: cr.Tensor) -> cr.Tensor:
        """Reads a dict."""
        return x ** self.options["power"]

    def run(self, x: cr.Tensor) -> cr.Tensor:
        """Reads all of them."""
        return self.powered(x) * self.scale + self.shift


def test_attributes_of_self(backend: Any) -> None:
    worker = Worker()
    compiled = cr.compile(worker.run, backend=backend)
    changes: list[tuple[str, Any]] = [("scale", 3.0), ("_shift", -4.0), ("options", {"power": 2}), ("unread", 5)]
    assert_same(compiled(X), worker.run(X))
    for number, (name, value) in enumerate(changes, 2):
        setattr(worker, name, value)
        assert_same(compiled(X), worker.run(X))
        assert traced(compiled) == (number if name != "unread" else number - 1)
    worker.options["power"] = 3
    assert_same(compiled(X), worker.run(X))
    assert traced(compiled) == 5


class Net(nn.Module):
    """A module that is told what to do by attributes, private ones and lists too."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.skip, self._factor, self.sizes = nn.Linear(3, 3), False, 1.0, [1.0, 2.0]
        self.extra = cr.tensor(numbers(3, 3))

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        """Reads them."""
        out = self.layer(x) * self._factor * sum(self.sizes) + self.extra
        return out + x * RATE if self.skip else out


@pytest.mark.parametrize("as_module", [True, False])
def test_attributes_of_modules(as_module: bool, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    compiled = cr.compile(net if as_module else (lambda x: net(x)), backend=backend)

    def check(count: int) -> None:
        assert_same(compiled(X), net(X))
        assert traced(compiled) == count, compiled.explain()

    check(1)
    net.skip = True
    check(2)
    monkeypatch.setitem(globals(), "RATE", 9.0)
    check(3)
    net._factor = 2.0
    check(4)
    net.sizes.append(3.0)
    check(5)
    net.extra = cr.ones(3)
    check(6)
    net.eval()
    check(7)
    net.layer.weight.data = net.layer.weight * 2
    check(7)
    net.layer = nn.Linear(3, 3)
    check(8)


def test_modes_that_are_set_in_the_function(backend: Any) -> None:
    """Evaluation and training in one function; the mode after the call is the one that it sets."""

    def make() -> tuple[Any, ...]:
        cr.manual_seed(4)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))

        def both(x: cr.Tensor, leave: bool) -> tuple[cr.Tensor, cr.Tensor]:
            model.eval()
            before = model(x)
            model.train()
            after = model(x)
            model.train(leave)
            return before, after

        return both, model

    def toggle(both: Any, model: Any) -> None:
        model.train(not model.training)

    x = cr.tensor(numbers(1, 5, 3))
    calls = [(x, True), (x, True), (x, False), (x, False), (x, False), toggle, (x, True), (x, True)]
    step, model = check_twins(make, calls, backend)
    model.eval()
    step.graph(cr.tensor(numbers(1, 7, 3)), True)
    assert not model.training


def test_guards_are_of_a_functions_own_text() -> None:
    """What it does not name is no part of its program."""

    def f(x: cr.Tensor) -> cr.Tensor:
        return x * RATE

    assert variables(f) == {"RATE": RATE}
    assert [guard.what for guard in surroundings(f)] == ["the variable RATE"]
    assert variables(3) == {} and surroundings(len) == []


def test_images() -> None:
    """Plain values by type and content, small containers by their items, all else by identity."""
    pairs = [(1, True), (1, 1.0), (0.0, -0.0), ([1], (1,)), ({"a": 1}, {"b": 1}), (np.float32(1), 1.0), (None, False)]
    for a, b in pairs:
        assert image(a) != image(b) and image(a) == image(a)
    assert image(float("nan")) == image(float("nan"))
    assert image({"a": [1, (2, "x")]}) == image({"a": [1, (2, "x")]})
    one, two = object(), object()
    assert image([one]) == image([one]) != image([two])
    many = list(range(100))
    kept = image(many)
    many[3] = -1
    assert image(many) == kept and image(list(many)) != kept
    many.append(1)
    assert image(many) != kept
    assert Same(one) == Same(one) and hash(Same(one)) == hash(Same(one)) and Same(one) != one
    recursive: list[Any] = []
    recursive.append(recursive)
    assert image(recursive) == image(recursive)
    values = iter([1, 1, 2])
    guard = Guard("it", lambda: next(values))
    assert guard.holds() and not guard.holds()
    layer = nn.Linear(1, 1)
    before = module_image(layer)
    assert module_image(layer) == before
    layer.register_forward_hook(lambda *_: None)
    assert module_image(layer) != before


# ---- what changes at every call


def test_python_code_that_changes_what_it_reads(backend: Any) -> None:
    """A counter in Python: every call is right, at the price of a trace."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(0, 3), requires_grad=True)
        count = 0

        def f(x: cr.Tensor) -> tuple[cr.Tensor, int]:
            nonlocal count
            count += 1
            with cr.no_grad():
                w.add_(x)
            return w * count, count

        return f, w

    step, _ = check_twins(make, [(X,)] * 5, backend, traces=5)
    assert "the variable count changes in the function itself" in step.explain()


class Counting(nn.Module):
    """Counts its calls in a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(3, 2), 0

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        """Scaled by the number of calls."""
        self.calls += 1
        return self.layer(x) * self.calls


def test_modules_that_change_themselves(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        cr.manual_seed(3)
        net = Counting()
        return (lambda x: (net(x), net.calls)), net

    check_twins(make, [(X,)] * 4, backend)


def test_the_limit_of_traces(backend: Any) -> None:
    """After so many programs of one function it runs as it is, says so once, and stays right."""
    compiled = cr.compile(lambda x, n: x * n, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(MOST_TRACES):
            compiled(X, n)
    assert traced(compiled) == MOST_TRACES
    with pytest.warns(
        UserWarning, match=rf"runs eagerly from now on: traced {MOST_TRACES} times.*static values"
    ) as told:
        assert_same(compiled(X, -1), X * -1)
    assert told[0].filename == __file__ and len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(compiled(X, -2), X * -2)
        assert_same(compiled(X, 3), X * 3)  # the programs that there are go on being used
        assert_same(compiled.scan([], [cr.ones(4, 3), cr.ones(4)]), cr.ones(4, 3))
    assert traced(compiled) == MOST_TRACES
    assert f"{MOST_TRACES + 1}. given up: traced {MOST_TRACES} times" in compiled.explain()
    assert compiled.graph() is not None


def test_the_limit_counts_programs_for_one_call(backend: Any) -> None:
    """A function that changes its surroundings in each call ends as an eager one, without missing a step."""
    total = 0
    w = cr.tensor([0.0], requires_grad=True)

    def f() -> cr.Tensor:
        nonlocal total
        total += 1
        with cr.no_grad():
            w.add_(float(total))
        return w * 1

    compiled = cr.compile(f, backend=backend)
    with pytest.warns(UserWarning, match="the variable total changes in the function itself"):
        for _ in range(MOST_TRACES + 5):
            compiled()
    count = MOST_TRACES + 5
    assert total == count and w.item() == count * (count + 1) / 2
