"""Compiling in parts, several at the same time, and how long compiled code lives."""

from __future__ import annotations

import gc
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.backends.llvm import engine, run
from chainrule.backends.llvm.cache import kernel_key, lookup
from chainrule.backends.llvm.engine import compile_objects, load_objects, target_name
from chainrule.backends.llvm.parts import cut, parts_worth
from chainrule.backends.llvm.writer import AS_WRITTEN, FINAL

llvm = pytest.importorskip("llvmlite.binding")

#: ``run`` calls a function that calls another one; the last has the name of one of the C library's.
CHAIN = """; unroll loops
define internal void @first(ptr %p) noinline nounwind {
entry:
  %unused = add i64 1, 2
  call void @wait(ptr %p)
  %a = load i64, ptr %p
  %b = call i64 @llvm.umin.i64(i64 %a, i64 100)
  store i64 %b, ptr %p
  ret void
}

define internal void @wait(ptr %p) noinline nounwind {
entry:
  %unused = add i64 1, 2
  %a = load i64, ptr %p
  %b = add i64 %a, 7
  store i64 %b, ptr %p
  ret void
}

define void @run(ptr %p, i64 %steps, i64 %thread, i64 %threads) nounwind {
entry:
  %unused = add i64 1, 2
  call void @first(ptr %p)
  call void @wait(ptr %p)
  ret void
}

declare i64 @llvm.umin.i64(i64, i64)
!4 = distinct !{!4, !{!"llvm.loop.vectorize.width", i32 4}}
"""


def make_step(rows: int = 400) -> tuple[Any, Any, list[Any]]:
    """A network, its compiled step, and arguments for six steps: kernels, lists, products, threads."""
    rng = np.random.default_rng(0)
    cr.manual_seed(3)
    net = nn.Sequential(nn.Linear(300, 40), nn.ReLU(), nn.Linear(40, 10))
    opt = optim.SGD(net.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()

    def step(images: Any, labels: Any, rows: Any) -> Any:
        opt.zero_grad()
        loss = criterion(net(images[rows].float() / 255), labels[rows])
        loss.backward()
        opt.step()
        return loss

    pictures = np.where(rng.random((rows, 300)) < 0.2, rng.integers(1, 256, (rows, 300)), 0).astype(np.uint8)
    orders = np.stack([rng.permutation(rows)[:100] for _ in range(6)])
    given = [cr.tensor(pictures), cr.tensor(rng.integers(0, 10, rows)), cr.tensor(orders)]
    return net, cr.compile(step, backend="llvm"), given


def trained() -> tuple[bytes, Any]:
    """The bits of losses and state after six steps; the executable."""
    net, step, (images, labels, orders) = make_step()
    losses = step.scan([images, labels], [orders]).numpy()
    assert np.isfinite(losses).all() and len(set(losses.tolist())) == 6
    return b"".join(
        [losses.tobytes(), *(p.numpy().tobytes() for p in net.state_dict().values())]
    ), step._last.executable


def names_in(text: str, what: str) -> list[str]:
    return re.findall(rf"(?m)^{what}[^@]*@(\w+)\(", text)


@pytest.fixture
def no_cache() -> Any:
    before, cr.config.cache_dir = cr.config.cache_dir, None
    yield
    cr.config.cache_dir = before


@pytest.fixture
def threads() -> Any:
    before = cr.config.threads
    cr.config.threads = 2
    yield
    cr.config.threads = before


# ---- the texts


def test_parts_have_all_functions_between_them_and_are_modules_each() -> None:
    _, executable = trained()
    whole = executable.module.text
    for text, count in ((whole, 2), (whole, 3), (whole, 4), (CHAIN, 2), (CHAIN.removeprefix("; unroll loops\n"), 3)):
        parts = cut(text, count)
        assert len(parts) == count
        assert sorted(n for p in parts for n in names_in(p, "define")) == sorted(names_in(text, "define"))
        for part in parts:
            assert part.startswith(AS_WRITTEN) or part.startswith("; unroll") == text.startswith("; unroll")
            llvm.parse_assembly(part, llvm.create_context()).verify()
            # Declared are the functions of other parts that this one calls, and no others.
            own, called = set(names_in(part, "define")), set(re.findall(r"call void @(\w+)\(", part))
            assert {name for name in names_in(part, "declare void") if "." not in name} == called - own


def test_parts_are_balanced_by_the_root_of_lengths() -> None:
    lengths = [400, *[25] * 8]
    text = "\n".join(f"define void @f{i}() {{\n" + ";\n" * (n - 2) + "}\n" for i, n in enumerate(lengths))
    # 20 + 2 * 5 and 6 * 5
    assert sorted(len(names_in(part, "define")) for part in cut(text, 2)) == [3, 6]


def test_how_many_parts_depends_on_the_length_alone() -> None:
    assert [parts_worth("; a comment\n" * lines) for lines in (10, 999, 1000, 3999, 4000, 10**5)] == [1, 1, 2, 2, 4, 4]
    assert parts_worth("; thoroughly\n" * 5000) == 1
    assert cut(CHAIN, 1) == [CHAIN]
    assert len(cut(CHAIN, 5)) == 3


# ---- compiling


@pytest.mark.parametrize("count", [1, 2, 3])
def test_functions_in_several_object_files_call_each_other(count: int) -> None:
    objects = compile_objects(cut(CHAIN, count))
    assert len(objects) == count
    number = np.array([90], np.int64)
    function = load_objects(objects)
    function(number.ctypes.data, 1, 0, 1)
    assert number[0] == 104  # min(90 + 7, 100) + 7
    function(number.ctypes.data, 1, 0, 1)
    assert number[0] == 107


def test_any_number_of_parts_computes_the_same_bits(no_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    found, counts = set(), []
    for count in (1, 2, 3):
        monkeypatch.setattr(run, "parts_worth", lambda text, count=count: count)
        monkeypatch.setattr(run, "load_objects", lambda objects: counts.append(len(objects)) or load_objects(objects))
        found.add(trained()[0])
    assert counts == [1, 2, 3] and len(found) == 1


def test_parts_are_in_llvm_at_the_same_time(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = engine._heavy()
    meetings, in_time = [threading.Barrier(2) for _ in functions], []

    def met(meeting: threading.Barrier, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            meeting.wait(10)  # both parts are here
            holding, release = threading.Event(), threading.Event()

            def hold() -> None:
                with engine.ffi.lib._lock:
                    holding.set()
                    in_time.append(release.wait(2))

            other = threading.Thread(target=hold)
            other.start()
            holding.wait(10)
            made = function(*arguments)  # while another thread has llvmlite's lock
            release.set()
            other.join()
            return made

        return call

    monkeypatch.setattr(engine, "_heavy", lambda: tuple(map(met, meetings, functions)))
    assert len(compile_objects(cut(CHAIN, 2))) == 2
    assert in_time == [True] * 2 * len(functions)


def test_one_thread_compiles_all_parts_if_that_is_all_there_are(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = [], engine._compile
    monkeypatch.setattr(engine, "_compile", lambda *a, **k: (seen.append(threading.get_ident()), real(*a, **k))[1])
    together = compile_objects(cut(CHAIN, 3))
    assert threading.get_ident() not in seen
    seen.clear()
    cr.config.threads = 1
    assert compile_objects(cut(CHAIN, 3)) == together
    assert seen == [threading.get_ident()] * 3


def test_llvmlites_own_methods_take_over_where_its_functions_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    _, executable = trained()
    parts = cut(executable.module.text, 2)
    expected = compile_objects(parts)
    public = engine.ffi.lib.LLVMPY_RunNewModulePassManager
    assert engine._heavy.__wrapped__()[0] is not public
    with monkeypatch.context() as patch:
        patch.setattr(public, "argtypes", [*public.argtypes, engine.ctypes.c_int])
        assert engine._heavy.__wrapped__()[0] is public
    with monkeypatch.context() as patch:
        patch.setattr(engine.ctypes, "CDLL", lambda *a, **k: object())
        own = engine._heavy.__wrapped__()
    assert own[0] is public
    monkeypatch.setattr(engine, "_heavy", lambda: own)
    assert compile_objects(parts) == expected


def test_functions_that_are_final_have_parts_of_their_own(no_cache: None) -> None:
    _, executable = trained()
    text = executable.module.text
    for count in (2, 3, 4):
        parts = cut(text, count)
        assert len(parts) == count
        for part in parts:
            heads = [line for line in part.splitlines() if line.startswith("define")]
            assert heads and {FINAL in head for head in heads} == {part.startswith(AS_WRITTEN)}


@pytest.mark.parametrize("bad", ["define void @run( {", "define void @run() {\n  ret i64 1\n}\n"])
def test_a_text_that_llvm_refuses_is_shown(threads: None, bad: str) -> None:
    with pytest.raises(cr.GraphError, match="LLVM") as caught:
        compile_objects([CHAIN, bad])
    assert bad.strip() in str(caught.value)


def test_the_texts_after_llvms_passes_come_in_order(threads: None) -> None:
    optimised: list[str] = []
    parts = cut(CHAIN, 3)
    compile_objects(parts, optimised)
    assert [names_in(text, "define") for text in optimised] == [names_in(part, "define") for part in parts]
    assert all("%unused" in part for part in parts) and not any("%unused" in text for text in optimised)


def test_two_threads_of_the_user_may_compile_at_once(no_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "parts_worth", lambda text: 2 if text.count("define") > 2 else 1)
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(40, 40)) for _ in range(2))
    failed: list[Any] = []

    def work(seed: int) -> None:
        for i in range(4):
            scale = 1.0 + seed + i / 8
            step = cr.compile(lambda x, y: (cr.tanh(x @ y * scale) @ y).sum(0), backend="llvm")  # noqa: B023
            found = step(cr.tensor(a), cr.tensor(b)).numpy()
            if not np.allclose(found, (np.tanh(a @ b * scale) @ b).sum(0), rtol=1e-5, atol=1e-5):
                failed.append((seed, i))

    together = [threading.Thread(target=work, args=(10 * i,)) for i in range(2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert not failed


# ---- the cache


def test_the_cache_keeps_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, cr.config.cache_dir = cr.config.cache_dir, tmp_path
    compiled = []
    monkeypatch.setattr(run, "parts_worth", lambda text: 3)
    monkeypatch.setattr(run, "compile_objects", lambda texts: compiled.append(len(texts)) or compile_objects(texts))
    try:
        bits, executable = trained()
        assert trained()[0] == bits and compiled == [3]
        kept = lookup(kernel_key(executable.module.text, target_name()))
        assert kept is not None and [code[:4] for code in kept] == [kept[0][:4]] * 3
        (path,) = tmp_path.iterdir()
        whole = path.read_bytes()
        for n, damaged in enumerate(
            [whole[:-9], whole[:200] + b"?" + whole[201:], b"chainrule kernel 1\n" + whole[19:]]
        ):
            path.write_bytes(damaged)
            assert trained()[0] == bits and compiled == [3] * (n + 2)
            assert path.read_bytes() == whole
    finally:
        cr.config.cache_dir = before


# ---- how long code lives


def live_engines() -> int:
    gc.collect()
    return sum(issubclass(type(o), llvm.ExecutionEngine) for o in gc.get_objects())


def test_code_lives_as_long_as_somebody_can_call_it(no_cache: None) -> None:
    x, before, most = cr.tensor([1.0, 2.0]), live_engines(), 0
    kept = cr.compile(lambda x: x * 0.5 + 3.0, backend="llvm")
    assert kept(x).tolist() == [3.5, 4.0]
    dropped = cr.compile(lambda x: x * 0.25 + 1.0, backend="llvm")
    assert dropped(x).tolist() == [1.25, 1.5]
    bound = dropped._last.executable.bind([])
    del dropped
    for i in range(40):
        step = cr.compile(lambda x, i=i: x * float(i) + 1.0, backend="llvm")
        assert step(x).tolist() == [i + 1.0, 2.0 * i + 1.0]
        del step
        if i % 10 == 0:
            most = max(most, live_engines() - before)
    assert most <= 3 and live_engines() - before == 2
    assert kept(x).tolist() == [3.5, 4.0]
    assert bound(np.array([4.0, 8.0], np.float32)).tolist() == [2.0, 3.0]
    del kept, bound
    assert live_engines() == before


def test_hundreds_of_engines_come_and_go() -> None:
    objects, number, before = compile_objects(cut(CHAIN, 2)), np.zeros(1, np.int64), live_engines()
    functions: list[Any] = []
    for i in range(300):
        functions.append(load_objects(objects))
        functions = functions[-3:]
        number[0] = i
        functions[0](number.ctypes.data, 1, 0, 1)
        assert number[0] == min(i + 7, 100) + 7
    assert live_engines() - before == 3
    del functions
    assert live_engines() == before


def test_a_thread_that_still_runs_keeps_the_code() -> None:
    before = live_engines()
    function = load_objects(compile_objects([CHAIN]))
    number, started, stop, calls = np.zeros(1, np.int64), threading.Event(), threading.Event(), []

    def work(function: Any) -> None:
        while not stop.is_set():
            function(number.ctypes.data, 1, 0, 1)
            started.set()
        calls.append(int(number[0]))

    thread = threading.Thread(target=work, args=(function,))
    thread.start()
    started.wait(10)
    del function
    assert live_engines() == before + 1
    stop.set()
    thread.join()
    del thread
    assert calls == [107] and live_engines() == before
