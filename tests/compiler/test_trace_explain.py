"""What a compiled function shows of itself, and the switches that leave it as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twins import assert_same, eager_calls, numbers, snapshot, traced

import chainrule as cr
from chainrule import nn, optim

X = cr.tensor(numbers(0, 3))

# ---- explain, graph, source


def test_explain(backend: Any) -> None:
    """When, why, with what, and by whom."""
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    @cr.compile(backend=backend)
    def step(x: cr.Tensor, power: int = 2) -> cr.Tensor:
        optimizer.zero_grad()
        loss = (model(x) ** power).sum() * cr.rand(()) + 1
        loss.backward()
        optimizer.step()
        return loss

    assert step.explain() == "step: 0 traces" and repr(step) == "<compiled step: 0 traces>"
    x = cr.tensor(numbers(0, 4, 3))
    for _ in range(3):
        step(x)
    step(x, 4)
    optimizer.param_groups[0]["betas"] = (0.5, 0.9)
    step(x)
    lines = step.explain().splitlines()
    assert lines[0] == "step: 3 traces"
    numbered = [line for line in lines if line[0].isdigit()]
    assert numbered == [
        "1. eager: Adam makes its memory in its first step",
        "2. traced: the first call",
        "3. traced: arguments of other shapes, types or static values",
        "4. traced: Adam's betas changed",
    ]
    facts = {line[:19].strip(): line[19:].strip() for line in lines[2 : lines.index(numbered[2])]}
    facts |= {" ".join(k.split()): v for k, v in facts.items()}
    assert facts["arguments"] == "x: f32[4,3]"
    assert facts["tensor"] == "weight, bias" and facts["setting"] == "lr"
    memory = facts["optimizer memory"].split(", ")
    assert set(memory) == {f"{p}.{m}" for p in ("weight", "bias") for m in ("step", "exp_avg", "exp_avg_sq")}
    assert facts["random key"] == "key" and facts["random counter"] == "counter"
    assert set(facts["changed"].split(", ")) == {"weight", "bias", "counter", *memory}
    assert "keep_gradients=True" in facts["gradients"]
    assert "ops, run by" in facts["program"] and "traced in" in facts["time"]
    assert eager_calls(step) == 1


def test_explain_shows_the_program_after_each_pass(backend: Any) -> None:
    compiled = cr.compile(lambda x: (x + 0.0) * 1.0 + (x * x) + (x * x), backend=backend)
    compiled(X)
    text = compiled.explain(passes=True)
    assert text.count("\n---- ") >= 3 and text.count("multiply") >= 3


def test_looking_before_any_call(backend: Any) -> None:
    """Without arguments there is nothing to show, and the error says what to do."""
    compiled = cr.compile(lambda x: x * 2, backend=backend)
    for asked in ("graph", "source", "llvm"):
        with pytest.raises(cr.GraphError) as caught:
            getattr(compiled, asked)()
        text = str(caught.value)
        assert "a function that was not traced yet" in text and f".{asked}(x, y)" in text


def test_looking_with_arguments_runs_and_changes_nothing(backend: Any) -> None:
    """Parameters, gradients, memory, statistics, modes, streams and schedules stay as they are; a call follows as usual."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    model[0].weight.grad = cr.ones(4, 3)

    @cr.compile(backend=backend)
    def step(x: cr.Tensor) -> cr.Tensor:
        model.train()
        (model(x) ** 2).mean().backward()
        optimizer.step()
        schedule.step()
        return cr.rand(2)

    model.eval()
    things = [model, optimizer, schedule]
    before = snapshot(things)
    x = cr.tensor(numbers(1, 6, 3))
    assert "matmul" in str(step.graph(x)) or "affine" in str(step.graph(x))
    assert_same(snapshot(things), before)
    assert "import numpy" in step.source(x)
    assert_same(snapshot(things), before)
    assert traced(step) == 1
    step(x)
    assert traced(step) == 1 and schedule.last_epoch == 1 and model.training

    adam = optim.Adam(model.parameters())
    stepping = cr.compile(lambda x: (model(x).sum().backward(), adam.step())[0], backend=backend)
    with pytest.raises(cr.GraphError, match="a step that has run once"):
        stepping.graph(x)
    assert not adam.state


# ---- switches


def test_the_eager_back_end(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By argument or by setting: nothing is traced, and Python's side effects happen at each call."""
    calls: list[int] = []

    def f(x: cr.Tensor) -> cr.Tensor:
        calls.append(1)
        if float(x.sum()) > 1e9:
            return x
        return x * 2

    eager = cr.compile(f, backend="eager")
    for _ in range(3):
        assert_same(eager(X), X * 2)
    assert len(calls) == 3 and traced(eager) == 0
    by_setting = cr.compile(f)
    monkeypatch.setattr(cr.config, "_backend", "eager")
    assert_same(by_setting(X), X * 2)
    assert_same(by_setting.scan([], [cr.ones(2, 3)]), cr.full((2, 3), 2.0))
    assert len(calls) == 6 and traced(by_setting) == 0
    with pytest.raises(cr.ConfigError, match="'fast'"):
        cr.config.backend = "fast"


def test_another_back_end_is_another_program(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = cr.compile(lambda x: x * 2)
    monkeypatch.setattr(cr.config, "_backend", "numpy")
    assert_same(compiled(X), X * 2)
    monkeypatch.setattr(cr.config, "_backend", "eager")
    assert_same(compiled(X), X * 2)
    monkeypatch.setattr(cr.config, "_backend", "numpy")
    assert_same(compiled(X), X * 2)
    assert traced(compiled) == 1


def test_watch_nan_looks_into_compiled_functions(backend: Any) -> None:
    """Under the watch they run as they are, so the op that makes a NaN is found."""
    compiled = cr.compile(lambda x: cr.log(x) * 0.0, backend=backend)
    assert np.isnan(compiled(cr.zeros(1)).item())
    with pytest.raises(cr.NonFiniteError, match="log made 1 infinity"), cr.watch_nan():
        compiled(cr.zeros(1))
    assert np.isnan(compiled(cr.zeros(1)).item()) and traced(compiled) == 1
