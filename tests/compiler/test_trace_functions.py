"""What can be compiled and called: functions, methods, modules, and derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import assert_same, check_twins, numbers, traced

import chainrule as cr
from chainrule import nn, optim

X, Y = (cr.tensor(numbers(i, 3)) for i in range(2))


# ---- derivatives


def cube(x: cr.Tensor) -> cr.Tensor:
    """x^3, summed."""
    return (x**3).sum()


DERIVATIVES: dict[str, Callable[[cr.Tensor], Any]] = {
    "grad": cr.grad(cube),
    "value_and_grad": cr.value_and_grad(cube),
    "grad of grad": cr.grad(lambda x: cr.grad(cube)(x).sum()),
    "jacobian": cr.jacobian(lambda x: x * x.sum()),
    "hvp": lambda x: cr.hvp(cube, x, cr.ones(3)),
    "grad_of": lambda x: cr.grad_of(cube(x.requires_grad_()), x) if not x.requires_grad else cr.grad_of(cube(x), x),
    "two arguments": lambda x: cr.grad(lambda a, b: (a * b**2).sum(), argnums=(0, 1))(x, x + 1),
    "nested": lambda x: cr.grad(lambda p: (p["w"] * p["b"][0]).sum())({"w": x, "b": [x * 2]}),
    "has_aux": lambda x: cr.value_and_grad(lambda x: (cube(x), {"seen": x * 2}), has_aux=True)(x),
    "unused": lambda x: cr.grad(lambda a, b: (a * 2).sum(), argnums=1)(x, x * 3),
    "constant": lambda x: cr.grad(lambda a: cr.tensor(1.0))(x),
    "a number": lambda x: cr.grad(lambda a: (a * x).sum())(2.0),
}


@pytest.mark.parametrize("name", [name for name in DERIVATIVES if name != "grad_of"])
def test_derivatives_of_functions(name: str, backend: Any) -> None:
    compiled = cr.compile(DERIVATIVES[name], backend=backend)
    for x in (X, Y):
        assert_same(compiled(x), DERIVATIVES[name](x))
    assert traced(compiled) == 1 and X.grad is None


def test_gradients_of_parameters_given_as_data(backend: Any) -> None:
    """The functional way: parameters in, gradients out, new parameters made by hand."""
    parameters = {"w": cr.tensor(numbers(0, 3, 2)), "b": cr.tensor(numbers(1, 2))}

    def loss(p: dict[str, cr.Tensor], x: cr.Tensor) -> cr.Tensor:
        return ((x @ p["w"] + p["b"]) ** 2).mean()

    def update(p: dict[str, cr.Tensor], x: cr.Tensor) -> Any:
        value, gradients = cr.value_and_grad(loss)(p, x)
        return value, {name: p[name] - 0.1 * gradients[name] for name in p}

    compiled = cr.compile(update, backend=backend)
    plain = program = parameters
    for i in range(4):
        x = cr.tensor(numbers(i, 5, 3))
        (a, plain), (b, program) = update(plain, x), compiled(program, x)
        assert_same((b, program), (a, plain))
    assert traced(compiled) == 1


def test_second_derivatives_in_a_training_step(backend: Any) -> None:
    """A penalty on the gradient: a walk that is walked over again."""

    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = optim.SGD(model.parameters(), lr=0.05)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            point = x.detach().requires_grad_()
            out = model(point).sum()
            slope = cr.grad_of(out, point, create_graph=True)
            loss = cr.absolute((slope**2).sum(1) - 1.0).mean() + out * 0.01
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    check_twins(
        make, [(cr.tensor(numbers(i, 6, 2)),) for i in range(3)], backend, "optimizer", gradients=False, traces=1
    )


def test_derivatives_of_compiled_functions(backend: Any) -> None:
    """Taken through the function as it is: the numbers are right, and the compiled function stays what it was."""
    compiled = cr.compile(cube, backend=backend)
    compiled(X)
    assert_same(cr.grad(compiled)(X), cr.grad(cube)(X))
    assert_same(cr.grad(lambda x: compiled(x) * 2)(X), cr.grad(cube)(X) * 2)
    assert_same(cr.hvp(compiled, X, Y), cr.hvp(cube, X, Y))
    assert_same(cr.jacobian(cr.compile(lambda x: x * x, backend=backend))(X), cr.jacobian(lambda x: x * x)(X))
    cr.check_grads(compiled, X)
    assert_same(compiled(Y), cube(Y))
    assert traced(compiled) == 1


# ---- methods, modules, nesting


class Model:
    """A plain class with compiled methods."""

    count = 0

    def __init__(self, scale: float) -> None:
        self.w = cr.tensor([scale, 2.0 * scale, 0.0], requires_grad=True)

    @cr.compile
    def scaled(self, x: cr.Tensor, power: int = 1) -> cr.Tensor:
        """A method."""
        return (self.w * x) ** power

    @staticmethod
    @cr.compile
    def doubled(x: cr.Tensor) -> cr.Tensor:
        """A static method."""
        return x * 2

    @cr.compile(keep_gradients=True)
    def learn(self, x: cr.Tensor) -> cr.Tensor:
        """Calls another compiled method."""
        loss = self.scaled(x, 2).sum() + self.doubled(x).sum()
        loss.backward()
        return loss


class Child(Model):
    """Overrides a compiled method, and calls the one it overrides."""

    @cr.compile
    def scaled(self, x: cr.Tensor, power: int = 1) -> cr.Tensor:
        """Three times the parent's."""
        return super().scaled(x, power) * 3


@pytest.mark.usefixtures("backend")
def test_methods() -> None:
    """Each instance has traces of its own; the doc string and the name are the function's."""
    one, two = Model(1.0), Model(5.0)
    for model in (one, two, one):
        assert_same(model.scaled(X), model.w.detach() * X)
        assert_same(model.scaled(X, power=2), (model.w.detach() * X) ** 2)
    assert traced(one.scaled) == 2 and one.scaled is one.scaled is not two.scaled
    assert Model.scaled.__doc__ == "A method." and one.scaled.__name__ == "scaled"
    assert_same(Model.doubled(X), X * 2)
    one.learn(X)
    np.testing.assert_allclose(one.w.grad.numpy(), (2 * one.w * X * X).numpy(), rtol=1e-6)
    assert two.w.grad is None
    child = Child(2.0)
    assert_same(child.scaled(X), child.w.detach() * X * 3)
    child.w = cr.tensor([1.0, 1.0, 1.0])
    assert_same(child.scaled(X), X * 3)


def test_instances_are_let_go(backend: Any) -> None:
    import gc
    import weakref

    model = Model(1.0)
    model.scaled(X)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


class Classifier(nn.Module):
    """A module whose training step is a compiled method."""

    def __init__(self, backend: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
        self.optimizer = optim.Adam(self.parameters(), lr=0.01)
        self.step = cr.compile(self.plain_step, backend=backend) if backend != "plain" else self.plain_step

    def forward(self, x: cr.Tensor, scale: float = 1.0) -> cr.Tensor:
        """The scores."""
        return self.layers(x) * scale

    def plain_step(self, x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
        """One step."""
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self(x), t)
        loss.backward()
        self.optimizer.step()
        return loss


def test_a_step_as_a_method_of_a_module(backend: Any) -> None:
    cr.manual_seed(1)
    plain = Classifier("plain")
    cr.manual_seed(1)
    program = Classifier(backend)
    for i in range(4):
        x, t = cr.tensor(numbers(i, 6, 3)), cr.tensor(np.arange(6) % 2)
        assert_same(program.step(x, t), plain.step(x, t), "optimizer")
    assert_same(program.state_dict(), plain.state_dict(), "optimizer")
    assert traced(program.step) == 1


def test_a_module(backend: Any) -> None:
    """It is still a model: parameters, modes and state are reached through it."""
    model = Classifier("plain")
    compiled = cr.compile(model, backend=backend)
    x = cr.tensor(numbers(0, 5, 3))
    compiled.eval()
    assert not model.training and not compiled.training
    assert_same(compiled(x), model(x))
    assert_same(compiled(x, scale=3.0), model(x, scale=3.0))
    assert list(compiled.parameters()) == list(model.parameters())
    assert compiled.state_dict().keys() == model.state_dict().keys()
    names = [compiled.graph(x).names[n] for n in compiled.graph(x).inputs]
    assert "layers.0.weight" in names and "layers.1.running_mean" in names and names[-1] == "x"
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = compiled.no_such_thing


def test_functions_in_functions(backend: Any) -> None:
    """Compiled functions that call compiled functions are one program."""
    inner = cr.compile(lambda x, n: x * n, backend=backend)
    middle = cr.compile(lambda x: inner(x, 2) + inner(x, 3), backend=backend)
    outer = cr.compile(lambda x: middle(x).sum() + inner(x, 2).sum(), backend=backend)
    assert_same(outer(X), (X * 7).sum())
    assert (traced(outer), traced(middle), traced(inner)) == (1, 0, 0)
    assert_same(inner(X, 2), X * 2)
    assert traced(inner) == 1

    @cr.compile(backend=backend)
    def recursive(x: cr.Tensor, depth: int) -> cr.Tensor:
        return x if depth == 0 else recursive(x, depth - 1) * 2

    assert_same(recursive(X, 5), X * 32)


def test_other_callables(backend: Any) -> None:
    class Scale:
        """An object with ``__call__``."""

        def __init__(self, by: float) -> None:
            self.by = by

        def __call__(self, x: cr.Tensor) -> cr.Tensor:
            """Times ``by``."""
            return x * self.by

    @functools.wraps(cube)
    def decorated(x: cr.Tensor) -> cr.Tensor:
        return cube(x) * 2

    scale = Scale(3.0)
    compiled = cr.compile(scale, backend=backend)
    assert_same(compiled(X), X * 3)
    scale.by = 4.0
    assert_same(compiled(X), X * 4)
    partial = cr.compile(functools.partial(lambda a, b: a - b, Y), backend=backend)
    assert_same(partial(X), Y - X)
    assert_same(cr.compile(cr.ops.exp, backend=backend)(X), X.exp())
    assert_same(cr.compile(decorated, backend=backend)(X), cube(X) * 2)
    assert_same(cr.compile(cr.no_grad()(cube), backend=backend)(X), cube(X))
    assert cr.compile(decorated).__name__ == "cube"


def test_what_cannot_be_compiled() -> None:
    with pytest.raises(cr.ConfigError, match="a function"):
        cr.compile(3)
    with pytest.raises(cr.ConfigError, match="'tpu'"):
        cr.compile(cube, backend="tpu")


def test_names_of_inputs(backend: Any) -> None:
    """As the user knows them; two things of one name are told apart."""
    w = cr.tensor(numbers(0, 3), requires_grad=True)
    first, second = nn.Linear(3, 1), nn.Linear(3, 1)
    optimizers = optim.SGD([w], lr=0.1), optim.SGD([*first.parameters()], lr=0.2)

    @cr.compile(backend=backend)
    def step(x: cr.Tensor) -> None:
        (first(x * w) + second(x * w)).sum().backward()
        for optimizer in optimizers:
            optimizer.step()

    step(X)
    names = [step.graph().names[n] for n in step.graph().inputs]
    assert len(set(names)) == len(names)
    assert {"w", "first.weight", "second.weight", "lr", "lr_2", "x"} <= set(names)
