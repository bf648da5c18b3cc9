"""Each equation stands beside the line of the emitted program that computes it: on three networks, and by the numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.errors import GraphError
from chainrule.core.philox import default_generator
from chainrule.show.derivation import Derivation

rng = np.random.default_rng(0)
XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0.0], [1], [1], [0]])
ROWS, SPECIES = rng.normal(size=(6, 4)), np.array([0, 1, 2, 2, 1, 0])
PICTURES, DIGITS = rng.random((8, 784)), np.arange(8)


class Classifier(nn.Module):
    """784-50-10 with batch normalisation, its layers named."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 50), nn.Linear(50, 10)
        self.bn1 = nn.BatchNorm1d(50)

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        return self.fc2(cr.relu(self.bn1(self.fc1(x))))


def xor() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())


NETWORKS: dict[str, Callable[[], tuple[nn.Module, Any, Any, nn.Module]]] = {
    "xor": lambda: (xor(), *XOR, nn.MSELoss()),
    "iris": lambda: (nn.Linear(4, 3), ROWS, SPECIES, nn.CrossEntropyLoss()),
    "mnist": lambda: (
        nn.Sequential(nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10)), PICTURES, DIGITS, nn.CrossEntropyLoss(),
    ),
    "mnist improved": lambda: (Classifier(), PICTURES, DIGITS, nn.CrossEntropyLoss()),
}  # fmt: skip

each_network = pytest.mark.parametrize("name", NETWORKS)


def derived(name: str, **options: Any) -> tuple[Derivation, nn.Module, Any, Any]:
    cr.manual_seed(0)
    model, x, target, loss = NETWORKS[name]()
    model.double()
    made = cr.show.derivation(model, x, target=target, loss=loss, names={}, **options)
    return made, model, x, target


def run(made: Derivation, model: nn.Module, x: Any, target: Any) -> dict[str, Any]:
    """All variables of the emitted function, computed on the model's own numbers."""
    text = re.sub(r"\n    return .*?\n\n\n", "\n    return locals()\n\n\n", made.source, flags=re.DOTALL)
    module: dict[str, Any] = {"__name__": "emitted"}
    exec(text, module)
    code, state = module["step"].__code__, model.state_dict()
    given: dict[str, Any] = {"x": x, "target": target}
    for name in code.co_varnames[: code.co_argcount]:
        leaf = next((leaf for letter, leaf in LEAVES.items() if re.match(rf"{letter}(\d|_|$)", name)), "")
        if leaf:
            layer = name.rpartition("_")[2] if "_" in name else numbered(model, name)
            given[name] = np.asarray(state[f"{layer}.{leaf}".removeprefix(".")])
    return dict(module["step"](**given))


#: What the program's letters are in a model's state.
LEAVES = {
    "W": "weight", "b": "bias", "gamma": "weight", "beta": "bias", "running_mean": "running_mean",
    "running_var": "running_var", "batches": "num_batches_tracked",
}  # fmt: skip


def numbered(model: nn.Module, name: str) -> str:
    """The path of the layer whose number ends a name; nothing for a model that is one layer."""
    layers = [path for path, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    return layers[int(name[1:] or 1) - 1]


# ---- each equation has its line, and the line computes it


@each_network
def test_every_equation_has_a_line(name: str) -> None:
    made = derived(name)[0]
    rows = made.source.splitlines()
    for line in made.lines:
        assert line.source_line is not None and line.source_text, str(line)
        assert rows[line.source_line - 1].strip().startswith(line.source_text) and "#" not in line.source_text
    forward = [line.source_line or 0 for line in made.forward]
    assert forward == sorted(forward), "in the order of the program"
    heading = rows.index("    # backward") + 1
    assert max(forward) < heading < min(line.source_line or 0 for line in made.backward)


@each_network
def test_what_a_line_computes_is_the_value_of_an_equation_beside_it(name: str) -> None:
    """Of the equations at one line, one is what the line assigns; the others are folded into it."""
    made, model, x, target = derived(name)
    numbers = run(made, model, x, target)
    lines: dict[int, list[Any]] = {}
    for line in made.lines:
        lines.setdefault(line.source_line or 0, []).append(line)
    for place, equations in lines.items():
        variable = re.match(r"\w+", equations[0].source_text)
        assert variable is not None
        value = np.asarray(numbers[variable[0]])
        same = [
            line.key for line in equations if line.shape == value.shape and np.allclose(line.value, value, 1e-9, 1e-12)
        ]
        assert same, f"line {place}: {equations[0].source_text} is none of {[line.key for line in equations]}"


def test_the_lines_of_the_xor_network() -> None:
    made = derived("xor")[0]
    pairs = [(str(line).partition(" = ")[0], line.source_text) for line in made.lines]
    assert pairs == [
        ("z₁", "z1 = x @ W1.T + b1"),
        ("h₁", "h1 = 1 / (1 + np.exp(-z1))"),
        ("z₂", "z2 = h1 @ W2.T + b2"),
        ("h₂", "y = 1 / (1 + np.exp(-z2))"),
        ("d", "error = y - target"),
        ("q", "loss = (error ** 2).mean()"),
        ("L", "loss = (error ** 2).mean()"),
        ("∂L/∂L", "dy = 0.5 * error"),
        ("∂L/∂q", "dy = 0.5 * error"),
        ("∂L/∂d", "dy = 0.5 * error"),
        ("∂L/∂h₂", "dy = 0.5 * error"),
        ("∂L/∂z₂", "dz2 = dy * y * (1 - y)"),
        ("∂L/∂W₂", "dW2 = dz2.T @ h1"),
        ("∂L/∂b₂", "db2 = dz2.sum(axis=0)"),
        ("∂L/∂h₁", "dh1 = dz2 @ W2"),
        ("∂L/∂z₁", "dz1 = dh1 * h1 * (1 - h1)"),
        ("∂L/∂W₁", "dW1 = dz1.T @ x"),
        ("∂L/∂b₁", "db1 = dz1.sum(axis=0)"),
    ]


@each_network
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_page_shows_number_and_text_beside_each_equation(name: str, lang: str) -> None:
    made = derived(name, lang=lang)[0]
    body = re.sub(r"<(meta|!doctype)[^>]*>", "", made.html)
    page = ElementTree.fromstring(body)
    rows = [row for row in page.iter("tr") if row.get("id")]
    assert len(rows) == len(made.lines)
    for row, line in zip(rows, made.lines, strict=True):
        (link,) = row.iter("a")
        number, code = list(link)
        assert (link.get("href"), number.text, code.text) == (
            f"#L{line.source_line}",
            str(line.source_line),
            line.source_text,
        )
    program = [row for row in page.iter("div") if re.fullmatch(r"L\d+", row.get("id", ""))]
    assert ["".join(row.itertext()) for row in program] == [
        f"{n}{text}" for n, text in enumerate(made.source.splitlines(), 1)
    ]


# ---- a step of one's own


@each_network
def test_a_compiled_step_may_be_the_source(name: str) -> None:
    """Of another batch, with an optimizer whose update is fused with the gradient: every equation is found in it."""
    _, model, x, target = derived(name)
    loss = NETWORKS[name]()[3]
    optimizer = cr.optim.SGD(model.parameters(), lr=0.1)

    @cr.compile(backend="numpy")
    def train(inputs: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(inputs), labels)
        value.backward()
        optimizer.step()
        return value

    with pytest.raises(GraphError, match="not traced yet"):
        cr.show.derivation(model, x, target=target, loss=loss, source=train)
    train(cr.tensor(x[:4]), cr.tensor(target[:4]))
    made = cr.show.derivation(model, x, target=target, loss=loss, source=train, names={})
    assert made.source == train.source() and "    # update" in made.source
    assert [str(line) for line in made.lines if line.source_line is None] == []
    update = made.source.splitlines().index("    # update") + 1
    assert max(line.source_line or 0 for line in made.lines) < update
    gradients = [line for line in made.backward if line.key.endswith(("weight gradient", "bias gradient"))]
    assert len({line.source_line for line in gradients}) == len(gradients), "each on a line of its own"
    assert made.link("z1 = 0")[made.lines[0].key].source_line == 1


# ---- what is left alone, and what has no program


def test_a_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    x, t = (cr.tensor(a.astype(np.float32)) for a in XOR)
    nn.MSELoss()(model(x), t).backward()
    tensors = [*model.parameters(), *model.buffers()]

    def state() -> Any:
        gradients = [None if v.grad is None else v.grad.numpy().tobytes() for v in tensors]
        return [v.numpy().tobytes() for v in tensors], gradients, default_generator().state()

    before = state()
    made = cr.show.derivation(model, x, target=t, loss=nn.MSELoss())
    assert state() == before
    assert all(line.source_line for line in made.lines) and "mask" in made.source


def test_arguments_are_called_as_the_user_calls_them() -> None:
    rows = cr.tensor(XOR[0].astype(np.float32))
    made = cr.show.derivation(xor(), rows, target=XOR[1])
    assert "def step(W1, b1, W2, b2, rows, target):" in made.source
    twice = cr.show.derivation(Sum(), rows, rows, names={"class": rows})
    assert "def forward(class_):" in twice.source and twice.lines[0].source_line


class Sum(nn.Module):
    def forward(self, a: cr.Tensor, b: cr.Tensor) -> cr.Tensor:
        return a + b


class Looks(nn.Module):
    """Chooses by its numbers, which no program can."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 1)

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        z = self.fc(x)
        return z if z.sum().item() > 0 else -z


def test_what_cannot_be_traced_has_equations_and_no_program() -> None:
    made = cr.show.derivation(Looks(), XOR[0], target=XOR[1], loss=nn.MSELoss())
    assert made.lines and not made.source and all(line.source_line is None for line in made.lines)
    assert 'class="code"' not in made.html and 'class="line"' not in made.html


def test_a_tensor_that_was_computed_has_no_program() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    made = cr.show.derivation((w * w).sum())
    assert made.lines and not made.source


def test_a_step_that_computes_something_else_has_no_lines_for_it() -> None:
    @cr.compile(backend="numpy")
    def other(x: Any) -> Any:
        return cr.tanh(x).max()

    other(cr.ones(3))
    made = cr.show.derivation(xor(), XOR[0], target=XOR[1], loss=nn.MSELoss(), source=other)
    assert made.source and not any(line.source_line for line in made.lines)
