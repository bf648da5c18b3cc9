"""``scan``: many steps in one call, equal to a loop of calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import assert_same, eager_calls, numbers, snapshot, traced

import chainrule as cr
from chainrule import nn, optim

Make = Callable[[], tuple[Any, ...]]


def check_scan(
    make: Make, constants: list[Any], streams: list[Any], backend: Any, entry: str = "optimizer", **options: Any
) -> Any:
    """Scans, split in two and whole, against a loop of eager calls: stacked results, and everything visible."""
    steps = len(streams[0])
    worlds = []
    for parts in (None, [steps], [steps // 3, steps - steps // 3], [1, 1, steps - 2]):
        cr.manual_seed(7)
        function, *things = make()
        if parts is None:
            results = [function(*constants, *(x[i] for x in streams)) for i in range(steps)]
            expected = _stacked(results), snapshot(things, gradients="keep_gradients" in options)
            continue
        compiled = cr.compile(function, backend=backend, **options)
        pieces, start = [], 0
        for count in parts:
            pieces.append(compiled.scan(constants, [x[start : start + count] for x in streams]))
            start += count
        result = pieces[0] if len(pieces) == 1 else _joined(pieces)
        worlds.append((result, snapshot(things, gradients="keep_gradients" in options)))
    for world in worlds:
        assert_same(world, expected, entry)
    return [compiled, *things]


def _stacked(results: list[Any]) -> Any:
    first = results[0]
    if isinstance(first, cr.Tensor):
        return cr.tensor(np.stack([r.numpy() for r in results]))
    if isinstance(first, dict):
        return {k: _stacked([r[k] for r in results]) for k in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_stacked([r[i] for r in results]) for i in range(len(first)))
    return first


def _joined(pieces: list[Any]) -> Any:
    first = pieces[0]
    if isinstance(first, cr.Tensor):
        return cr.tensor(np.concatenate([p.numpy() for p in pieces]))
    if isinstance(first, dict):
        return {k: _joined([p[k] for p in pieces]) for k in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_joined([p[i] for p in pieces]) for i in range(len(first)))
    return first


def trainer(rule: Any, schedule: Any = None, **settings: Any) -> Make:
    """Makes a training step of a network with dropout and batch normalisation."""

    def make() -> tuple[Any, ...]:
        # No bias before the normalisation: its gradient is 0 but for rounding, which Adam would make large.
        model = nn.Sequential(
            nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        optimizer = rule(model.parameters(), **settings)
        moves = [] if schedule is None else [schedule(optimizer)]

        def step(x: cr.Tensor, t: cr.Tensor) -> dict[str, cr.Tensor]:
            optimizer.zero_grad()
            out = model(x)
            loss = nn.functional.cross_entropy(out, t)
            loss.backward()
            optimizer.step()
            for move in moves:
                move.step()
            return {"loss": loss, "right": (out.argmax(1) == t).sum()}

        return step, model, optimizer, *moves

    return make


BATCHES: list[Any] = [cr.tensor(numbers(1, 7, 6, 4)), cr.tensor(np.arange(42).reshape(7, 6) % 3)]


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_training(rule: Any, backend: Any) -> None:
    """One trace, and one eager step where the optimizer makes its memory."""
    compiled, *_ = check_scan(trainer(rule, lr=0.05), [], BATCHES, backend)
    assert traced(compiled) == 1 and eager_calls(compiled) == (rule is optim.Adam)


def test_kept_gradients(backend: Any) -> None:
    """Those of the last step."""
    check_scan(trainer(optim.SGD, lr=0.05, momentum=0.9), [], BATCHES, backend, keep_gradients=True)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_schedule_in_the_step(momentum: float, backend: Any) -> None:
    """It moves after every step of the scan."""
    check_scan(
        trainer(optim.SGD, lambda o: optim.lr_scheduler.ExponentialLR(o, gamma=0.7), lr=0.1, momentum=momentum),
        [], BATCHES, backend,
    )  # fmt: skip


def test_a_schedule_that_changes_the_program(backend: Any) -> None:
    """The momentum that OneCycleLR changes is part of the program."""
    check_scan(
        trainer(optim.SGD, lambda o: optim.lr_scheduler.OneCycleLR(o, 0.2, total_steps=20), lr=0.1, momentum=0.9),
        [], [x[:4] for x in BATCHES], backend,
    )  # fmt: skip


def test_a_schedule_of_a_rate_that_is_a_tensor(backend: Any) -> None:
    """The rate is then no setting but a tensor; the schedule still moves once a step."""

    def make() -> tuple[Any, ...]:
        w, rate = cr.tensor(numbers(0, 3), requires_grad=True), cr.tensor(0.5)
        optimizer = optim.SGD([w], lr=0.1)
        optimizer.param_groups[0]["lr"] = rate
        schedule = optim.lr_scheduler.StepLR(optim.SGD([w], lr=1.0), step_size=2)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = ((w - x) ** 2).sum()
            loss.backward()
            optimizer.step()
            rate.mul_(0.9)
            schedule.step()
            return loss

        return step, w, rate, schedule

    *_, schedule = check_scan(make, [], [cr.tensor(numbers(1, 6, 3))], backend)
    assert schedule.last_epoch == 6


def test_streams_of_different_types(backend: Any) -> None:
    """Numbers, flags and rows side by side, as tensors and as arrays; scalars a step too."""

    def f(table: cr.Tensor, rows: cr.Tensor, on: cr.Tensor, scale: cr.Tensor, byte: cr.Tensor) -> tuple[Any, ...]:
        return cr.where(on, table[rows], 0.0) * scale, rows.sum(), on, byte, "text", None

    table = cr.tensor(numbers(0, 5, 2, dtype="float64"))
    streams = [
        np.arange(8).reshape(4, 2) % 5, cr.tensor([True, False, True, True]),
        numbers(1, 4, dtype="float64"), np.array([[1], [2], [3], [250]], np.uint8),
    ]  # fmt: skip
    compiled = cr.compile(f, backend=backend)
    tensors = [cr.tensor(x) if isinstance(x, np.ndarray) else x for x in streams]
    expected = _stacked([f(table, *(x[i] for x in tensors)) for i in range(4)])
    for _ in range(2):
        assert_same(compiled.scan([table], streams), expected)
        assert_same(compiled.scan([table], tensors), expected)
    assert traced(compiled) == 1
    assert_same(compiled(table, *(x[0] for x in tensors)), f(table, *(x[0] for x in tensors)))
    assert traced(compiled) == 2


def test_constants_of_every_form(backend: Any) -> None:
    """They are passed as they are: Python values, containers, arrays, parameters."""
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(options: dict[str, Any], power: int, weight: cr.Tensor, x: cr.Tensor) -> cr.Tensor:
        return (weight * x) ** power + options["shift"]

    compiled = cr.compile(f, backend=backend)
    xs = cr.tensor(numbers(0, 5, 2))
    constants = [{"shift": np.ones(2, np.float32)}, 3, w]
    expected = _stacked([f({"shift": cr.ones(2)}, 3, w, x) for x in xs])
    assert_same(compiled.scan(constants, [xs]), expected)
    assert compiled.scan(constants, [xs]).requires_grad is False


def test_one_stream_twice_and_one_step(backend: Any) -> None:
    xs = cr.tensor(numbers(0, 5, 2))
    compiled = cr.compile(lambda a, b: a * b + a, backend=backend)
    assert_same(compiled.scan([], [xs, xs]), xs * xs + xs)
    assert_same(compiled.scan([], [xs[:1], xs[1:2]]), xs[:1] * xs[1:2] + xs[:1])
    assert_same(cr.compile(lambda c, a: a * c, backend=backend).scan([xs[0]], [xs]), xs * xs[0])


def test_state_is_carried(backend: Any) -> None:
    """A recurrence: each step starts from what the last one left, whole numbers and streams of random numbers too."""

    def make() -> tuple[Any, ...]:
        h, count = cr.tensor(numbers(0, 3)), cr.tensor(0)
        w = cr.tensor(numbers(1, 3, 3))

        def step(x: cr.Tensor) -> list[cr.Tensor]:
            h.data = (w @ h + x).tanh() + cr.randn(3) * 0.1
            count.add_(2)
            return [h.detach(), count * 1]

        return step, h, count

    check_scan(make, [], [cr.tensor(numbers(2, 9, 3))], backend)


def test_gradients_accumulate_over_a_scan(backend: Any) -> None:
    """Without zero_grad each step adds to what the one before left: first nothing, then a gradient."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(0, 3), requires_grad=True)

        def step(x: cr.Tensor) -> cr.Tensor:
            loss = ((w * x) ** 2).sum()
            loss.backward()
            return loss

        return step, w

    compiled, _ = check_scan(make, [], [cr.tensor(numbers(1, 6, 3))], backend, keep_gradients=True)
    assert traced(compiled) <= 4  # single steps and scans, without and with a gradient from before


def test_modes_that_a_step_changes(backend: Any) -> None:
    """The first step starts in evaluation and leaves the model in training, in which the others start."""

    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval()

        def step(x: cr.Tensor) -> cr.Tensor:
            out = model(x)
            model.train()
            return out

        return step, model

    check_scan(make, [], [cr.tensor(numbers(1, 5, 4, 3))], backend)


def test_python_code_that_changes_what_it_reads(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        count, w = 0, cr.tensor([0.0])

        def step(x: cr.Tensor) -> cr.Tensor:
            nonlocal count
            count += 1
            w.add_(x * count)
            return w * 1

        return step, w

    check_scan(make, [], [cr.tensor(numbers(1, 6, 1))], backend)


def test_a_scan_in_a_compiled_function_and_an_eager_one(backend: Any) -> None:
    """Inside another trace its steps become part of that program; eagerly it is the loop."""
    w = cr.tensor(numbers(0, 3), requires_grad=True)
    inner = cr.compile(lambda c, x: {"sum": (w * x + c).sum()}, backend=backend)
    xs, c = cr.tensor(numbers(1, 4, 3)), cr.tensor(2.0)

    def outer(xs: cr.Tensor) -> cr.Tensor:
        w.grad = None
        total = inner.scan([c], [xs * 2])["sum"].sum()
        total.backward()
        return total

    result = cr.compile(outer, backend=backend)(xs)
    assert_same(result, (w * xs * 2 + 2.0).sum())
    np.testing.assert_allclose(w.grad.numpy(), 2 * xs.numpy().sum(0), rtol=1e-5)
    w.grad = None
    eager = cr.compile(inner.function, backend="eager").scan([c], [xs])
    assert_same(eager["sum"], (w * xs + 2.0).sum(1))
    assert_same(cr.grad(lambda v: inner.scan([c], [v])["sum"].sum())(xs), cr.stack([w.detach()] * 4))


def test_results_stay_when_the_next_scan_runs(backend: Any) -> None:
    xs = cr.tensor(numbers(0, 5, 2))
    total = cr.zeros(2)

    def f(x: cr.Tensor) -> cr.Tensor:
        total.add_(x)
        return total.detach()

    compiled = cr.compile(f, backend=backend)
    first = compiled.scan([], [xs])
    kept, state = first.numpy().copy(), total.numpy()
    copied = state.copy()
    compiled.scan([], [xs])
    np.testing.assert_array_equal(first.numpy(), kept)
    np.testing.assert_array_equal(state, copied)
    np.testing.assert_allclose(total.numpy(), 2 * xs.numpy().sum(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("streams", "received"),
    [
        ([], "no streams"),
        ([cr.zeros(0, 3)], "(0, 3)"),
        ([cr.zeros(3, 2), cr.zeros(4, 2)], "(3, 2), (4, 2)"),
        ([cr.tensor(1.0)], "()"),
        ([cr.zeros(2, 2), 3.0], "(2, 2), ()"),
    ],
)
def test_wrong_streams(streams: list[Any], received: str, backend: Any) -> None:
    w = cr.tensor([1.0])

    @cr.compile(backend=backend)
    def step(*xs: cr.Tensor) -> None:
        w.add_(1.0)

    with pytest.raises(cr.ShapeError) as caught:
        step.scan([], streams)
    text = str(caught.value)
    assert text.startswith("step.scan(constants, streams)") and f"received: {received}" in text
    assert "an entry for each step" in text and w.item() == 1.0 and traced(step) == 0


def test_errors_in_a_step(backend: Any) -> None:
    """Shapes that do not fit, and looks at numbers, are found before any step has run."""
    w = cr.zeros(3)

    def f(x: cr.Tensor) -> cr.Tensor:
        w.add_(1.0)
        return x + cr.ones(3) if x.ndim else x.item()

    compiled = cr.compile(f, backend=backend)
    with pytest.raises(cr.ShapeError, match="3"):
        compiled.scan([], [cr.ones(4, 2)])
    with pytest.raises(cr.GradientError, match="numbers of a tensor while a function is traced"):
        compiled.scan([], [cr.ones(4)])
    assert w.tolist() == [0.0, 0.0, 0.0]
