"""The NumPy listing: it reads as a person writes, and computes what the eager step computes, to the bit."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.backends.numpy import NumpyExecutable, listing, source, source_lines, writes
from chainrule.backends.numpy.expressions import WRITERS
from chainrule.backends.numpy.helpers import HELPERS
from chainrule.backends.numpy.landmarks import assigned_name
from chainrule.compiler.executable import Interpreter
from chainrule.compiler.passes import run_passes
from chainrule.compiler.program import Program
from chainrule.core import philox
from chainrule.core.apply import apply
from chainrule.core.aval import DTYPES, Aval
from chainrule.core.errors import ChainruleError, GraphError, ShapeError
from chainrule.core.graph import Graph, Node
from chainrule.core.op import REGISTRY, Op

sys.path.insert(0, str(Path(__file__).parent))
from source_steps import LAYERS, LOSSES, NETWORKS, OPTIMIZERS, STEPS, X, trained

GOLDENS = Path(__file__).parents[1] / "golden" / "source"
#: As far as a line of a listing may reach, remark included.
WIDEST = 92


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, any NaN being equal to any other."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    nan = np.isnan(a) & np.isnan(b)
    return bool((nan | ((a == b) & (np.signbit(a) == np.signbit(b)))).all())


def body(text: str) -> str:
    """The function alone."""
    return text[text.index("\n\ndef ") : text.index("\n\nif __name__")]


# ---- ops


def program_of(op: Op, arrays: tuple[Any, ...], constants: tuple[int, ...] = ()) -> Program:
    """One op; the inputs at these places are constants."""
    leaves = [Node(None, (), Aval.like(a), a if i in constants else None) for i, a in enumerate(arrays)]
    node = Node(op, tuple(leaves), op.infer(*[leaf.aval for leaf in leaves]), None)
    inputs = tuple(leaf for leaf in leaves if leaf.value is None)
    return Program(Graph(leaves, [node], [node]), inputs, 1, (), 0, {leaf: f"x{i}" for i, leaf in enumerate(inputs)})


def variants(arrays: tuple[Any, ...], dtype: Any) -> list[tuple[Any, ...]]:
    """A sample in another dtype; for floats also with all that is not a plain number."""
    cast = tuple(
        x if x.dtype.kind != "f" else (x if dtype.kind == "f" else np.ceil(np.abs(x))).astype(dtype) for x in arrays
    )
    if dtype.kind != "f" or not any(x.size for x in arrays):
        return [cast]
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5], dtype)
    return [
        cast,
        tuple(np.resize(np.roll(special, i), x.shape) if x.dtype.kind == "f" else x for i, x in enumerate(cast)),
    ]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_ops(name: str) -> None:
    """Each op on its samples, in each dtype, on special values, with any one input constant, and all of them."""
    compared = 0
    for sample in REGISTRY[name].samples():
        arrays = tuple(np.asarray(x) for x in sample.inputs)
        for dtype in DTYPES:
            if sample.op.promotion == "float" and dtype.kind != "f":
                continue
            for inputs in variants(arrays, dtype):
                try:
                    aval = sample.op.infer(*map(Aval.like, inputs))
                except ChainruleError:
                    continue
                with np.errstate(all="ignore"):
                    expected = np.asarray(sample.op.compute(*inputs), aval.dtype)
                every = tuple(range(len(inputs)))
                for constants in ((), *((i,) for i in every), every):
                    run = NumpyExecutable(program_of(sample.op, inputs, constants))
                    (received,) = run([x for i, x in enumerate(inputs) if i not in constants])
                    assert same(received, expected), f"{sample.op} {dtype} {constants}\n{run.listing.text}"
                    compared += 1
    assert compared


def test_every_op_is_written() -> None:
    composed = {"index_add", "log_softmax"}  # in two lines, by the draft
    assert set(REGISTRY) - composed <= set(WRITERS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("counter", [0, 5, 2**64 - 2])
@pytest.mark.parametrize("key", [0, 7, 2**63 + 9])
def test_random_helpers(key: int, counter: int, dtype: Any) -> None:
    """The listing's own Philox gives the generator's bits."""
    for shape in ((3, 5), (), (0, 2)):
        for kind in ("uniform", "normal"):
            with np.errstate(over="ignore"):
                expected = getattr(philox, kind)(key, counter, shape, dtype)
                assert same(HELPERS[kind](np.int64(key - 2**64 * (key >= 2**63)), counter, shape, dtype), expected)
    with np.errstate(over="ignore"):
        assert same(HELPERS["permutation"](key, counter, 9), philox.permutation(key, counter, 9))


def test_an_op_that_nobody_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do, and doing it helps."""
    from chainrule.ops.exponential import Exp

    class Cube(Exp):
        name = "cube"
        function = staticmethod(lambda x: x * x * x)

    cube = cr.compile(lambda x: apply(Cube(), x) + 1, backend="numpy")
    with pytest.raises(GraphError, match=r'@chainrule.backends.numpy.writes\("cube"\)'):
        cube(cr.tensor([2.0]))
    monkeypatch.setitem(WRITERS, "cube", WRITERS["exp"])
    writes("cube")(lambda node, inputs, avals: inputs[0]._replace(code=f"{inputs[0].code} ** 3", rank=7))
    assert cube(cr.tensor([2.0])).tolist() == [9.0]
    assert "out = x ** 3 + 1" in cube.source()


# ---- whole steps


@pytest.mark.parametrize("name", sorted(STEPS))
def test_steps_as_eagerly(name: str) -> None:
    """Four steps give the eager step's numbers, to the bit; the listing keeps to its own rules."""
    compiled, received = trained(name, "numpy")
    _, expected = trained(name, "eager")
    assert len(received) == len(expected)
    for a, b in zip(received, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    text = compiled.source()
    assert text == source(run_passes(compiled.graph())[-1][1], compiled.name)
    assert max(map(len, text.split("\n"))) <= WIDEST
    assert not re.search(r"[ \t]$", text, re.MULTILINE) and "\t" not in text
    for line in body(text)[body(text).rindex("\n\ndef ") :].split("\n"):
        code = line.split("  #")[0].strip()
        if " = " in code and code[-1] not in "(":
            assert ast.unparse(ast.parse(code)) == code  # no parentheses but those that are needed


@pytest.mark.parametrize("name", [*NETWORKS, *LAYERS, *LOSSES])
def test_goldens(name: str, golden: Any) -> None:
    """The texts of the slides' networks, of every layer and of every loss: read the difference when one changes."""
    compiled, _ = trained(name, "numpy", 2)
    golden(GOLDENS / f"{name}.py", compiled.source())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_goldens(name: str, golden: Any) -> None:
    """What is written of each optimizer: its rule as a function, if it is long, and the update."""
    text = trained(name, "numpy", 2)[0].source()
    rule = text[text.index("import numpy as np") + 18 : text.index("\n\ndef step(")].strip()
    update = text[text.index("    # update") : text.index("\n\nif __name__")].strip()
    golden(GOLDENS / f"optimizer_{name}.txt", f"{rule}\n\n    {update}\n".lstrip())


def test_every_golden_is_compared() -> None:
    names = {f"{name}.py" for name in (*NETWORKS, *LAYERS, *LOSSES)} | {f"optimizer_{n}.txt" for n in OPTIMIZERS}
    assert {file.name for file in GOLDENS.iterdir() if file.is_file()} == names
    kinds = {name.split("_")[0] for name in (*LAYERS, *LOSSES)}
    containers = {"Module", "ModuleDict", "ModuleList", "Parameter", "Sequential", "Summary", "SummaryRow"}
    assert kinds == {n for n in nn.__all__ if n[0].isupper()} - containers


@pytest.mark.parametrize("name", ["xor", "mnist_improved", "Dropout"])
def test_every_pass_can_be_read(name: str) -> None:
    """A listing is right before, between and after the passes, and leaves what it is given as it was."""
    compiled, _ = trained(name, "numpy", 2)
    trace = compiled._last.trace
    arguments = map(np.asarray, STEPS[name]()[1])
    arrays = [*(cell.load() for cell in trace.cells), *arguments]
    for title, program in run_passes(compiled.graph(), keep=True):
        before = [a.copy() for a in arrays]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            received = NumpyExecutable(program)(arrays)
        assert all(map(same, arrays, before)), title
        assert all(map(same, received, Interpreter(program)(arrays))), title


def test_text_is_deterministic() -> None:
    texts = {trained("mnist_improved", "numpy", 2)[0].source() for _ in range(3)}
    assert len(texts) == 1


def test_the_xor_module_runs_with_nothing_but_numpy(tmp_path: Path) -> None:
    """In a Python that finds NumPy and nothing else; the loss falls."""
    file = tmp_path / "step.py"
    file.write_text(trained("xor", "numpy", 1)[0].source())
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import runpy; runpy.run_path(sys.argv[2], run_name='__main__')"
    )
    guard = "import sys; sys.modules['chainrule'] = None; "
    home = str(Path(np.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", guard + program, home, str(file)], capture_output=True, text=True, check=True
    )
    losses = [float(line) for line in done.stdout.split()]
    assert len(losses) == 10 and losses[-1] < losses[0] and done.stderr == ""


@pytest.mark.parametrize("name", ["iris", "mnist_improved", "predict", "Embedding", "Dropout", "KLDivLoss", "BCELoss"])
def test_modules_run_by_themselves(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = trained(name, "numpy", 2)[0].source()
    with np.errstate(all="ignore"):
        exec(compile(text, name, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
def test_texts_are_clean(tmp_path: Path) -> None:
    """By the default rules of ruff."""
    for name in STEPS:
        (tmp_path / f"{name}.py").write_text(trained(name, "numpy", 2)[0].source())
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# ---- particular texts


def text_of(function: Any, *arguments: Any) -> str:
    compiled = cr.compile(function, backend="numpy")
    return body(compiled.source(*map(cr.tensor, arguments)))


def test_the_update_of_xor_is_the_text_of_the_assignment() -> None:
    text = body(trained("xor", "numpy", 1)[0].source())
    lines = [line.strip().split("  #")[0].strip() for line in text.split("\n") if line.strip()]
    assert lines[1:] == [
        "# forward", "z1 = x @ W1.T + b1", "h1 = 1 / (1 + np.exp(-z1))", "z2 = h1 @ W2.T + b2",
        "y = 1 / (1 + np.exp(-z2))", "error = y - t", "loss = (error ** 2).mean()",
        "# backward", "dy = 0.5 * error", "dz2 = dy * y * (1 - y)", "dW2 = dz2.T @ h1", "db2 = dz2.sum(axis=0)",
        "dh1 = dz2 @ W2", "dz1 = dh1 * h1 * (1 - h1)", "dW1 = dz1.T @ x", "db1 = dz1.sum(axis=0)",
        "# update", "W1 = W1 - lr * dW1", "b1 = b1 - lr * db1", "W2 = W2 - lr * dW2", "b2 = b2 - lr * db2",
        "return loss, W1, b1, W2, b2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, y: x - (y - x), "x - (y - x)"),
        (lambda x, y: (x - y) - x, "x - y - x"),
        (lambda x, y: x + (y + x), "x + (y + x)"),
        (lambda x, y: x / (y * x), "x / (y * x)"),
        (lambda x, y: (x + y) * 0.5, "0.5 * (x + y)"),
        (lambda x, y: x + -y, "x - y"),
        (lambda x, y: x - -y, "x + y"),
        (lambda x, y: -(x * y), "-(x * y)"),
        (lambda x, y: (-x) ** 3.0, "(-x) ** 3"),
        (lambda x, y: -(x**3.0), "-x ** 3"),
        (lambda x, y: (x * y).sqrt() ** 0.25, "np.sqrt(x * y) ** 0.25"),
        (lambda x, y: ((x > 0) & (y <= 1)).float(), "((x > 0) & (y <= 1)).astype(np.float32)"),
        (lambda x, y: x * (y > 0).float(), "x * (y > 0)"),
        (lambda x, y: (x > 0).float() * 2.0, "2 * (x > 0).astype(np.float32)"),
        (lambda x, y: x * 1e-7 + 3e10, "1e-07 * x + 3e+10"),
        (lambda x, y: x[1:, None] * y.T.reshape(-1, 1, 3)[0], "x[1:, None] * y.T[:, None][0]"),
    ],
)
def test_operators(function: Any, expected: str) -> None:
    """Parentheses stand where the order of computation needs them, and nowhere else."""
    x, y = np.full((3, 3), 0.3, "f4"), np.full((3, 3), 0.7, "f4")
    text = source(cr.compile(function, backend="numpy").graph(cr.tensor(x), cr.tensor(y)), "f")
    assert f"out = {expected}  #" in text or f"out = {expected}\n" in text, text


def test_long_lines_are_cut_at_their_longest_part() -> None:
    def f(x: Any) -> Any:
        for _ in range(800):
            x = (x * 1.0001 + 0.5).sqrt()
        return x

    compiled = cr.compile(f, backend="numpy")
    received = compiled(cr.ones(3))
    assert same(received.numpy(), f(cr.ones(3)).numpy())
    text = compiled.source()
    assert max(map(len, text.split("\n"))) <= WIDEST and 200 < len(text.split("\n")) < 600


def test_names_of_the_users_own() -> None:
    """Variables, arguments and layers are called as in the program; a name that is taken gives way."""
    net = nn.Sequential(nn.Linear(4, 4))

    def f(np_: Any, W1: Any) -> Any:
        hidden = net(np_)
        loss = (hidden * W1).sum()
        return loss * 2

    text = text_of(f, X, X)
    assert "def f(W, b, np_, W1):" in text
    assert "hidden = np_ @ W.T + b" in text and "loss = (hidden * W1).sum()" in text and "out = 2 * loss" in text
    assert [assigned_name(t) for t in ("a = b", "a == b", "a += b", "a, b = c", "self.a = 1", "for_ = 1", "is = 1")] == [
        "a", "", "", "", "", "for_", "",
    ]  # fmt: skip


def test_state_is_replaced_after_its_last_use() -> None:
    """However the program orders it: the old value is read first, and the text stays as simple as that."""
    a, b = cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0])

    def step(x: Any) -> Any:
        old = a.detach()
        a.data = a * 2 + x
        b.data = b + old * 3
        return x.sum()

    compiled = cr.compile(step, backend="numpy")
    for _ in range(3):
        compiled(cr.ones(2))
    text = body(compiled.source())
    assert text.index("b = b + 3 * a") < text.index("a = 2 * a + x")
    assert a.tolist() == [15.0, 23.0] and b.tolist() == [36.0, 58.0]


def test_state_that_is_needed_after_it_changed() -> None:
    """Two tensors are exchanged, and an old value is returned: each name means one thing at a time."""
    a, b, count = cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0]), cr.tensor(0.0)

    @cr.compile(backend="numpy")
    def step(x: Any) -> Any:
        old, before = a.detach(), count.detach()
        a.data = b * 2 + x
        b.data = old * 3 + x
        count.data = count + 1
        return before, count - 1

    for expected in (0.0, 1.0, 2.0):
        before, after = step(cr.ones(2))
        assert before.item() == expected == after.item()
    assert {"new_a", "new_count"} <= set(re.findall(r"new_\w+", step.source())) or "new_b" in step.source()
    c, d = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for _ in range(3):
        c, d = d * 2 + 1, c * 3 + 1
    assert a.tolist() == c.tolist() and b.tolist() == d.tolist()


def test_what_a_rule_computes_can_be_used_outside_it() -> None:
    """Adam's squared gradients are wanted by the function too."""

    def run(backend: str) -> tuple[Any, str]:
        cr.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        optimizer = cr.optim.Adam(net.parameters())

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            net(x).sum().backward()
            energy = sum((p.grad * p.grad).sum() for p in net.parameters())
            optimizer.step()
            return energy

        compiled = cr.compile(step, backend=backend)
        energies = [compiled(cr.tensor(X)).item() for _ in range(3)]
        return energies, compiled.source() if backend == "numpy" else ""

    (received, text), (expected, _) = run("numpy"), run("eager")
    assert received == pytest.approx(expected, rel=1e-6)
    assert "def adam(p, g, t, m, v, lr):" in text and "energy = " in text


def test_constants() -> None:
    """Short where they follow a rule, in full where they are small, packed where they are large; all the same bits."""
    table = np.random.default_rng(0).normal(size=(5, 6)).astype("f4")
    large = np.random.default_rng(1).normal(size=(60, 50))

    def f(x: Any) -> Any:
        small = x[[2, 0, 1]] + cr.tensor(table)[:3, :3] * cr.eye(3)
        return small + cr.arange(3) + cr.full((3,), 0.1), cr.tensor(large).sum() * x.double()

    compiled = cr.compile(f, backend="numpy")
    x = cr.tensor(X[:3, :3])
    for received, expected in zip(compiled(x), f(x), strict=True):
        np.testing.assert_allclose(received.numpy(), expected.numpy(), rtol=1e-6)
    raw = source(compiled.graph(), "f")
    assert "np.eye(3, dtype=np.float32)" in raw and "np.arange(3)" in raw and "CONSTANT = np.array(\n" in raw
    assert "import zlib" in raw and "np.frombuffer(" in raw and max(map(len, raw.split("\n"))) <= WIDEST


def test_two_rounds_have_their_own_sections() -> None:
    """Two networks against each other: forward, backward, update, and again."""
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    one, two = cr.optim.SGD(first.parameters(), lr=0.1), cr.optim.SGD(second.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        made = first(x)
        two.zero_grad()
        second(made.detach()).mean().backward()
        two.step()
        one.zero_grad()
        loss = -second(made).mean()
        loss.backward()
        one.step()
        return loss

    text = text_of(step, X[:, :2])
    assert re.findall(r"# (forward|backward|update)", text) == ["forward", "backward", "update"] * 2


# ---- running


def test_lines_of_nodes() -> None:
    """Every op is on the line that computes it."""
    compiled, _ = trained("mnist_improved", "numpy", 2)
    program = run_passes(compiled.graph())[-1][1]
    text, lines = source_lines(program)
    rows = text.split("\n")
    assert set(lines) == set(program.graph.nodes)
    at = {op: [rows[lines[n] - 1].strip() for n in program.graph.nodes if n.op.name == op] for op in ("relu", "rsqrt")}
    assert at["relu"][0].startswith("h = np.maximum(") and at["rsqrt"][0].startswith("inv_std_bn1 = 1 / np.sqrt(")
    assert rows[lines[program.outputs[0]] - 1].startswith("    loss = ")
    assert list(listing(program, "step").lines.values()) == list(lines.values())


def test_an_index_out_of_range_is_said_as_eagerly() -> None:
    table = cr.tensor(X)

    def f(i: Any) -> Any:
        return table[i] * 2

    compiled = cr.compile(f, backend="numpy")
    assert compiled(cr.tensor([0, 5])).shape == (2, 4)
    with pytest.raises(ShapeError) as eager:
        f(cr.tensor([0, 6]))
    with pytest.raises(ShapeError) as received:
        compiled(cr.tensor([0, 6]))
    assert str(received.value).split("\n")[:4] == str(eager.value).split("\n")[:4]


def test_numbers_that_are_none_leave_no_warning() -> None:
    compiled = cr.compile(lambda x: (cr.log(x) / x).sum() + cr.ones(0).mean(), backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(compiled(cr.tensor([0.0, -1.0])).item())


def test_outputs_are_new_arrays() -> None:
    """Views of arguments are copied: what is put out belongs to the caller."""
    compiled = cr.compile(lambda x: (x, x.T, x.reshape(-1), cr.broadcast_to(x[0], (2, 3))), backend="numpy")
    x = np.arange(6, dtype="f4").reshape(2, 3)
    compiled(cr.tensor(x))
    run = NumpyExecutable(compiled.graph())
    outputs = run([x])
    assert all(not np.shares_memory(o, x) and o.flags.writeable for o in outputs)
    assert outputs[1].tolist() == x.T.tolist()


def test_a_scan_is_the_steps_one_after_another() -> None:
    function, (x, t) = STEPS["xor"]()
    compiled = cr.compile(function, backend="numpy")
    losses = compiled.scan((), [np.stack([x] * 5), np.stack([t] * 5)])
    cr.manual_seed(0)
    assert losses.shape == (5,) and losses[4].item() < losses[0].item()
