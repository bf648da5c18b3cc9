"""The equations of a network: every line is true on the numbers, has a key that stays, and finds its line of source."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.errors import ConfigError
from chainrule.show.circuit import Circuit
from chainrule.show.computation import circuit_of
from chainrule.show.derivation import Derivation, Line, find_line
from chainrule.show.notation import to_text
from chainrule.show.symbols import symbols
from show.evaluate import evaluate


class Net(nn.Module):
    """The two-layer network of the XOR lecture."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(2, 3, dtype=cr.float64), nn.Linear(3, 1, dtype=cr.float64)

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        return self.fc2(self.fc1(x).sigmoid()).sigmoid()


X = cr.tensor(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]))
T = cr.tensor(np.array([[0.0], [1], [1], [0]]))

SOURCE = """
def step(X, T, W1, b1, W2, b2):
    z1 = X @ W1.T + b1
    h1 = sigmoid(z1)
    z2 = h1 @ W2.T + b2
    h2 = sigmoid(z2)
    error = h2 - T
    loss = np.mean(error * error)
    dh2 = 2 * error / 4
    dz2 = dh2 * h2 * (1 - h2)
    dW2, db2 = dz2.T @ h1, dz2.sum(0)
    dz1 = (dz2 @ W2) * h1 * (1 - h1)
    dW1 = dz1.T @ X
    db1 = dz1.sum(0)
"""


def xor() -> Derivation:
    return cr.show.derivation(Net(), X, target=T, loss=nn.MSELoss(), names={"X": X, "T": T})


def test_the_equations_of_the_xor_network() -> None:
    made = xor()
    assert [str(line) for line in made.forward] == [
        "z₁ = X W₁ᵀ + b₁",
        "h₁ = σ(z₁)",
        "z₂ = h₁ W₂ᵀ + b₂",
        "h₂ = σ(z₂)",
        "d = h₂ − T",
        "q = d²",
        "L = mean(q)",
    ]
    assert [str(line) for line in made.backward] == [
        "∂L/∂L = 1",
        "∂L/∂q = 1/4 · ∂L/∂L · 1_(4 × 1)",
        "∂L/∂d = ∂L/∂q ⊙ 2 · d",
        "∂L/∂h₂ = ∂L/∂d",
        "∂L/∂z₂ = ∂L/∂h₂ ⊙ (1 − h₂) ⊙ h₂",
        "∂L/∂W₂ = (∂L/∂z₂)ᵀ h₁",
        "∂L/∂b₂ = ∑_(rows) ∂L/∂z₂",
        "∂L/∂h₁ = ∂L/∂z₂ W₂",
        "∂L/∂z₁ = ∂L/∂h₁ ⊙ (1 − h₁) ⊙ h₁",
        "∂L/∂W₁ = (∂L/∂z₁)ᵀ X",
        "∂L/∂b₁ = ∑_(rows) ∂L/∂z₁",
    ]
    assert [line.shape for line in made.forward] == [(4, 3), (4, 3), (4, 1), (4, 1), (4, 1), (4, 1), ()]
    assert made["fc1.weight gradient"].shape == (3, 2) and made["fc1.weight gradient"].layer == "fc1: Linear"


def test_keys_and_variables_name_the_lines() -> None:
    made = xor()
    assert [line.key for line in made.lines] == [
        "fc1 affine", "Net sigmoid", "fc2 affine", "Net sigmoid 2", "MSELoss subtract", "MSELoss square", "loss",
        "loss gradient", "MSELoss square gradient", "MSELoss subtract gradient", "Net sigmoid 2 gradient",
        "fc2 affine gradient", "fc2.weight gradient", "fc2.bias gradient", "Net sigmoid gradient", "fc1 affine gradient",
        "fc1.weight gradient", "fc1.bias gradient",
    ]  # fmt: skip
    assert [line.key for line in xor().lines] == [line.key for line in made.lines]
    variables = {line.key: line.variable for line in made.lines}
    assert variables["fc1 affine"] == "z1" and variables["fc2.weight gradient"] == "dW2" and variables["loss"] == "loss"
    assert len(set(variables.values())) == len(variables)


def test_each_line_finds_its_line_of_source() -> None:
    made = xor().link(SOURCE)
    lines = SOURCE.splitlines()
    assert lines[(made["fc1 affine"].source_line or 0) - 1].strip().startswith("z1 = X")
    assert lines[(made["fc2.bias gradient"].source_line or 0) - 1].strip().startswith("dW2, db2 =")
    assert made["MSELoss square"].source_line is None
    named = xor().link("hidden = X @ W", {"fc1 affine": "hidden"})
    assert named["fc1 affine"].source_line == 1
    by_layer = xor().link("z_fc1 = 1\nerror = 2\ndW_fc2 = 3")
    assert [by_layer[key].source_line for key in ("fc1 affine", "MSELoss subtract", "fc2.weight gradient")] == [1, 2, 3]
    direct = cr.show.derivation(Net(), X, target=T, loss=nn.MSELoss(), source=SOURCE)
    assert direct["loss"].source_line == 8


@pytest.mark.parametrize(
    ("source", "variable", "line"),
    [
        ("a = 1\nb = a", "b", 2),
        ("ab = 1", "b", None),
        ("if b == 1: pass\nb += 2", "b", 2),
        ("x, b = f()", "b", 1),
        ("b, x = f()", "b", 1),
        ("  b: float = 3", "b", 1),
        ("c = f(b=1)", "b", None),
        ("b[0] = 3", "b", None),
    ],
)
def test_find_line(source: str, variable: str, line: int | None) -> None:
    assert find_line(source, variable) == line


# ---- the equations are true


def check(model: nn.Module, x: np.ndarray, target: np.ndarray, loss: nn.Module) -> Derivation:
    """Each right side, read as it is printed and computed, is the value of its left side."""
    made = cr.show.derivation(model, x, target=target, loss=loss, names={})
    known: dict[str, np.ndarray] = {}
    for line in made.lines:
        known[to_text(line.left)] = line.value
    known |= inputs_of(model, x, target, loss)
    checked = 0
    for line in made.lines:
        if any(word in line.right for word in (r"\mathrm{reshape}", "[i", "repeat", r"\mathrm{permute}", "where")):
            continue
        # A sum over all elements is one number; a product with ones is as large as they are.
        received = np.asarray(evaluate(line.right, known), float)
        expected = np.asarray(line.value, float)
        if received.size != expected.size:
            received = np.broadcast_to(received, expected.shape)
        np.testing.assert_allclose(received.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12, err_msg=str(line))
        checked += 1
        if line.shortcut:
            assert "softmax" in line.shortcut or "onehot" in line.shortcut or evaluates_to(line, known)
    assert checked > 0.7 * len(made.lines)
    return made


def evaluates_to(line: Line, known: dict[str, np.ndarray]) -> bool:
    return bool(np.allclose(evaluate(line.shortcut, known), line.value, rtol=1e-9))


def inputs_of(model: nn.Module, x: np.ndarray, target: np.ndarray, loss: nn.Module) -> dict[str, np.ndarray]:
    """Inputs, parameters and constants by their symbols, in a computation of its own with the same numbers."""
    circuit: Circuit = circuit_of(model, (x,), target, loss, None, {})
    return {to_text(s.latex): q.value for q, s in symbols(circuit).items() if q.node.op is None}


rng = np.random.default_rng(0)
ROWS, LABELS = rng.normal(size=(6, 4)), np.array([0, 1, 2, 2, 1, 0])


def f64(*sizes: int) -> nn.Linear:
    return nn.Linear(*sizes, dtype=cr.float64)


def test_two_layers_with_squared_error() -> None:
    made = check(Net(), X.numpy(), T.numpy(), nn.MSELoss())
    assert to_text(made["Net sigmoid 2 gradient"].shortcut) == "2/4 · (h₂ − target)"


def test_softmax_and_cross_entropy_in_one_step() -> None:
    made = check(nn.Sequential(f64(4, 5), nn.Tanh(), f64(5, 3)), ROWS, LABELS, nn.CrossEntropyLoss())
    line = made["2 affine gradient"]
    assert to_text(line.shortcut) == "(softmax(z₂) − onehot(target))/6"
    scores = made["2 affine"].value
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(line.value, (p - np.eye(3)[LABELS]) / 6, atol=1e-12)


def test_a_shortcut_is_not_claimed_where_it_is_not_true() -> None:
    for loss in (nn.CrossEntropyLoss(label_smoothing=0.1), nn.CrossEntropyLoss(weight=[1.0, 2.0, 3.0])):
        made = cr.show.derivation(nn.Linear(4, 3), ROWS.astype("f4"), target=LABELS, loss=loss)
        assert not any(line.shortcut for line in made.lines)


def test_binary_cross_entropy_of_scores() -> None:
    target = (rng.random((6, 1)) > 0.5).astype(float)
    made = cr.show.derivation(f64(4, 1), ROWS, target=target, loss=nn.BCEWithLogitsLoss())
    shortcuts = [to_text(line.shortcut) for line in made.lines if line.shortcut]
    assert shortcuts == ["(σ(z) − target)/6"], "one layer needs no number"


def test_batch_normalisation_is_derived_line_by_line() -> None:
    norm = nn.BatchNorm1d(5, dtype=cr.float64)
    norm.weight.data = cr.tensor(np.array([1.0, 0.5, 2.0, 1.5, 0.7]))
    made = check(nn.Sequential(f64(4, 5), norm, nn.ReLU(), f64(5, 3)), ROWS, LABELS, nn.CrossEntropyLoss())
    texts = [str(line) for line in made.lines]
    assert "μ₁ = mean_(axis 0)(z₁)" in texts and "d₁ = z₁ − μ₁" in texts and "r₁ = 1/√a₁" in texts
    assert "∂L/∂d₁ = ∂L/∂k₁ ⊙ p₁ + ∂L/∂q₁ ⊙ 2 · d₁" in texts, "two paths are added"
    assert "∂L/∂γ₁ = ∑_(axis 0) ∂L/∂k₁" not in texts and any(t.startswith("∂L/∂γ₁ = ") for t in texts)
    assert [line.layer for line in made.lines if line.key == "1.weight gradient"] == ["1: BatchNorm1d"]


def test_dropout_layer_norm_and_other_losses() -> None:
    model = nn.Sequential(f64(4, 4), nn.LayerNorm(4, dtype=cr.float64), nn.Softplus(), f64(4, 2))
    check(model, ROWS, rng.normal(size=(6, 2)), nn.L1Loss())
    check(model, ROWS, rng.normal(size=(6, 2)), nn.MSELoss(reduction="sum"))
    made = cr.show.derivation(nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)), ROWS, target=LABELS)
    assert any("⊙ M" in str(line) for line in made.forward)


def test_a_weight_used_twice_has_both_terms() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = f64(4, 4)

        def forward(self, x: cr.Tensor) -> cr.Tensor:
            return self.fc(self.fc(x).tanh())

    made = check(Twice(), ROWS, ROWS[:, :4], nn.MSELoss())
    assert str(made["fc.weight gradient"]) == "∂L/∂W = (∂L/∂z')ᵀ h + (∂L/∂z)ᵀ x".replace("'", "′")


def test_what_a_loss_computes_belongs_to_no_layer() -> None:
    """A function as loss is named as a module is."""
    made = cr.show.derivation(Net(), X, target=T, loss=lambda y, t: ((y - t) ** 2).mean(), names={})
    assert [str(line) for line in made.forward[-3:]] == ["d = h₂ − target", "q = d²", "L = mean(q)"]


def test_gradients_are_those_of_backward() -> None:
    net = Net()
    made = cr.show.derivation(net, X, target=T, loss=nn.MSELoss())
    nn.MSELoss()(net(X), T).backward()
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(made[f"{name} gradient"].value, parameter.grad.numpy(), rtol=1e-12)


# ---- text, LaTeX, page


def test_latex_is_balanced_and_has_a_row_for_each_line() -> None:
    made = xor()
    latex = made.latex
    assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}") == 2
    assert latex.count("{") == latex.count("}") and latex.count(r"\left(") == latex.count(r"\right)")
    assert latex.count("&=") == len(made.lines) + sum(bool(line.shortcut) for line in made.lines)
    assert r"z_{1} &= X W_{1}^\top + b_{1} && (4 \times 3) \\" in latex
    assert made._repr_latex_() == latex


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_page_links_equations_and_source_both_ways(tmp_path: Path, lang: str) -> None:
    made = cr.show.derivation(Net(), X, target=T, loss=nn.MSELoss(), source=SOURCE, lang=lang)
    page = made.save(tmp_path / "equations.html").read_text(encoding="utf-8")
    for formula in re.findall(r"<math.*?</math>", page):
        ElementTree.fromstring(formula)
    assert page.count('<tr id="e') == len(made.lines)
    targets = set(re.findall(r'id="(e\d+|L\d+)"', page))
    links = set(re.findall(r'href="#(e\d+|L\d+)"', page))
    assert links and links <= targets and {link[0] for link in links} == {"e", "L"}
    assert not re.findall(r"https?://", page) and "<script" not in page
    assert ("순전파" in page) == (lang == "ko")
    text = made.save(tmp_path / "equations.txt").read_text(encoding="utf-8")
    assert "z₁ = " in text and "(4 × 3)" in text and text == str(made) + "\n"
    assert made.save(tmp_path / "equations.tex").read_text(encoding="utf-8") == made.latex + "\n"
    with pytest.raises(ConfigError, match=r"\.html or \.tex or \.txt"):
        made.save(tmp_path / "equations.md")


def test_without_a_loss_there_are_only_forward_equations() -> None:
    made = cr.show.derivation(Net(), X)
    assert made.forward and not made.backward
    assert str(made).count("\n") == len(made.forward)
