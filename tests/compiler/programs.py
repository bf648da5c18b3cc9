"""What tests of programs share: tracing without a back end, running, comparing to the bit, and steps to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.compiler.executable import Interpreter
from chainrule.compiler.program import Program
from chainrule.compiler.trace import Place, Trace, trace
from chainrule.core.graph import Node

Array = np.ndarray[Any, Any]

#: Numbers at which rules of algebra break first.
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.25, 1e-42, -3e38, 7.0, 1e-3, -1.0], np.float32)


def traced_step(function: Callable[..., Any], *arrays: Any, streams: int = 0) -> Trace:
    """``function`` traced on arguments called x, y, z, ..."""
    leaves = [cr.Tensor(np.asarray(a)) for a in arrays]
    tree = tuple(Place(i) for i in range(len(leaves))), {}
    return trace(function, tree, leaves, streams, names=list("xyzuvw")[: len(leaves)])


def traced(function: Callable[..., Any], *arrays: Any) -> Program:
    """The program of a function without state."""
    return traced_step(function, *arrays).program


def run(program: Program, *arrays: Any) -> list[Array]:
    """The outputs, computed node by node."""
    return Interpreter(program)([np.asarray(a) for a in arrays])


def same(a: Array, b: Array) -> bool:
    """Equal to the bit, -0.0 apart from 0.0; any NaN equals any NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    nan = np.isnan(a)
    agree = (a == b) & (np.signbit(a) == np.signbit(b))
    return bool((nan == np.isnan(b)).all() and (agree | nan).all())


def lines(program: Program) -> list[str]:
    """The computed nodes, numbered from %0, and what is returned: ``%0 = multiply x 0.25``."""
    graph = program.graph
    names: dict[Node, str] = {**graph.names(), **program.names}
    for constant in program.constants:
        names[constant] = f"{constant.value.item():.9g}" if constant.aval.size == 1 else "constant"
    names |= {node: f"%{i}" for i, node in enumerate(graph.nodes)}
    shown = [f"{names[n]} = {n.op} {' '.join(names[i] for i in n.inputs)}" for n in graph.nodes]
    return [*shown, "return " + " ".join(names[n] for n in graph.outputs)]


# ---- steps of training


def training_step(model: nn.Module, loss: Callable[..., Any], optimizer: optim.Optimizer) -> Callable[..., Any]:
    """One step, as people write it."""

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), t)
        value.backward()
        optimizer.step()
        return value

    return step


def xor() -> tuple[Callable[..., Any], list[Array]]:
    """Two sigmoid layers, mean squared error, gradient descent."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    step = training_step(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.5))
    return step, [x, x[:, :1] != x[:, 1:]]


def _labelled(features: int, classes: int) -> list[Array]:
    generator = np.random.Generator(np.random.Philox(1))
    return [generator.standard_normal((8, features)).astype(np.float32), np.arange(8) % classes]


def iris() -> tuple[Callable[..., Any], list[Array]]:
    """Softmax regression."""
    model = nn.Linear(4, 3)
    step = training_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
    return step, _labelled(4, 3)


def mnist() -> tuple[Callable[..., Any], list[Array]]:
    """784-50-10 with ReLU, gradient descent."""
    model = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
    step = training_step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
    return step, _labelled(784, 10)


def mnist_adam() -> tuple[Callable[..., Any], list[Array]]:
    """784-50-10 with batch normalisation, Adam."""
    # A bias before it has no gradient but roundings, which Adam would make large.
    model = nn.Sequential(nn.Linear(784, 50, bias=False), nn.BatchNorm1d(50), nn.ReLU(), nn.Linear(50, 10))
    step = training_step(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.001))
    return step, _labelled(784, 10)


STEPS = {"xor": xor, "iris": iris, "mnist": mnist, "mnist_adam": mnist_adam}


def trace_of(name: str) -> tuple[Trace, list[Array]]:
    """One of the steps, traced after it ran once (so that the optimizer has its memory), with all its inputs."""
    cr.manual_seed(0)
    step, arrays = STEPS[name]()
    arrays = [a.astype(np.float32) if a.dtype == bool else a for a in arrays]
    step(*map(cr.Tensor, arrays))
    made = traced_step(step, *arrays)
    return made, [*(cell.load() for cell in made.cells), *arrays]
