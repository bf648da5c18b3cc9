r"""The textbook formula of every operation, and of its derivative, in LaTeX with places for names or numbers.

``$x``, ``$y``, ``$w``, ``$v`` are the inputs in their order, ``$z`` the output, ``$g`` the gradient of the output, ``$m``
the sign of multiplication (between arrays, element by element). ``[a > b]`` is 1 where it holds, else 0 (Iverson's bracket).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from chainrule.core.op import Op
from chainrule.ops.index import index_text

__all__ = ["FORMULAS", "LETTERS", "Formula", "fill", "formula_of"]

#: The places of the inputs.
LETTERS = ("x", "y", "w", "v")


@dataclass(frozen=True)
class Formula:
    """What an operation computes, and what each input gets of the gradient."""

    forward: str
    #: For an operation that acts element by element: the derivative by each input; None where nothing passes.
    derivatives: tuple[str | None, ...] = ()
    #: For the others: the gradient of each input, from ``$g``.
    flows: tuple[str | None, ...] = ()


def _each(forward: str, *derivatives: str | None) -> Formula:
    return Formula(forward, derivatives)


_NONE: tuple[None, ...] = (None, None, None)

#: By the operation's name: a formula, or a function that makes it from the op and the shapes of its inputs.
FORMULAS: dict[str, Formula | Callable[[Any, Sequence[tuple[int, ...]]], Formula]] = {
    # arithmetic
    "add": _each("$x + $y", "1", "1"),
    "subtract": _each("$x - $y", "1", "-1"),
    "multiply": _each("$x $m $y", "$y", "$x"),
    "divide": _each(r"\frac{$x}{$y}", r"\frac{1}{$y}", r"-\frac{$x}{$y^2}"),
    "power": _each("$x^{$y}", r"$y $m $x^{$y - 1}", r"$z $m \log $x"),
    "negative": _each("-$x", "-1"),
    "absolute": _each("|$x|", r"\sign($x)"),
    "sign": _each(r"\sign($x)", None),
    "maximum": _each(r"\max($x, $y)", "[$x > $y]", "[$y > $x]"),
    "minimum": _each(r"\min($x, $y)", "[$x < $y]", "[$y < $x]"),
    "clip": _each(r"\mathrm{clip}($x, $y, $w)", r"[$y \le $x \le $w]", "[$x < $y]", "[$x > $w]"),
    # functions of one number
    "square": _each("$x^2", r"2 \cdot $x"),
    "sqrt": _each(r"\sqrt{$x}", r"\frac{1}{2 \cdot $z}"),
    "rsqrt": _each(r"\frac{1}{\sqrt{$x}}", r"-\frac{$z}{2 \cdot $x}"),
    "exp": _each("e^{$x}", "e^{$x}"),
    "expm1": _each("e^{$x} - 1", "e^{$x}"),
    "log": _each(r"\log $x", r"\frac{1}{$x}"),
    "log1p": _each(r"\log(1 + $x)", r"\frac{1}{1 + $x}"),
    "sin": _each(r"\sin $x", r"\cos $x"),
    "cos": _each(r"\cos $x", r"-\sin $x"),
    "tanh": _each(r"\tanh $x", "1 - $z^2"),
    "sigmoid": _each(r"\sigma($x)", "(1 - $z) $m $z"),
    "softplus": _each(r"\log(1 + e^{$x})", r"\sigma($x)"),
    "erf": _each(r"\erf($x)", r"\frac{2}{\sqrt{\pi}} \cdot e^{-$x^2}"),
    "relu": _each(r"\max($x, 0)", "[$x > 0]"),
    "cast": _each("$x", "1"),
    # choices and comparisons
    "where": _each(r"\mathrm{where}($x, $y, $w)", None, "[$x]", r"[\neg $x]"),
    "stop_gradient": _each("$x", None),
    "equal": _each("[$x = $y]", *_NONE[:2]),
    "not_equal": _each(r"[$x \ne $y]", *_NONE[:2]),
    "less": _each("[$x < $y]", *_NONE[:2]),
    "less_equal": _each(r"[$x \le $y]", *_NONE[:2]),
    "greater": _each("[$x > $y]", *_NONE[:2]),
    "greater_equal": _each(r"[$x \ge $y]", *_NONE[:2]),
    "isfinite": _each(r"[|$x| < \infty]", None),
    "isnan": _each(r"[$x \ne $x]", None),
    "logical_and": _each(r"$x \wedge $y", *_NONE[:2]),
    "logical_or": _each(r"$x \vee $y", *_NONE[:2]),
    "logical_xor": _each(r"$x \oplus $y", *_NONE[:2]),
    "logical_not": _each(r"\neg $x", None),
    # products of matrices
    "matmul": lambda op, shapes: _MATMUL[op.transpose_a, op.transpose_b],
    "matmul_add": lambda op, shapes: _matmul_add(_MATMUL[op.transpose_a, op.transpose_b]),
    "affine": Formula(r"$x $y^\top + $w", flows=("$g $y", r"$g^\top $x", r"\sum_{\mathrm{rows}} $g")),
    "einsum": lambda op, shapes: _einsum(op),
    # reductions
    "sum": lambda op, shapes: Formula(_over(r"\sum", op, shapes) + " $x", flows=(_spread("$g", shapes),)),
    "mean": lambda op, shapes: Formula(
        _over(r"\mathrm{mean}", op, shapes) + "($x)",
        flows=(_spread(rf"\frac{{1}}{{{_count(op, shapes)}}} \cdot $g", shapes),),
    ),
    "prod": lambda op, shapes: Formula(_over(r"\prod", op, shapes) + " $x", flows=(r"$g $m \frac{$z}{$x}",)),
    "max": lambda op, shapes: Formula(_over(r"\max", op, shapes) + "($x)", flows=("$g $m [$x = $z]",)),
    "min": lambda op, shapes: Formula(_over(r"\min", op, shapes) + "($x)", flows=("$g $m [$x = $z]",)),
    "logsumexp": lambda op, shapes: Formula(
        r"\log " + _over(r"\sum", op, shapes) + " e^{$x}", flows=("$g $m e^{$x - $z}",)
    ),
    "log_softmax": lambda op, shapes: Formula(
        rf"$x - \log \sum_{{\mathrm{{axis}}\,{op.axis}}} e^{{$x}}",
        flows=(rf"$g - e^{{$z}} $m \sum_{{\mathrm{{axis}}\,{op.axis}}} $g",),
    ),
    "argmax": _each(r"\mathrm{arg\,max}($x)", None),
    "argmin": _each(r"\mathrm{arg\,min}($x)", None),
    "cumsum": lambda op, shapes: Formula(
        r"\mathrm{cumsum" + (r"\,from\,the\,end" if op.reverse else "") + "}($x)",
        flows=(r"\mathrm{cumsum" + ("" if op.reverse else r"\,from\,the\,end") + "}($g)",),
    ),
    # movements
    "broadcast_to": Formula(r"\mathrm{repeat}($x)", flows=(r"\sum_{\mathrm{repeats}} $g",)),
    "reshape": Formula(r"\mathrm{reshape}($x)", flows=(r"\mathrm{reshape}($g)",)),
    "transpose": lambda op, shapes: (
        Formula(r"$x^\top", flows=(r"$g^\top",))
        if op.axes == tuple(range(len(op.axes)))[::-1]
        else Formula(r"\mathrm{permute}($x)", flows=(r"\mathrm{permute\,back}($g)",))
    ),
    "flip": Formula(r"\mathrm{flip}($x)", flows=(r"\mathrm{flip}($g)",)),
    "pad": Formula(r"\mathrm{pad}($x)", flows=(r"\mathrm{cut}($g)",)),
    "concatenate": lambda op, shapes: Formula(
        r"\mathrm{join}(" + ", ".join(["$x", "$y", "$w", "..."][: min(len(shapes), 4)]) + ")",
        flows=tuple(rf"\mathrm{{part}}_{{{i + 1}}}($g)" for i in range(len(shapes))),
    ),
    "index": lambda op, shapes: Formula(
        f"$x[{_index(op)}]", flows=(rf"\mathbf{{0}}[{_index(op)}] \mathrel{{+=}} $g", *[None] * (len(shapes) - 1))
    ),
    "index_add": lambda op, shapes: Formula(
        rf"\mathbf{{0}}[{_index(op)}] \mathrel{{+=}} $x", flows=(f"$g[{_index(op)}]", *[None] * (len(shapes) - 1))
    ),
    # chance
    "normal": _each(r"\mathrm{normal}($x, $y)", None, None),
    "uniform": _each(r"\mathrm{uniform}($x, $y)", None, None),
    "permutation": _each(r"\mathrm{permutation}($x, $y)", None, None),
}

_MATMUL: dict[tuple[bool, bool], Formula] = {
    (False, False): Formula("$x $y", flows=(r"$g $y^\top", r"$x^\top $g")),
    (False, True): Formula(r"$x $y^\top", flows=("$g $y", r"$g^\top $x")),
    (True, False): Formula(r"$x^\top $y", flows=(r"$y $g^\top", "$x $g")),
    (True, True): Formula(r"$x^\top $y^\top", flows=(r"$y^\top $g^\top", r"$g^\top $x^\top")),
}


def _matmul_add(product: Formula) -> Formula:
    """A matrix, and a number times a product of the next two."""

    def moved(template: str | None) -> str:
        return (template or "").replace("$y", "$w").replace("$x", "$y")

    flows = (
        "$g",
        *(rf"$v \cdot {moved(flow)}" for flow in product.flows),
        rf"\sum $g \odot ({moved(product.forward)})",
    )
    return Formula(rf"$x + $v \cdot {moved(product.forward)}", flows=flows)


def _einsum(op: Any) -> Formula:
    terms, output = op.terms
    letters = [f"${letter}" for letter in LETTERS]
    flows = []
    for i, term in enumerate(terms):
        others = [j for j in range(len(terms)) if j != i]
        left = ",".join([output, *(terms[j] for j in others)])
        names = ", ".join(["$g", *(letters[j] for j in others if j < len(letters))])
        flows.append(rf"\mathrm{{einsum}}(\text{{{left}→{term}}}, {names})")
    names = ", ".join(letters[: len(terms)])
    return Formula(rf"\mathrm{{einsum}}(\text{{{','.join(terms)}→{output}}}, {names})", flows=tuple(flows))


def _over(symbol: str, op: Any, shapes: Sequence[tuple[int, ...]]) -> str:
    """The symbol with the axes that it runs over, where they are not all."""
    if len(op.axes) == len(shapes[0]):
        return symbol
    return rf"{symbol}_{{\mathrm{{axis}}\,{', '.join(map(str, op.axes))}}}"


def _count(op: Any, shapes: Sequence[tuple[int, ...]]) -> int:
    count = 1
    for axis in op.axes:
        count *= shapes[0][axis]
    return count


def _spread(words: str, shapes: Sequence[tuple[int, ...]]) -> str:
    """The same for every element: times an array of ones."""
    size = r" \times ".join(map(str, shapes[0]))
    return rf"{words} \cdot \mathbf{{1}}_{{{size}}}" if shapes[0] else words


def _index(op: Any) -> str:
    """The index as it is written, with its arrays by name."""
    arrays = iter(("$y", "$w", r"\ldots", r"\ldots", r"\ldots"))
    entries = [next(arrays) if entry == ("array",) else rf"\text{{{index_text((entry,))}}}" for entry in op.entries]
    return r",\,".join(entries)


def formula_of(op: Op, shapes: Sequence[tuple[int, ...]]) -> Formula:
    """The formula of ``op`` on inputs of these shapes; for an op that is not in the table, its name.

    >>> from chainrule.ops.exponential import Sigmoid
    >>> formula_of(Sigmoid.of(), [()])
    Formula(forward='\\\\sigma($x)', derivatives=('(1 - $z) $m $z',), flows=())
    """
    found = FORMULAS.get(op.name)
    if found is None:
        letters = ", ".join(f"${letter}" for letter in LETTERS[: len(shapes)])
        name = rf"\mathrm{{{op.name.replace('_', ' ')}}}"
        return Formula(f"{name}({letters})", flows=(rf"\mathrm{{vjp}}_{{{name}}}($g)",) * len(shapes))
    return found if isinstance(found, Formula) else found(op, shapes)


def fill(template: str, places: Mapping[str, str]) -> str:
    """The formula with names or numbers in its places.

    >>> fill("(1 - $z) $m $z", {"z": "0.73", "m": r"\\cdot"})
    '(1 - 0.73) \\\\cdot 0.73'
    """
    return Template(template).safe_substitute(places)
