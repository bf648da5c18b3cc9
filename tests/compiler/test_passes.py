"""Passes: each by itself, all of them on the steps that people train, and what happens when one is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import SPECIAL, STEPS, lines, run, same, trace_of, traced, traced_step

import chainrule as cr
from chainrule.compiler import kernel
from chainrule.compiler.executable import Interpreter
from chainrule.compiler.passes import PASSES, pipeline, run_passes
from chainrule.compiler.passes.accumulate import accumulate
from chainrule.compiler.passes.cse import eliminate_common_subexpressions
from chainrule.compiler.passes.dce import eliminate_dead_code
from chainrule.compiler.passes.expand import expand
from chainrule.compiler.passes.fold import MOST_ELEMENTS, fold
from chainrule.compiler.passes.order import count_orders
from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.passes.verify import verify
from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import rewrite
from chainrule.core import philox, source
from chainrule.core.apply import apply
from chainrule.core.errors import GraphError, ShapeError
from chainrule.core.graph import Graph, Node
from chainrule.core.philox import Generator
from chainrule.ops.arithmetic import Negative
from chainrule.ops.exponential import Exp
from chainrule.ops.random import Permutation
from tolerances import assert_near

Array = np.ndarray[Any, Any]

M = np.random.Generator(np.random.Philox(0)).standard_normal((3, 4)).astype(np.float32)
G = np.random.Generator(np.random.Philox(1)).standard_normal((5, 3)).astype(np.float32)
X = np.random.Generator(np.random.Philox(2)).standard_normal((5, 4)).astype(np.float32)


def text(program: Program) -> str:
    """The nodes in one line."""
    return "; ".join(lines(program))


# ---- expand


def test_expand_composites() -> None:
    """Also composites inside composites; their numbers become constants of the program."""
    x = np.resize(SPECIAL, (4, 3))
    for function in (cr.log_softmax, cr.logsumexp, lambda x: cr.logsumexp(x, 0), lambda x: cr.logsumexp(x, (), True)):
        before = traced(function, x)
        after = expand(before)
        assert {n.op.family for n in before.graph.nodes} == {"composite"}
        assert "composite" not in {n.op.family for n in after.graph.nodes}
        verify(after, before)
        for numbers in (x, X[:4, :3]):
            assert all(same(a, b) for a, b in zip(run(before, numbers), run(after, numbers), strict=True))


def test_expand_logsumexp_of_nothing() -> None:
    before = traced(lambda x: cr.logsumexp(x, 0), np.zeros((0, 3), np.float32))
    assert run(expand(before), np.zeros((0, 3), np.float32))[0].tolist() == [-np.inf] * 3
    before = traced(lambda x: cr.logsumexp(x, 0), np.zeros((3, 0), np.float32))
    assert run(expand(before), np.zeros((3, 0), np.float32))[0].shape == (0,)


def test_log_softmax_takes_one_maximum_and_one_exponential() -> None:
    names = [n.op.name for n in expand(traced(cr.log_softmax, M)).graph.nodes]
    assert names == ["max", "stop_gradient", "subtract", "exp", "sum", "log", "subtract"]


def test_expand_uses_constants_that_are_there() -> None:
    weight = np.ones((2, 4), np.float32)
    after = expand(traced(lambda x: cr.affine(x, cr.tensor(weight), cr.zeros(2)), M))
    assert len(after.constants) == 2 and text(after).startswith("%0 = matmul[transpose_a=False, transpose_b=True] x")


# ---- fold


def test_fold_constants() -> None:
    assert text(fold(traced(lambda x: x * cr.exp(cr.tensor(0.0)), M))) == "%0 = multiply x 1; return %0"
    program = fold(traced(lambda x: x * (cr.arange(4).float() + 1).reshape(1, 4), M))
    assert text(program) == "%0 = multiply x constant; return %0"
    assert program.graph.nodes[0].inputs[1].value.tolist() == [[1, 2, 3, 4]]


def test_one_number_over_and_over_is_that_number() -> None:
    program = fold(traced(lambda x: x + cr.zeros(3, 4), M))
    assert text(program) == "%0 = broadcast_to[shape=(3, 4)] 0; %1 = add x %0; return %1"
    assert text(run_passes(program)[-1][1]) == "%0 = add x 0; return %0"
    mixed = np.array([0.0, -0.0, 0.0], np.float32)
    assert text(fold(traced(lambda: cr.tensor(mixed) * 1.0))) == "return constant"


def test_large_results_are_not_stored() -> None:
    def outer(n: int) -> Program:
        return traced(lambda x: x * (cr.arange(n).float().reshape(n, 1) * cr.arange(n).float()), np.float32(1))

    side = int(MOST_ELEMENTS**0.5)
    assert "reshape" not in text(fold(outer(side))) and len(fold(outer(side)).graph.nodes) == 1
    assert len(fold(outer(side + 1)).graph.nodes) == 2
    large = traced(lambda x: x * cr.exp(cr.arange(MOST_ELEMENTS + 1).float()), np.float32(1))
    assert len(fold(large).graph.nodes) == 1  # no larger than what it was made of


def test_an_error_in_a_constant_stays_where_it_was() -> None:
    program = traced(lambda x: x + cr.tensor([1.0, 2.0])[cr.tensor([0, 5])], np.float32(1))
    assert len(fold(program).graph.nodes) == 2
    with pytest.raises(ShapeError, match="count from 0"):
        run(fold(program), np.float32(1))


# ---- common subexpressions


def test_common_subexpressions() -> None:
    program = traced(lambda x, y: (cr.exp(x * y) + cr.exp(y * x), x - y, y - x), M, M)
    after = eliminate_common_subexpressions(program)
    assert text(after) == (
        "%0 = multiply x y; %1 = exp %0; %2 = add %1 %1; %3 = subtract x y; %4 = subtract y x; return %2 %3 %4"
    )


def test_maximum_does_not_commute() -> None:
    """Of 0.0 and -0.0 it takes one by their order, so exchanging them would change a sign."""
    program = traced(lambda x, y: (cr.maximum(x, y), cr.maximum(y, x)), M, M)
    assert eliminate_common_subexpressions(program) is program


def test_equal_constants_are_one_to_the_bit() -> None:
    def constants(*values: float) -> int:
        program = traced(lambda x: sum((x * cr.tensor(v) for v in values), x), M)
        return len(eliminate_common_subexpressions(program).constants)

    assert constants(2.0, 2.0) == 1 and constants(2.0, 3.0) == 2 and constants(0.0, -0.0) == 2
    assert constants(float("nan"), float("nan")) == 1


def test_draws_with_one_key_and_counter_are_one() -> None:
    """Two draws from a generator are two; the same draw written twice would be one."""
    generator = Generator(3)
    program = traced(lambda x: x + cr.rand(4, generator=generator) * cr.rand(4, generator=generator), M)
    after = run_passes(program)[-1][1]
    assert [n.op.name for n in after.graph.nodes].count("uniform") == 2
    draw = next(n for n in program.graph.nodes if n.op.name == "uniform")
    again = Node(draw.op, draw.inputs, draw.aval, None)
    twice = program.with_graph(
        Graph(program.graph.inputs, (*program.graph.nodes, again), (*program.outputs[:1], draw, again))
    )
    merged = eliminate_common_subexpressions(twice)
    assert merged.graph.outputs[1] is merged.graph.outputs[2]


# ---- accumulate


LR = np.float32(0.1)
#: ``w``, ``g``, ``x`` and the rate ``r`` are called x, y, z and u in programs.
WRITTEN: dict[str, tuple[Callable[..., Any], str]] = {
    "as SGD does": (lambda w, g, x, r: w - _product(g, x) * r, "%0 = negative u; %1 = {} x y z %0; return %1"),
    "rate first": (lambda w, g, x, r: w - r * _product(g, x), "%0 = negative u; %1 = {} x y z %0; return %1"),
    "added": (lambda w, g, x, r: w + _product(g, x) * r, "%0 = {} x y z u; return %0"),
    "product first": (lambda w, g, x, r: _product(g, x) * r + w, "%0 = {} x y z u; return %0"),
    "a number": (lambda w, g, x, r: w - _product(g, x) * 0.5, "%0 = {} x y z -0.5; return %0"),
    "a negative rate": (lambda w, g, x, r: w - _product(g, x) * -r, "%0 = {} x y z u; return %0"),
    "a negative rate that is there": (
        lambda w, g, x, r: (w - _product(g, x) * r, -r),
        "%0 = negative u; %1 = {} x y z %0; return %1 %0",
    ),
}


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small products are left alone; here they count as large ones."""
    monkeypatch.setattr(kernel, "SMALL_PRODUCT", 0)


def test_small_products_are_left_alone() -> None:
    program = traced(WRITTEN["as SGD does"][0], M, G, X, LR)
    assert accumulate(program) is program


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.usefixtures("any_size")
def test_accumulate(written: str) -> None:
    function, expected = WRITTEN[written]
    before = traced(function, M, G, X, LR)
    after = eliminate_dead_code(accumulate(before))
    assert text(after) == expected.format("matmul_add[transpose_a=True, transpose_b=False]")
    assert all(same(a, b) for a, b in zip(run(before, M, G, X, LR), run(after, M, G, X, LR), strict=True))


def _product(g: Any, x: Any) -> Any:
    return cr.matmul(g, x, transpose_a=True)


NOT_ADDED: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "the product is a result too": (lambda w, g, x, r: (w - (p := _product(g, x)) * r, p), (M, G, X, LR)),
    "the scaled product is a result too": (lambda w, g, x, r: (w - (p := _product(g, x) * r), p), (M, G, X, LR)),
    "the product is used twice": (lambda w, g, x, r: w * (p := _product(g, x)) - p * r, (M, G, X, LR)),
    "a rate for each element": (lambda w, g, x, r: w - _product(g, x) * r, (M, G, X, np.ones(4, np.float32))),
    "the matrix is broadcast": (lambda w, g, x, r: w - _product(g, x) * r, (M[:1], G, X, LR)),
    "the product is subtracted from": (lambda w, g, x, r: _product(g, x) * r - w, (M, G, X, LR)),
    "stacks of matrices": (lambda w, g, x, r: w - (g @ x) * r, (M[None], M[None, :, :3], M[None], LR)),
    "whole numbers": (lambda w, g, x, r: w - _product(g, x) * r, tuple(a.astype(np.int64) for a in (M, G, X, LR))),
}


@pytest.mark.parametrize("why", NOT_ADDED)
@pytest.mark.usefixtures("any_size")
def test_where_accumulating_does_not_pay(why: str) -> None:
    function, inputs = NOT_ADDED[why]
    program = traced(function, *inputs)
    assert accumulate(program) is program


@pytest.mark.usefixtures("any_size")
def test_one_negative_rate_for_all_weights() -> None:
    program = run_passes(trace_of("mnist")[0].program)[-1][1]
    names: list[Any] = [n.op.name for n in program.graph.nodes]
    rates = {n.inputs[3] for n in program.graph.nodes if n.op.name == "matmul_add"}
    assert names.count("matmul_add") == 2 and len(rates) == 1


# ---- dead code


def test_dead_code() -> None:
    program = simplify(traced(lambda x, y: (x * 1.0) @ y.T, M, X))
    assert len(program.graph.nodes) == 2 and len(program.constants) == 1
    after = eliminate_dead_code(program)
    assert len(after.graph.nodes) == 1 and not after.constants


def test_inputs_stay_though_nothing_needs_them() -> None:
    program = run_passes(traced(lambda x, y: x * 1.0, M, X))[-1][1]
    assert len(program.inputs) == 2 and same(run(program, M, X)[0], M)


# ---- rewriting


def test_what_a_rule_leaves_alone_is_the_same_node() -> None:
    program = traced(lambda x, y: (cr.exp(x), -cr.exp(y)), M, M)
    assert rewrite(program, lambda build, node: None) is program

    def without_negative(build: Any, node: Node) -> Node | None:
        return node.inputs[0] if isinstance(node.op, Negative) else None

    after = rewrite(program, without_negative)
    assert after.graph.nodes == program.graph.nodes[:2] and after.outputs == program.graph.nodes[:2]


def test_new_nodes_stand_on_the_line_and_in_the_layer_of_the_old() -> None:
    program = trace_of("xor")[0].program
    after = run_passes(program)[-1][1]
    first = after.graph.nodes[0]
    assert first.op.name == "matmul" and first.path == "0: Linear"
    assert source.describe(first.source).startswith("programs.py:")
    assert all(n.source is not None for n in after.graph.nodes)


# ---- all passes


@pytest.mark.parametrize("n", [0, 1, 5, 100])
def test_orders_are_counted(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places are those of a stable sort, also where random numbers are equal."""
    before = traced(lambda key, counter: apply(Permutation.of(n), key, counter), np.array(7), np.array(3))
    after = count_orders(before)
    verify(after, before)
    assert not any(isinstance(node.op, Permutation) for node in after.graph.nodes)
    drawn = philox.random_bits
    for few in (lambda *a: drawn(*a), lambda *a: drawn(*a) & np.uint32(3 << 30)):
        monkeypatch.setattr(philox, "random_bits", few)
        for counter in (0, 9):
            (expected,), (received,) = (run(p, np.array(1), np.array(counter)) for p in (before, after))
            assert received.tolist() == expected.tolist() and sorted(received.tolist()) == list(range(n))


def test_long_orders_are_left_to_numpy() -> None:
    """Counting compares each number with each."""
    program = traced(lambda key, counter: apply(Permutation.of(5000), key, counter), np.array(7), np.array(3))
    assert count_orders(program) is program


@pytest.mark.parametrize("name", STEPS)
def test_programs(name: str, golden: Any) -> None:
    """The program after each pass that changes it; of the long one the number of ops, and the last program."""
    stages = run_passes(trace_of(name)[0].program, keep=True, verify=True)
    counts = "".join(f"# {title}: {len(p.graph.nodes)} ops\n" for title, p in stages)
    shown = stages if name != "mnist_adam" else stages[-1:]
    golden(Path("../golden/passes") / f"{name}.txt", counts + "".join(f"\n---- {title}\n{p}\n" for title, p in shown))


@pytest.mark.parametrize("name", STEPS)
def test_steps_compute_the_same(name: str) -> None:
    """Three steps, state carried from one to the next, before and after all passes."""
    trace, arrays = trace_of(name)
    after = run_passes(trace.program)[-1][1]
    expected = Interpreter(trace.program).scan(arrays, 3)
    received = Interpreter(after).scan(arrays, 3)
    assert len(expected) == len(received) > 2
    for a, b in zip(received, expected, strict=True):
        assert_near(a, b, "optimizer")


@pytest.mark.parametrize("name", STEPS)
def test_running_all_passes_again_changes_nothing(name: str) -> None:
    after = run_passes(trace_of(name)[0].program)[-1][1]
    assert run_passes(after, keep=True) == [("traced", after)]


def test_streams_and_roles_are_kept() -> None:
    w = cr.tensor(np.ones(4, np.float32), requires_grad=True)
    optimizer = cr.optim.SGD([w], lr=0.1)

    def step(t: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = ((x @ w - t) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    program = traced_step(step, G[:, 0], X, streams=1).program
    after = run_passes(program)[-1][1]
    assert after.graph != program.graph
    assert (after.inputs, after.names, after.results, after.carried, after.streams) == (
        program.inputs, program.names, program.results, program.carried, 1,
    )  # fmt: skip
    assert after.carried == (0,) and after.names[after.inputs[0]] == "w"


def test_stages_that_are_kept() -> None:
    program = traced(lambda x: x * 1.0 + cr.sqrt(cr.tensor(4.0)) * 1.0, M)
    assert [name for name, _ in run_passes(program, keep=True)] == ["traced", "simplify", "fold", "dce"]
    (first, before), (last, after) = run_passes(program)
    assert (first, last) == ("traced", "dce") and before is program
    assert text(after) == "%0 = add x 2; return %0"


def test_rounds_find_what_one_pass_makes_possible_for_another() -> None:
    """Folding shows that a factor is one, without which two nodes are equal, and so a choice is none."""

    def function(x: Any) -> Any:
        return cr.where(x > 0, cr.exp(x), cr.exp(x * cr.exp(cr.tensor(0.0))))

    stages = run_passes(traced(function, M), keep=True)
    assert [name for name, _ in stages] == ["traced", "fold", "cse", "simplify 2", "cse 2", "simplify 3", "dce"]
    assert text(stages[-1][1]) == "%0 = exp x; return %0"


# ---- wrong passes


def _instead(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[[Program], Program]) -> None:
    monkeypatch.setattr(pipeline, "PASSES", tuple((n, wrong if n == name else p) for n, p in PASSES))


def _other_dtype(program: Program) -> Program:
    graph = program.graph
    wrong = Node(Exp.of(), graph.inputs[:1], graph.outputs[0].aval, None)
    return program.with_graph(Graph(graph.inputs, (*graph.nodes, wrong), (wrong,)))


def _lost_input(program: Program) -> Program:
    return program.with_graph(Graph(program.graph.inputs[1:], (), program.graph.inputs[1:2]))


def _transposed_output(program: Program) -> Program:
    out = program.outputs[0]
    transposed = Node(cr.ops.shape.Transpose.of((1, 0)), (out,), cr.Aval.of(out.aval.shape[::-1], out.aval.dtype), None)
    return program.with_graph(Graph(program.graph.inputs, (*program.graph.nodes, transposed), (transposed,)))


def _backwards(program: Program) -> Program:
    graph = program.graph
    return program.with_graph(Graph(graph.inputs, graph.nodes[::-1], graph.outputs))


def _renamed(program: Program) -> Program:
    return replace(program, names=dict.fromkeys(program.inputs, "x"))


def _more_results(program: Program) -> Program:
    return replace(program, results=2)


WRONG: dict[str, tuple[Callable[[Program], Program], str]] = {
    "an aval that the op does not infer": (_other_dtype, "as inferred"),
    "an input that is lost": (_lost_input, "the input x is missing"),
    "an output of another shape": (_transposed_output, "outputs [f32[4,3]]"),
    "nodes before their inputs": (_backwards, "before it is made"),
    "names that changed": (_renamed, "same inputs under the same names"),
    "roles that changed": (_more_results, "other roles"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_verification_names_the_wrong_pass(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, message = WRONG[mistake]
    _instead(monkeypatch, "cse", wrong)
    x = M.astype(np.float64) if "infer" in mistake else M
    with pytest.raises(GraphError) as error:
        run_passes(traced(lambda x, y: cr.exp(x.float()) + cr.sin(y), x, M), verify=True)
    assert str(error.value).startswith("the pass 'cse'\n")
    assert message in str(error.value) and "exp x" in str(error.value).replace("%2", "x")


def test_verification_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an argument, or by the environment, as these tests do; a user's programs are not checked."""
    _instead(monkeypatch, "cse", _transposed_output)
    program = traced(lambda x: cr.exp(x), M)
    with pytest.raises(GraphError, match="the pass 'cse'"):
        run_passes(program)
    monkeypatch.delenv("CHAINRULE_VERIFY")
    run_passes(program)
    with pytest.raises(GraphError, match="the pass 'cse'"):
        run_passes(program, verify=True)


def test_an_exception_names_the_pass_and_shows_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(program: Program) -> Program:
        raise KeyError("no such node")

    _instead(monkeypatch, "fold", broken)
    program = traced(lambda x: cr.exp(x), M)
    with pytest.raises(GraphError) as error:
        run_passes(program)
    assert str(error.value).startswith("the pass 'fold'\n") and "KeyError: 'no such node'" in str(error.value)
    assert "the program before 'fold':" in str(error.value) and str(program) in str(error.value)
    assert isinstance(error.value.__cause__, KeyError)
