"""Threads share kernels without waiting where they go on with their own rows; and any number of them gives the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn, optim
from chainrule.backends.llvm.blas import find_blas
from chainrule.backends.llvm.engine import has_feature
from chainrule.backends.llvm.parallel import QUARTERS, Share, Sharing
from chainrule.backends.llvm.phases import Access, Task, phases
from chainrule.backends.llvm.pool import Team, together
from chainrule.backends.llvm.run import LlvmExecutable
from chainrule.backends.llvm.vectors import Processor
from chainrule.compiler.kernel import ProductKernel

RNG = np.random.default_rng(0)
ARENA = ("arena", 0)
QUARTER = Share(64, 16)


def task(*touched: Access, share: Share | None = QUARTER, name: str = "") -> Task:
    return Task(list(touched), share, 64, lambda start, end: [], name)


def reads(start: int, piece: int = 0, size: int = 256) -> Access:
    return Access(ARENA, start, start + size, False, piece)


def writes(start: int, piece: int = 0, size: int = 256) -> Access:
    return Access(ARENA, start, start + size, True, piece)


def names(tasks: list[Task]) -> list[str]:
    return [" ".join(t.name for t in phase) for phase in phases(tasks)]


def test_a_thread_goes_on_with_its_own_rows() -> None:
    tasks = [task(writes(0, 64), name="a"), task(reads(0, 64), writes(256, 64), name="b")]
    assert names(tasks) == ["a b"]


@pytest.mark.parametrize(
    "second",
    [
        task(reads(0), writes(256, 64), name="b"),  # all rows of the first
        task(reads(0, 64), share=Share(64, 8), name="b"),  # other pieces
        task(reads(0, 32), writes(256, 64), name="b"),  # rows of another length
        task(reads(0), share=None, name="b"),  # one thread's
        task(writes(128, 64), name="b"),  # the same memory, other rows
    ],
)
def test_it_waits_where_others_made_what_it_needs(second: Task) -> None:
    assert names([task(writes(0, 64), name="a"), second]) == ["a", "b"]


def test_what_need_not_wait_is_done_before_what_must() -> None:
    tasks = [
        task(writes(0, 64), name="a"),
        task(reads(0), writes(512), share=None, name="sum"),
        task(reads(0, 64), writes(256, 64), name="b"),
        task(reads(512), writes(1024, 64), name="c"),
    ]
    assert names(tasks) == ["a b", "sum", "c"]


def test_one_thread_goes_on_with_what_it_did_alone_and_others_take_the_rest() -> None:
    tasks = [
        task(writes(0), share=None, name="a"),
        task(writes(256), share=None, name="b"),
        task(reads(0), writes(512), share=None, name="c"),
    ]
    assert names(tasks) == ["a b c"]
    assert [t.owner for t in tasks] == [0, 1, 0]


PLACES = st.builds(
    lambda slot, write, piece: (writes if write else reads)(64 * slot, piece),
    st.integers(0, 12), st.booleans(), st.sampled_from([0, 32, 64]),
)  # fmt: skip
TASKS = st.lists(
    st.builds(
        lambda touched, share: task(*touched, share=share),
        st.lists(PLACES, min_size=1, max_size=3),
        st.sampled_from([None, QUARTER, Share(64, 8)]),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(TASKS)
def test_no_order_that_matters_is_lost(tasks: list[Task]) -> None:
    found = list(phases(tasks))
    when = {id(t): (i, j) for i, phase in enumerate(found) for j, t in enumerate(phase)}
    assert len(when) == len(tasks)
    for i, second in enumerate(tasks):
        for first in tasks[:i]:
            if second.must_follow(first):
                (a, _), (b, _) = when[id(first)], when[id(second)]
                assert when[id(first)] < when[id(second)]
                assert a < b or not second.waits_for(first)


# ---- whole steps


def network(kind: str) -> tuple[Any, Callable[..., Any], list[Any]]:
    """A model, a step over rows, and the data."""
    cr.manual_seed(0)
    rng = np.random.default_rng(0)
    if kind == "table":
        model: Any = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 1))
        x, y = rng.standard_normal((600, 20), dtype=np.float32), rng.standard_normal((600, 1), dtype=np.float32)
        loss: Any = nn.MSELoss()
    else:
        model = nn.Sequential(
            nn.Linear(100, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 10),
        )  # fmt: skip
        x = rng.standard_normal((600, 100), dtype=np.float32)
        x[rng.random(x.shape) < (0.8 if kind == "zeros" else 0.0)] = 0
        y, loss = rng.integers(0, 10, 600).astype(np.int32), nn.CrossEntropyLoss()
    optimizer = (optim.SGD if kind == "full" else optim.Adam)(model.parameters(), lr=0.01)

    def step(x: Any, y: Any, rows: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x[rows]), y[rows])
        value.backward()
        optimizer.step()
        return value

    return model, step, [cr.tensor(x), cr.tensor(y)]


def bits(kind: str, batch: int, threads: int | None) -> tuple[bytes, ...]:
    """The losses and weights of six steps in so many threads; None: eagerly."""
    model, step, data = network(kind)
    orders = np.stack([np.random.default_rng(i).permutation(600)[:batch] for i in range(6)]).astype(np.int32)
    if threads is None:
        losses = np.array([step(*data, cr.tensor(rows)).item() for rows in orders], np.float32)
        return (losses.tobytes(), *(p.numpy().tobytes() for p in model.state_dict().values()))
    compiled = cr.compile(step, backend="llvm")
    losses = compiled.scan(data, [cr.tensor(orders)]).numpy()
    assert compiled._last.executable.module.parallel
    return (losses.tobytes(), *(p.numpy().tobytes() for p in model.state_dict().values()))


@pytest.fixture
def all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A team that always works together, whether it pays or not."""

    def run(self: Team, steps: int, threads: int) -> None:
        self._table[self._first] = 0
        together(self._function, self._pointer, steps, threads)

    monkeypatch.setattr(Team, "run", run)


@pytest.mark.parametrize("processor", [Processor(), Processor(8, 16, False), Processor(4, 16, False)])
@pytest.mark.parametrize("kind", ["table", "zeros", "full"])
@pytest.mark.parametrize("batch", [256, 100, 77])
def test_any_number_of_threads_gives_the_same_bits(
    kind: str, batch: int, processor: Processor, all_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the tiles of other processors, too."""
    if processor.compress and not has_feature("avx512f"):
        pytest.skip("LLVM's substitute for an instruction of AVX-512 fails")
    monkeypatch.setattr(Processor, "of", lambda has_feature: processor)
    found = []
    for threads in (1, 2, 3, 4, 6):
        monkeypatch.setattr(cr.config, "threads", threads)
        found.append(bits(kind, batch, threads))
    assert all(other == found[0] for other in found)
    eager = bits(kind, batch, None)
    np.testing.assert_allclose(np.frombuffer(found[0][0], "f4"), np.frombuffer(eager[0], "f4"), rtol=1e-3)


@pytest.mark.parametrize(("count", "size"), [(6, 96), (5, 520)])
def test_stacks_of_products_are_shared(
    count: int, size: int, all_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In tiles, and by the BLAS; each thread goes on with its own matrices."""
    a, b = (RNG.standard_normal((count, size, size), dtype=np.float32) for _ in range(2))
    found = []
    for threads in (1, 2, 3, 6):
        monkeypatch.setattr(cr.config, "threads", threads)
        f = cr.compile(lambda a, b: cr.relu((a @ b) * 0.5) @ b.transpose(0, 2, 1), backend="llvm")
        found.append(f(cr.tensor(a), cr.tensor(b)).numpy())
        assert f._last.executable.module.parallel
    assert all(np.array_equal(other, found[0]) for other in found)
    expected = np.maximum((a.astype("f8") @ b) * 0.5, 0) @ b.swapaxes(1, 2)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=2e-4 * size)


def test_sums_over_a_batch_are_cut_into_quarters() -> None:
    _, step, data = network("table")
    compiled = cr.compile(step, backend="llvm")
    compiled.scan(data, [cr.tensor(np.arange(512, dtype=np.int32).reshape(2, 256))])
    executable: LlvmExecutable = compiled._last.executable
    stacks = [k for k in executable.schedule.kernels if isinstance(k, ProductKernel) and k.batch]
    assert [(k.batch, k.rows, k.inner, k.columns) for k in stacks] == [
        ((QUARTERS,), 32, 64, 64), ((QUARTERS,), 64, 64, 20),
    ]  # fmt: skip
    # Forward and backward need no one else: threads wait once before the sums are added up, and at the end.
    assert executable.module.text.count("call void @wait") <= 3


def test_a_short_step_is_for_one_thread() -> None:
    model = nn.Linear(4, 3)
    step = cr.compile(lambda x: model(x), backend="llvm")
    step(RNG.standard_normal((30, 4), dtype=np.float32))
    executable = step._last.executable
    assert not executable.module.parallel
    assert not Sharing(executable.schedule.kernels, Processor.of(has_feature), find_blas() is not None).for_threads


# ---- how many threads pay


class Clock:
    """Time goes by as the fake program says."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.now, self.seconds, self.table = 0.0, seconds, np.zeros(1, np.uint64)
        self.done: list[tuple[int, int, int]] = []

    def together(self, function: Any, pointer: int, end: int, threads: int) -> None:
        start = int(self.table[0])
        self.done.append((start, end, threads))
        self.now += (end - start) * self.seconds[threads]


def team(seconds: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> tuple[Team, Clock]:
    import chainrule.backends.llvm.pool as pool

    clock = Clock(seconds)
    monkeypatch.setattr(pool, "together", clock.together)
    monkeypatch.setattr(pool.time, "perf_counter", lambda: clock.now)
    return Team(lambda *_: None, clock.table, 0), clock


@pytest.mark.parametrize(("alone", "both"), [(50e-6, 30e-6), (50e-6, 900e-6)])
def test_a_team_finds_out_how_many_threads_pay(alone: float, both: float, monkeypatch: pytest.MonkeyPatch) -> None:
    made, clock = team({1: alone, 2: both}, monkeypatch)
    for _ in range(20):
        made.run(1000, 2)
    assert [s for start, end, _ in clock.done for s in range(start, end)] == list(range(1000)) * 20
    best = 1 if alone < both else 2
    share = sum(end - start for start, end, threads in clock.done if threads == best) / 20_000
    assert share > 0.9


def test_a_team_looks_again_when_others_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    made, clock = team({1: 50e-6, 2: 900e-6}, monkeypatch)
    made.run(1000, 2)
    assert clock.done[-1][2] == 1
    clock.seconds[2] = 30e-6
    while clock.now < 5:
        made.run(1000, 2)
    assert clock.done[-1][2] == 2


def test_a_long_call_looks_again_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in a trial does not hold for all of many steps."""
    made, clock = team({1: 50e-6, 2: 900e-6}, monkeypatch)
    real = clock.together

    def together(*arguments: Any) -> None:
        clock.seconds[2] = 900e-6 if clock.now < 1 else 30e-6
        real(*arguments)

    import chainrule.backends.llvm.pool as pool

    monkeypatch.setattr(pool, "together", together)
    made.run(200_000, 2)
    assert [s for start, end, _ in clock.done for s in (start, end)][1:-1:2] == [start for start, *_ in clock.done[1:]]
    assert clock.done[-1][1:] == (200_000, 2) and clock.now < 8


def test_another_number_of_threads_is_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made, clock = team({1: 50e-6, 2: 30e-6, 4: 20e-6}, monkeypatch)
    made.run(1000, 2)
    made.run(1000, 4)
    assert clock.done[-1][2] == 4


def test_one_step_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made, clock = team({1: 50e-6, 2: 80e-6}, monkeypatch)
    for _ in range(10):
        made.run(1, 2)
    assert [entry[:2] for entry in clock.done] == [(0, 1)] * 10
    assert [threads for *_, threads in clock.done][-5:] == [1] * 5
