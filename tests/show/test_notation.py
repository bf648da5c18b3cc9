"""Formulas as people write them become MathML that a browser sets, and words that a terminal prints."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from chainrule.show.notation import to_mathml, to_text

#: What a formula is in a terminal.
TEXTS = {
    r"x \le y \leq z \ge u \geq v \ne w \neq k": "x ≤ y ≤ z ≥ u ≥ v ≠ w ≠ k",
    r"a \approx b": "a ≈ b",
    r"W \leftarrow W - \eta \nabla L": "W ← W − η ∇L",
    r"W ← W - \eta \, \partial L / \partial W": "W ← W − η ∂L/∂W",
    r"x \to \infty": "x → ∞",
    r"28 \times 28 = 784": "28 × 28 = 784",
    r"x \in \mathbb{R}^n": "x ∈ ℝⁿ",
    r"p \Rightarrow q": "p ⇒ q",
    r"\mu \pm \sigma": "μ ± σ",
    r"\hat{x} = x - \bar{x}": "x\u0302 = x − x\u0304",
    r"\hat y": "y\u0302",
    r"f(x) = x \text{ if } x > 0 \text{ else } 0": "f(x) = x if x > 0 else 0",
    r"10\,\% \ll 1": "10 % ≪ 1",
    r"\theta_{t+1} \propto -\nabla L": "θₜ₊₁ ∝ −∇L",
    r"-x \le -1": "−x ≤ −1",
}


@pytest.mark.parametrize("latex", TEXTS)
def test_in_a_terminal(latex: str) -> None:
    assert to_text(latex) == TEXTS[latex]


@pytest.mark.parametrize("latex", TEXTS)
def test_on_a_page_the_same_signs_stand(latex: str) -> None:
    page = "".join(ElementTree.fromstring(to_mathml(latex)).itertext())
    plain = TEXTS[latex].translate({0x302: "^", 0x304: "¯", 0x207F: "n", 0x209C: "t", 0x208A: "+", 0x2081: "1"})
    assert page.replace("\N{NO-BREAK SPACE}", "").replace(" ", "") == plain.replace(" ", "")


def test_words_between_formulas_keep_their_blanks() -> None:
    """MathML drops ordinary blanks at the ends of a piece of text."""
    pieces = [e.text for e in ElementTree.fromstring(to_mathml(r"x \text{ if } y \text{ or else} z")).iter("mtext")]
    assert pieces == ["\N{NO-BREAK SPACE}if\N{NO-BREAK SPACE}", "\N{NO-BREAK SPACE}or else"]


def test_a_relation_is_an_operator_and_a_minus_after_it_a_sign() -> None:
    tree = ElementTree.fromstring(to_mathml(r"x \approx -1"))
    assert [(e.tag, e.text, e.get("form")) for e in tree[0]] == [
        ("mi", "x", None), ("mo", "≈", None), ("mo", "−", "prefix"), ("mn", "1", None),
    ]  # fmt: skip


def test_a_hat_stands_above_its_letter() -> None:
    assert to_mathml(r"\hat{x}_i") == (
        '<math displaystyle="true"><msub><mover accent="true"><mi>x</mi><mo>^</mo></mover><mi>i</mi></msub></math>'
    )


def test_a_command_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match=r"\\foo is not known here"):
        to_text(r"\foo{x}")
