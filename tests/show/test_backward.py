"""Backpropagation one node at a time: the formulas are true, the order is right, and the words fit the numbers."""

from __future__ import annotations

import io
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.errors import ConfigError, GradientError, GraphError, ShapeError
from chainrule.core.op import REGISTRY, Op
from chainrule.show.circuit import Circuit
from chainrule.show.formulas import FORMULAS, fill, formula_of
from chainrule.show.notation import parse, to_mathml, to_text
from chainrule.show.words import _WORDS, words
from show.evaluate import evaluate

# ---- the table of formulas


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_has_a_formula_that_can_be_read(name: str) -> None:
    assert name in FORMULAS
    for sample in REGISTRY[name].samples():
        formula = formula_of(sample.op, [x.shape for x in sample.inputs])
        rules = formula.derivatives or formula.flows
        assert len(rules) == len(sample.inputs)
        assert any(rules) == sample.op.differentiable
        for text in (formula.forward, *filter(None, rules)):
            filled = fill(text, {letter: letter for letter in "xywvzg"} | {"m": r"\odot"})
            assert "$" not in filled and parse(filled)
            ElementTree.fromstring(to_mathml(filled).replace("&", "&amp;"))


#: Moves and sums over letters: their formulas name a function that says it all.
NAMED = {
    "cast",
    "einsum",
    "cumsum",
    "broadcast_to",
    "reshape",
    "transpose",
    "flip",
    "pad",
    "concatenate",
    "index",
    "index_add",
}
CHECKED = sorted(n for n, op in REGISTRY.items() if op.differentiable and n not in NAMED and n != "stop_gradient")


@pytest.mark.parametrize("name", CHECKED)
def test_the_formulas_give_the_numbers_of_the_library(name: str) -> None:
    """Read from the page, each formula computes what the op and its derivative compute."""
    for sample in REGISTRY[name].samples():
        if any(x.size == 0 for x in sample.inputs) or max(x.ndim for x in sample.inputs) > 2:
            continue
        values, op = dict(zip("xywv", sample.inputs, strict=False)), sample.op
        values["z"] = out = np.asarray(op.compute(*sample.inputs))
        values["g"] = np.linspace(0.5, 2.0, out.size).reshape(out.shape)
        formula = formula_of(op, [x.shape for x in sample.inputs])
        if name not in ("where", "clip"):  # written as a function of that name
            np.testing.assert_allclose(
                _spread(evaluate(_filled(formula.forward), values), out), out, rtol=1e-9, atol=1e-12, err_msg=name
            )
        for position, exact in enumerate(_derivatives(op, values["g"], out, sample.inputs)):
            if formula.derivatives:
                rule = formula.derivatives[position]
                received = None if rule is None else values["g"] * evaluate(_filled(rule), values)
            else:
                rule = formula.flows[position]
                received = None if rule is None else evaluate(_filled(rule), _kept(values, op))
            assert (received is None) == (exact is None)
            if exact is not None:
                np.testing.assert_allclose(
                    _spread(received, exact), exact, rtol=1e-9, atol=1e-12, err_msg=f"{name} {rule}"
                )


def _filled(template: str) -> str:
    return fill(template, {letter: letter for letter in "xywvzg"} | {"m": r"\odot"})


def _kept(values: dict[str, np.ndarray], op: Op) -> dict[str, np.ndarray]:
    """Values of a reduction with the reduced axes kept, as "the same for every element" is meant."""
    if "axes" not in op.params or op.params["keepdims"]:
        return values
    shape = tuple(1 if i in op.params["axes"] else n for i, n in enumerate(values["x"].shape))
    return {**values, "z": values["z"].reshape(shape), "g": values["g"].reshape(shape)}


def _spread(received: object, like: np.ndarray) -> np.ndarray:
    """In the shape of ``like``: axes of length one apart, or the same for every element."""
    array = np.asarray(received, float)
    return array.reshape(like.shape) if array.size == like.size else np.broadcast_to(array, like.shape)


def _derivatives(op: Op, g: np.ndarray, out: np.ndarray, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray | None]:
    tensors = [cr.Tensor(x) for x in inputs]
    with cr.no_grad():
        parts = op.vjp(cr.Tensor(g), cr.Tensor(out), *tensors)
        parts = parts if isinstance(parts, tuple) else (parts,)
        return [None if p is None else (p() if callable(p) else p).numpy() for p in parts]


# ---- the steps


def circuit() -> cr.Tensor:
    x, y, z = (cr.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    q = x + y
    f = q * z
    return f, {"x": x, "y": y, "z": z, "q": q, "f": f}


def test_the_slides_circuit_step_by_step() -> None:
    f, names = circuit()
    steps = [step.text().splitlines() for step in cr.show.backward(f, names=names).steps]
    assert [s[0] for s in steps] == [
        "Step 1: f = q · z = 3 · (−4) = −12",
        "Step 2: q = x + y = (−2) + 5 = 3",
        "Step 3: z = −4",
        "Step 4: y = 5",
        "Step 5: x = −2",
    ]
    first, second = "\n".join(steps[0]), "\n".join(steps[1])
    assert "local derivative  ∂f/∂q = z = −4" in first and "chain rule        ∂f/∂z = ∂f/∂f · q = 1 · 3 = 3" in first
    assert "q was used only by f (step 1)" in second and "Comes in  ∂f/∂q = −4" in second
    assert "chain rule        ∂f/∂x = ∂f/∂q · 1 = (−4) · 1 = −4" in second
    assert "adds to x.grad" in steps[4][3] and steps[4][2].endswith("∂f/∂x = −4")


def test_where_paths_meet_they_are_added_and_it_says_why() -> None:
    x = cr.tensor(3.0, requires_grad=True)
    a = 2.0 * x
    b = -x
    f = a + b
    step = cr.show.backward(f).steps[-1]
    assert step.step.name == "x" and len(step.step.incoming) == 2
    assert to_text(step.step.total) in ("∂f/∂x = −1 + 2 = 1", "∂f/∂x = 2 + (−1) = 1")
    text = step.text()
    assert "Why add?  2 paths meet here. A small change of x reaches f along each of them" in text
    assert "x was used by b (step 2), a (step 3)" in text and "a part of the gradient would be missing" in text


def test_one_quantity_used_twice_by_one_operation() -> None:
    x = cr.tensor(3.0, requires_grad=True)
    f = x * x
    first, last = cr.show.backward(f).steps
    assert [onward.which for onward in first.step.onward] == ["as input 1", "as input 2"]
    assert to_text(last.step.total) == "∂f/∂x = 3 + 3 = 6"


def random_net() -> tuple[nn.Module, cr.Tensor, cr.Tensor]:
    net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())
    return net, cr.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), cr.tensor([[0.0], [1], [1], [0]])


def test_no_node_comes_before_all_its_users() -> None:
    net, x, t = random_net()
    y = net(x)
    loss = ((y - t) ** 2).mean() + (y * y * 0.1).sum() + cr.absolute(net[0].weight).sum()
    steps = cr.show.backward(loss).steps
    place = {step.step.quantity: step.step.number for step in steps}
    assert [step.step.number for step in steps] == list(range(1, len(steps) + 1))
    for step in steps[1:]:
        users = [path.user for path in step.step.quantity.paths]
        assert users and all(place[user] < step.step.number for user in users)
    weight = next(s for s in steps if s.step.name == "0.weight")
    assert len(weight.step.quantity.paths) == 2 and weight.step.total.count("+") >= 1


def test_the_gradients_are_those_of_backward_and_nothing_else_changes() -> None:
    net, x, t = random_net()
    loss = nn.MSELoss()(net(x), t)
    called = []
    net[0].weight.register_hook(called.append)
    shown = {step.step.name: step.step.quantity.gradient for step in cr.show.backward(loss).steps}
    assert not called and all(p.grad is None for p in net.parameters())
    loss.backward()  # the tape is still there
    assert len(called) == 1
    for name, parameter in net.named_parameters():
        np.testing.assert_array_equal(shown[name], parameter.grad.numpy())


def test_matrix_products_show_their_formula_and_shapes() -> None:
    net, x, t = random_net()
    steps = {s.step.name: s.step for s in cr.show.backward(net, x, target=t, loss=nn.MSELoss()).steps}
    affine = steps["v3"]
    by_name = {onward.to: onward for onward in affine.onward}
    assert to_text(by_name["2.weight"].flow).startswith("∂loss/∂2.weight = (∂loss/∂v₃)ᵀ v₂")
    assert to_text(by_name["v2"].flow) == "∂loss/∂v₂ = ∂loss/∂v₃ 2.weight"
    assert to_text(by_name["v2"].shapes) == "∂loss/∂v₃ 4 × 1, 2.weight 1 × 3 → ∂loss/∂v₂ 4 × 3"
    assert "x" not in by_name, "data get no gradient"
    assert re.fullmatch(
        r"∂loss/∂2\.bias = ∑_\(rows\) ∂loss/∂v₃ = ∑_\(rows\).*= \[0\.\d+\]", to_text(by_name["2.bias"].flow)
    )


def test_small_arrays_are_written_out_large_ones_are_not() -> None:
    x = cr.tensor([0.5, -1.0], requires_grad=True)
    a = x * x
    f = a.sum()
    text = str(cr.show.backward(f))
    assert "∂f/∂a = ∂f/∂f · 1₂ = 1 · 1₂ = [1 1]" in text
    assert "∂f/∂x = ∂f/∂a ⊙ x = [1 1] ⊙ [0.5 −1] = [0.5 −1]" in text
    assert "∂f/∂x = [0.5 −1] + [0.5 −1] = [1 −2]" in text
    y = cr.tensor(np.ones(7), requires_grad=True)
    text = str(cr.show.backward((y * y).sum()))
    assert "[1 1" not in text and "7 numbers" in text
    assert "[1 1" in str(cr.show.backward((y * y).sum(), numbers=7))


def test_broadcasting_is_said_and_summed() -> None:
    m, c = cr.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), cr.tensor([0.5, -0.5], requires_grad=True)
    f = ((m + c) * 2).sum()
    text = str(cr.show.backward(f))
    assert "c (2 numbers) was repeated to 2 × 2, so the gradient is summed over the repeats." in text
    assert "[[2 2], [2 2]] → [4 4]" in text


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_both_languages_say_everything(lang: str) -> None:
    net, x, t = random_net()
    shown = cr.show.backward(net, x, target=t, loss=nn.MSELoss(), lang=lang)
    text, page = str(shown), shown.html
    key = {"en": "Why now?", "ko": "왜 지금?"}[lang]
    assert text.count(key) == len(shown) == page.count(key) and f'<html lang="{lang}">' in page
    if lang == "ko":
        assert not re.search(
            r"\b(was used|Comes in|mean −?\d|numbers)\b",
            text + re.sub(r"<style>.*?</style>|<script.*?</script>", "", page, flags=re.S),
        )


def test_every_text_is_there_in_both_languages_with_the_same_places() -> None:
    for key, texts in _WORDS.items():
        places = [sorted(set(re.findall(r"{(\w+)}", text))) for text in texts]
        assert len(texts) == 2 and all(texts) and places[0] == places[1], key
    with pytest.raises(ConfigError, match="'en' or 'ko'"):
        cr.show.backward(circuit()[0], lang="fr")
    assert words("step", "ko", number=2) == "2단계"


# ---- text, terminal, page


def test_the_page_holds_every_step_and_needs_no_network(tmp_path: Path) -> None:
    f, names = circuit()
    shown = cr.show.backward(f, names=names)
    page = shown.save(tmp_path / "steps.html").read_text(encoding="utf-8")
    assert page.count('<section class="step"') == 5
    for formula in re.findall(r"<math.*?</math>", page):
        ElementTree.fromstring(formula)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    # Each step names the node of the drawing that it is about.
    indices = re.findall(r'<section class="step" data-index="(\d+)"', page)
    drawn = set(re.findall(r'data-ids="([\d ]+)"', page))
    assert all(index in drawn for index in indices) and len(set(indices)) == 5
    text = shown.save(tmp_path / "steps.txt").read_text(encoding="utf-8")
    assert text == str(shown) + "\n"
    with pytest.raises(ConfigError, match=r"\.html or \.txt"):
        shown.save(tmp_path / "steps.pdf")


def test_printing_is_plain_in_a_file_and_coloured_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    f, names = circuit()
    shown = cr.show.backward(f, names=names)
    shown.print()
    assert capsys.readouterr().out == str(shown) + "\n"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown.print()
    coloured = terminal.getvalue()
    assert "\x1b[" in coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert [line.rstrip() for line in plain.splitlines()] == [line.rstrip() for line in str(shown).splitlines()]


def test_a_notebook_gets_a_frame() -> None:
    f, names = circuit()
    html = cr.show.backward(f, names=names)._repr_html_()
    assert html.startswith("<iframe srcdoc=") and "&lt;section" in html and "<section" not in html


def test_errors_say_what_to_do() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ShapeError, match="one number, or the gradient"):
        cr.show.backward(x * 2)
    assert len(cr.show.backward(x * 2, gradient=[1.0, 0.0])) == 2
    with pytest.raises(ShapeError, match="the shape of what is drawn"):
        cr.show.backward(x * 2, gradient=[1.0])
    with pytest.raises(GradientError, match="requires_grad=True"):
        cr.show.backward(cr.tensor(1.0) * 2)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphError, match="retain_graph=True"):
        cr.show.backward(y)


def test_a_long_chain_does_not_recurse() -> None:
    x = cr.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(1500):
        y = y * 1.001
    circuit = Circuit.of(y)
    assert len(circuit.order) == 1501
    assert abs(float(circuit.order[-1].gradient) - 1.001**1500) < 1e-3
