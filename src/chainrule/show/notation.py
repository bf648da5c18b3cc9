r"""Formulas in a small part of LaTeX, and what they become: MathML for pages, plain text for terminals.

The part: letters and numbers, ``^`` and ``_``, ``\frac``, ``\sqrt``, ``\hat`` and ``\bar``, ``\mathrm``, ``\mathbf``,
``\mathbb``, ``\text``, Greek letters, operators, relations and arrows by name, ``\begin{bmatrix}``. One text serves LaTeX,
HTML and the terminal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from chainrule.show.statistics import number

__all__ = [
    "Accent", "Atom", "Fraction", "Matrix", "Part", "Root", "Row", "Script", "latex_array", "latex_name", "latex_number", "parse",
    "to_mathml", "to_text",
]  # fmt: skip


@dataclass(frozen=True)
class Atom:
    """A letter ("i"), a number ("n"), an operator ("o"), or words ("t"); ``style`` is "", "rm", "bf", "fn" or "tall"."""

    kind: str
    text: str
    style: str = ""


@dataclass(frozen=True)
class Row:
    """Parts beside each other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Script:
    """A base with what stands below and above it."""

    base: Part
    below: Part | None
    above: Part | None


@dataclass(frozen=True)
class Fraction:
    """One part over another."""

    top: Part
    bottom: Part


@dataclass(frozen=True)
class Root:
    """A square root."""

    inside: Part


@dataclass(frozen=True)
class Accent:
    """A letter under a hat, a bar or a tilde."""

    base: Part
    mark: str


@dataclass(frozen=True)
class Matrix:
    """Rows of cells in brackets."""

    rows: tuple[tuple[Part, ...], ...]


Part = Atom | Row | Script | Fraction | Root | Accent | Matrix

_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ",
    "Lambda": "Λ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ", "partial": "∂",
    "nabla": "∇", "top": "⊤", "infty": "∞", "ldots": "…", "dots": "…", "cdots": "⋯", "vdots": "⋮", "%": "%",
}  # fmt: skip
#: Relations and arrows, which stand between two sides.
_RELATIONS = {
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "ll": "≪", "gg": "≫", "approx": "≈",
    "equiv": "≡", "sim": "∼", "simeq": "≃", "propto": "∝", "in": "∈", "notin": "∉", "subset": "⊂", "mid": "∣",
    "to": "→", "rightarrow": "→", "leftarrow": "←", "gets": "←", "leftrightarrow": "↔", "mapsto": "↦",
    "Rightarrow": "⇒", "implies": "⇒", "Leftarrow": "⇐", "Leftrightarrow": "⇔", "iff": "⇔",
}  # fmt: skip
#: Signs of calculation between two terms.
_BINARY = {
    "cdot": "·", "odot": "⊙", "times": "×", "div": "÷", "pm": "±", "mp": "∓", "ast": "∗", "circ": "∘", "wedge": "∧",
    "land": "∧", "vee": "∨", "lor": "∨", "oplus": "⊕", "otimes": "⊗", "cap": "∩", "cup": "∪", "setminus": "∖",
}  # fmt: skip
_OPERATORS = {
    **_RELATIONS, **_BINARY, "neg": "¬", "forall": "∀", "exists": "∃", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈",
    "rceil": "⌉", "langle": "⟨", "rangle": "⟩", "sum": "∑", "prod": "∏", "int": "∫", "lVert": "‖", "rVert": "‖", "|": "‖",
    "lvert": "|", "rvert": "|", "{": "{", "}": "}",
}  # fmt: skip
_FUNCTIONS = ("exp", "log", "ln", "tanh", "sin", "cos", "tan", "max", "min", "arg", "lim", "det", "sign", "erf")
_SPACES = {",": " ", "quad": "  ", "qquad": "    ", " ": " ", ";": " ", ":": " ", "!": ""}
#: What stands above a letter: in a page, and as a combining character.
_ACCENTS = {"hat": ("^", "\u0302"), "bar": ("¯", "\u0304"), "tilde": ("~", "\u0303"), "vec": ("→", "\u20d7")}
_BLACKBOARD = {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "Q": "ℚ", "C": "ℂ", "E": "𝔼"}
#: Operators with room on both sides.
_SPACED = {"+", "−", "=", "<", ">", "+=", *_RELATIONS.values(), *_BINARY.values()}
_OPENING = set("([{|‖⌊⌈⟨")

_TOKEN = re.compile(r"\\([A-Za-z]+|.)|(\d+(?:\.\d+)?)|\s+|(.)", re.DOTALL)


def parse(latex: str) -> Part:
    r"""The tree of a formula.

    >>> parse(r"x^2")
    Script(base=Atom(kind='i', text='x', style=''), below=None, above=Atom(kind='n', text='2', style=''))
    """
    return _Parser(latex).row(("",))


class _Parser:
    def __init__(self, latex: str) -> None:
        #: Tokens: commands with their backslash, numbers, single characters.
        found = [match for match in _TOKEN.finditer(latex) if not match[0].isspace()]
        self.tokens = ["\\" + m[1] if m[1] else m[2] or m[3] for m in found]
        self.ends = [match.end() for match in found]
        self.source = latex
        self.place = 0

    def _next(self) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else ""
        self.place += 1
        return token

    def _peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def row(self, until: tuple[str, ...]) -> Part:
        """Parts up to one of the closing tokens, which is left to be read."""
        parts: list[Part] = []
        while self._peek() not in until:
            if not self._peek():
                raise ValueError(f"a formula ends early: {self.source}")
            parts.append(self._scripted())
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def _scripted(self) -> Part:
        base = self._single()
        below = above = None
        while self._peek() in ("^", "_", "'"):
            mark = self._next()
            if mark == "_":
                below = self._single()
            else:
                above = (
                    self._single() if mark == "^" else Atom("i", "′" + (above.text if isinstance(above, Atom) else ""))
                )
        return base if below is above is None else Script(base, below, above)

    def _group(self) -> Part:
        if self._next() != "{":
            raise ValueError(f"a brace is missing: {self.source}")
        inside = self.row(("}",))
        self._next()
        return inside

    def _words(self) -> str:
        """The text in braces as it stands, spaces included."""
        start = self.ends[self.place]
        while self._next() != "}":
            pass
        words = self.source[start : self.ends[self.place - 1] - 1]
        return words.replace("\\_", "_").replace("\\,", " ")

    def _single(self) -> Part:
        token = self._next()
        if token == "{":
            self.place -= 1
            return self._group()
        if not token.startswith("\\"):
            kind = "n" if token[0].isdigit() else "i" if token.isalpha() or token == "∞" else "o"
            return Atom(kind, "−" if token == "-" else token)
        name = token[1:]
        if name == "left":
            opening = self._next()
            inside = self.row(("\\right",))
            self._next()
            parts = inside.parts if isinstance(inside, Row) else (inside,)
            return Row((Atom("o", opening, "tall"), *parts, Atom("o", self._next(), "tall")))
        if name == "mathrel":
            return Atom("o", self._words())
        if name == "frac":
            return Fraction(self._group(), self._group())
        if name == "sqrt":
            return Root(self._group())
        if name in ("mathrm", "mathbf", "text"):
            return Atom("t" if name == "text" else "i", self._words(), {"mathbf": "bf"}.get(name, "rm"))
        if name == "mathbb":
            letter = self._words()
            return Atom("i", _BLACKBOARD.get(letter, letter), "rm")
        if name in _ACCENTS:
            return Accent(self._group() if self._peek() == "{" else self._single(), name)
        if name == "begin":
            return self._matrix()
        if name in _LETTERS:
            return Atom("i", _LETTERS[name])
        if name in _FUNCTIONS:
            return Atom("i", name, "fn")
        if name in _OPERATORS:
            return Atom("o", _OPERATORS[name])
        if name in _SPACES:
            return Atom("t", _SPACES[name])
        raise ValueError(f"\\{name} is not known here: {self.source}")

    def _matrix(self) -> Matrix:
        if self._words() != "bmatrix":
            raise ValueError(f"only bmatrix is known here: {self.source}")
        rows: list[list[Part]] = [[]]
        while True:
            rows[-1].append(self.row(("&", "\\\\", "\\end")))
            token = self._next()
            if token == "\\\\":
                rows.append([])
            elif token == "\\end":
                self._words()
                return Matrix(tuple(tuple(row) for row in rows))


def to_mathml(latex: str, block: bool = False) -> str:
    r"""The formula as MathML, which browsers draw by themselves.

    >>> to_mathml(r"\frac{1}{x}")
    '<math displaystyle="true"><mfrac><mn>1</mn><mi>x</mi></mfrac></math>'
    """
    # In display style, so that fractions keep the size of their line.
    display = ' display="block"' if block else ' displaystyle="true"'
    return f"<math{display}>{_mathml(parse(latex))}</math>"


def _mathml(part: Part) -> str:
    if isinstance(part, Atom):
        return _mathml_atom(part)
    if isinstance(part, Row):
        inside = [
            (_THIN if _is_function(before) and _apart(before, p) else "")
            + (f'<mo form="prefix">{p.text}</mo>' if _is_sign(before, p) and isinstance(p, Atom) else _mathml(p))
            for before, p in zip((None, *part.parts), part.parts, strict=False)
        ]
        return "<mrow>" + "".join(inside) + "</mrow>"
    if isinstance(part, Fraction):
        return f"<mfrac>{_mathml(part.top)}{_mathml(part.bottom)}</mfrac>"
    if isinstance(part, Root):
        return f"<msqrt>{_mathml(part.inside)}</msqrt>"
    if isinstance(part, Accent):
        return f'<mover accent="true">{_mathml(part.base)}<mo>{_ACCENTS[part.mark][0]}</mo></mover>'
    if isinstance(part, Matrix):
        rows = "".join("<mtr>" + "".join(f"<mtd>{_mathml(c)}</mtd>" for c in row) + "</mtr>" for row in part.rows)
        return f'<mrow><mo>[</mo><mtable columnspacing="0.7em" rowspacing="0.1em">{rows}</mtable><mo>]</mo></mrow>'
    scripts = [s for s in (part.below, part.above) if s is not None]
    limits = isinstance(part.base, Atom) and part.base.text in ("∑", "∏")
    names = ("munder", "mover", "munderover") if limits else ("msub", "msup", "msubsup")
    name = names[2 if len(scripts) == 2 else 0 if part.below is not None else 1]
    return f"<{name}>{_mathml(part.base)}{''.join(map(_mathml, scripts))}</{name}>"


def _mathml_atom(atom: Atom) -> str:
    text = escape(atom.text)
    if atom.kind == "n":
        return f"<mn>{text}</mn>"
    if atom.kind == "o":
        # Brackets keep the size of a line, but for those that are asked to be as tall as what they hold.
        bracket = atom.text in _OPENING or atom.text in ")]}|"
        fixed = ' stretchy="false"' if bracket and atom.style != "tall" else ""
        return f"<mo{fixed}>{text}</mo>"
    if atom.kind == "t":
        if not atom.text.strip():
            return f'<mspace width="{len(text) * 0.25}em"/>'
        # A page drops blanks at the ends of a piece of text, so they become blanks that stay.
        kept = re.sub(r"^ +| +$", lambda blanks: "\N{NO-BREAK SPACE}" * len(blanks[0]), text)
        return f"<mtext>{kept}</mtext>"
    if atom.style == "bf":
        return f'<mi style="font-weight:bold">{text}</mi>'
    upright = ' mathvariant="normal"' if len(atom.text) == 1 and (atom.style or atom.text in "∂⊤∞∇ΓΔΘΛΠΣΦΨΩ") else ""
    # The transpose as the letter, which every font has in the right size.
    return f"<mi{upright}>{text.replace('⊤', 'T')}</mi>"


_RAISED = dict(zip("0123456789+−=()⊤nix′", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵀⁿⁱˣ′", strict=True))
_LOWERED = dict(zip("0123456789+−=()aeoxhklmnpst", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜ", strict=True))


def to_text(latex: str) -> str:
    r"""The formula in one line of plain text.

    >>> to_text(r"\frac{\partial L}{\partial W_{1}} = \frac{1}{n} \cdot g^\top x, \sqrt{a+b}, e^{-x}")
    '∂L/∂W₁ = 1/n · gᵀ x, √(a + b), e⁻ˣ'
    """
    return re.sub(r" {2,}", " ", _text(parse(latex))).strip()


def _text(part: Part) -> str:
    if isinstance(part, Atom):
        return part.text
    if isinstance(part, Fraction):
        return f"{_closed(part.top)}/{_closed(part.bottom, below=True)}"
    if isinstance(part, Root):
        return f"√{_closed(part.inside, below=True)}"
    if isinstance(part, Matrix):
        rows = ["[" + " ".join(map(_text, row)) + "]" for row in part.rows]
        return rows[0] if len(rows) == 1 else "[" + ", ".join(rows) + "]"
    if isinstance(part, Accent):
        return _text(part.base) + _ACCENTS[part.mark][1]
    if isinstance(part, Script):
        return _text(part.base) + _script(part.below, _LOWERED, "_") + _script(part.above, _RAISED, "^")
    return _text_row(part)


def _script(part: Part | None, letters: dict[str, str], mark: str) -> str:
    if part is None:
        return ""
    words = _text(part).strip()
    close = re.sub(r" ([+−=]) ", r"\1", words)
    if all(c in letters for c in close):
        return "".join(letters[c] for c in close)
    return mark + (words if len(words) == 1 else f"({words})")


def _closed(part: Part, below: bool = False) -> str:
    """In parentheses where a fraction on one line would be misread without."""
    words = _text(part).strip()
    many = isinstance(part, Row) and not words.startswith("∂")
    open_ = many and (below or any(isinstance(p, Atom) and p.text in _SPACED for p in part.parts))  # type: ignore[union-attr]
    return f"({words})" if open_ else words


def _text_row(row: Row) -> str:
    out = ""
    before: Part | None = None
    for part in row.parts:
        words = _text(part)
        sign = isinstance(part, Atom) and part.kind == "o"
        if sign and words in _SPACED:
            out += words if _is_sign(before, part) else f" {words} "
        elif sign and words == ",":
            out += ", "
        elif sign and not _apart(before, part):
            out += words
        else:
            out += (" " if _apart(before, part) else "") + words
        before = part
    return out


_THIN = '<mspace width="0.17em"/>'


def _is_function(part: Part | None) -> bool:
    return isinstance(part, Atom) and part.style == "fn"


def _is_sign(before: Part | None, part: Part) -> bool:
    """Whether a minus or plus belongs to what follows: at the beginning, or after another operator."""
    if not (isinstance(part, Atom) and part.kind == "o" and part.text in "−+"):
        return False
    return before is None or (isinstance(before, Atom) and before.text in _SPACED | _OPENING | {","})


def _apart(before: Part | None, part: Part) -> bool:
    """Whether a blank stands between factors: ``Wᵀ x`` and ``log x``, but ``∂L``, ``σ(x)`` and ``(x)ᵀ``."""
    if before is None or (isinstance(before, Atom) and (before.kind in "ot" or before.text in "∂∇")):
        return False
    first = part.base if isinstance(part, Script) else part
    if isinstance(first, Atom) and first.kind == "o":
        return first.text in "∑∏" or (first.text == "(" and isinstance(before, Fraction))
    return not (isinstance(first, Atom) and first.kind == "t")


def latex_number(value: Any, digits: int = 3, alone: bool = True) -> str:
    r"""A number in LaTeX; in parentheses where it is negative and not ``alone``.

    >>> latex_number(-0.25, alone=False), latex_number(1.5e-7)
    ('(-0.25)', '1.5 \\times 10^{-7}')
    """
    text = (
        "1"
        if value is True or value is np.True_
        else "0"
        if value is False or value is np.False_
        else number(value, digits)
    )
    mantissa, _, power = text.partition("e")
    text = mantissa.replace("∞", r"\infty").replace("NaN", r"\mathrm{NaN}")
    if power:
        text += rf" \times 10^{{{power}}}"
    return f"({text})" if not alone and (text.startswith("-") or power) else text


def latex_array(array: Any, digits: int = 3, alone: bool = True) -> str:
    r"""A small array in LaTeX: a number, or a matrix of one row or more.

    >>> latex_array(np.array([1.0, -2.0]))
    '\\begin{bmatrix} 1 & -2 \\end{bmatrix}'
    """
    array = np.asarray(array)
    if array.ndim == 0:
        return latex_number(array[()], digits, alone)
    rows = [" & ".join(latex_number(v, digits) for v in row) for row in array.reshape(-1, array.shape[-1])]
    return r"\begin{bmatrix} " + r" \\ ".join(rows) + r" \end{bmatrix}"


def latex_name(name: str) -> str:
    r"""A variable's name in LaTeX: a letter with an index, or upright words.

    >>> latex_name("w0"), latex_name("W_1"), latex_name("fc1.weight")
    ('w_{0}', 'W_{1}', '\\mathrm{fc1.weight}')
    """
    match = re.fullmatch(r"([A-Za-z])_?(\d*)", name)
    if match:
        return f"{match[1]}_{{{match[2]}}}" if match[2] else match[1]
    return rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"
