"""Random programs and random networks: whatever they are, compiled is eager."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twins import assert_same, check_twins, numbers

import chainrule as cr
from chainrule import nn, optim

QUICK = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])

#: Each step of a random program: from the values so far (all of shape (3, 4)) to a new one of that shape.
UNARY: dict[str, Any] = {
    "tanh": lambda a: a.tanh(),
    "sigmoid": lambda a: a.sigmoid(),
    "relu": lambda a: a.relu(),
    "exp": lambda a: (a * 0.3).tanh().exp(),
    "log": lambda a: (a * a + 1.0).log(),
    "sqrt": lambda a: (a * a + 0.5).sqrt(),
    "negative": lambda a: -a,
    "square": lambda a: a * a * 0.1,
    "centred": lambda a: a - a.mean(0),
    "share": lambda a: cr.softmax(a, 1),
    "total": lambda a: a / (1.0 + cr.absolute(a).sum(axis=1, keepdims=True)),
    "turned": lambda a: a.T.reshape(3, 4),
    "rows": lambda a: a[np.array([2, 0, 0])],
    "flip": lambda a: cr.flip(a, 0),
    "cumulative": lambda a: cr.cumsum(a, 1) * 0.3,
    "clip": lambda a: a.clip(-0.7, 0.9),
    "half": lambda a: cr.concatenate([a[:, 2:], a[:, :2]], 1),
    "detached": lambda a: a.detach() * 0.5,
    "greatest": lambda a: a.max(axis=0) + a * 0.1,
    "double": lambda a: a.double().float(),
    "integer": lambda a: a + (a * 3).long().astype(a.dtype) * 0.1,
}
BINARY: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (b * b + 1.0),
    "maximum": lambda a, b: cr.maximum(a, b),
    "where": lambda a, b: cr.where(a > b, a, b * 0.5),
    "product": lambda a, b: (a @ b.T).tanh() @ b * 0.3,
    "outer": lambda a, b: cr.einsum("ij,kj->ki", a, b)[:, :1] * 0.1 + b,
    "powers": lambda a, b: (a.sigmoid() + 0.5) ** b.tanh(),
}

instruction = st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 7)),
    st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 7), st.integers(0, 7)),
)


@QUICK
@given(
    program=st.lists(instruction, min_size=1, max_size=12),
    dtype=st.sampled_from(["float32", "float64"]),
    in_place=st.booleans(),
    twice=st.booleans(),
)
def test_expressions(program: list[Any], dtype: str, in_place: bool, twice: bool, backend: Any) -> None:
    """Values, gradients of the inputs, and a running total, over three calls."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(1, 3, 4, dtype=dtype), requires_grad=True)
        total = cr.tensor(np.zeros((3, 4), dtype))

        def f(x: cr.Tensor) -> tuple[cr.Tensor, ...]:
            values = [x, w, w * x]
            for name, *places in program:
                if dtype == "float64" and name == "double":
                    continue
                inputs = [values[-1 - place % len(values)] for place in places]
                values.append({**UNARY, **BINARY}[name](*inputs))
            out = values[-1]
            if in_place:
                total.add_(out.detach())
            loss = (out * values[len(values) // 2]).mean()
            if twice and loss.requires_grad:
                slope = cr.grad_of(loss, w, create_graph=True, allow_unused=True)
                if slope is not None:
                    loss = loss + (slope * slope).sum()
            w.grad = None
            if loss.requires_grad:
                loss.backward()
            return out, loss

        return f, w, total

    calls = [(cr.tensor(numbers(i, 3, 4, dtype=dtype)),) for i in range(3)]
    check_twins(make, calls, backend, "optimizer", traces=1)


ACTIVATIONS = [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.Softplus, nn.LeakyReLU, nn.Identity]
OPTIMIZERS: list[Any] = [
    lambda ps: optim.SGD(ps, lr=0.05),
    lambda ps: optim.SGD(ps, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda ps: optim.Adam(ps, lr=0.01, eps=1e-3),
    lambda ps: optim.AdamW(ps, lr=0.01, eps=1e-3, amsgrad=True),
    lambda ps: optim.RMSprop(ps, lr=0.01, eps=1e-3, centered=True, momentum=0.5),
    lambda ps: optim.Adagrad(ps, lr=0.05, initial_accumulator_value=0.1),
    lambda ps: optim.NAdam(ps, lr=0.01, eps=1e-3),
]

network = st.fixed_dictionaries(
    {
        "widths": st.lists(st.integers(2, 9), min_size=0, max_size=3),
        "activation": st.sampled_from(ACTIVATIONS),
        "norm": st.sampled_from(["none", "batch", "layer"]),
        "dropout": st.sampled_from([0.0, 0.25]),
        "bias": st.booleans(),
        "loss": st.sampled_from(["mse", "huber", "cross", "smoothed", "bce"]),
        "optimizer": st.integers(0, len(OPTIMIZERS) - 1),
        "dtype": st.sampled_from(["float32", "float64"]),
        "rows": st.integers(4, 9),
        "clip": st.booleans(),
        "frozen": st.booleans(),
        "scan": st.booleans(),
        "seed": st.integers(0, 99),
    }
)


def build(design: dict[str, Any]) -> tuple[nn.Module, Any]:
    """The network of a design, and its loss."""
    layers: list[nn.Module] = []
    width = 4
    for next_width in design["widths"]:
        # Before batch normalisation a bias has no gradient but rounding, which Adam would make large.
        layers.append(nn.Linear(width, next_width, bias=design["bias"] and design["norm"] != "batch"))
        if design["norm"] == "batch":
            layers.append(nn.BatchNorm1d(next_width))
        elif design["norm"] == "layer":
            layers.append(nn.LayerNorm(next_width))
        layers += [design["activation"](), nn.Dropout(design["dropout"])]
        width = next_width
    layers.append(nn.Linear(width, 3))
    losses = {
        "mse": nn.MSELoss(), "huber": nn.HuberLoss(), "cross": nn.CrossEntropyLoss(),
        "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum"), "bce": nn.BCEWithLogitsLoss(),
    }  # fmt: skip
    return nn.Sequential(*layers).to(design["dtype"]), losses[design["loss"]]


def batch(design: dict[str, Any], i: int) -> tuple[cr.Tensor, cr.Tensor]:
    """Inputs and targets that fit the loss."""
    rows, dtype, kind = design["rows"], design["dtype"], design["loss"]
    x = cr.tensor(numbers(design["seed"] + i, rows, 4, dtype=dtype))
    if kind in ("cross", "smoothed"):
        return x, cr.tensor((np.arange(rows) * 7 + i) % 3)
    t = numbers(design["seed"] + 50 + i, rows, 3, dtype=dtype)
    return x, cr.tensor((t > 0).astype(dtype) if kind == "bce" else t)


@QUICK
@given(design=network)
def test_networks(design: dict[str, Any], backend: Any) -> None:
    """Three steps: losses, parameters, statistics, memory, and the stream of random numbers."""

    def make() -> tuple[Any, ...]:
        cr.manual_seed(design["seed"])
        model, loss_function = build(design)
        if design["frozen"] and len(model) > 1:
            model[0].requires_grad_(False)
        optimizer = OPTIMIZERS[design["optimizer"]](model.parameters())

        def step(x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = loss_function(model(x), t)
            loss.backward()
            if design["clip"]:
                optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss

        return step, model, optimizer

    check_twins(make, [batch(design, i) for i in range(3)], backend, "random network", gradients=False)
    if design["scan"]:
        scanned, looped = make(), make()
        cr.manual_seed(1)
        losses = [looped[0](*batch(design, i)) for i in range(3)]
        cr.manual_seed(1)
        streams = [cr.stack(list(parts)) for parts in zip(*(batch(design, i) for i in range(3)), strict=True)]
        found = cr.compile(scanned[0], backend=backend).scan([], streams)
        assert_same(found, cr.stack(losses), "random network")
        assert_same(scanned[1].state_dict(), looped[1].state_dict(), "random network")
