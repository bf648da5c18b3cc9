"""The textbook's letters for what a network computes: W and b, z and h, gamma and beta, L."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.show.circuit import Call, Circuit, Quantity
from chainrule.show.notation import latex_name

__all__ = ["Symbol", "symbols"]

#: Letters for parameters, by layer and name, or by name alone; in LaTeX, and as a name in a program.
_PARAMETERS = {
    ("BatchNorm1d", "weight"): (r"\gamma", "gamma"), ("BatchNorm1d", "bias"): (r"\beta", "beta"),
    ("LayerNorm", "weight"): (r"\gamma", "gamma"), ("LayerNorm", "bias"): (r"\beta", "beta"),
    ("PReLU", "weight"): (r"\alpha", "alpha"), ("Embedding", "weight"): ("E", "E"),
    "weight": ("W", "W"), "bias": ("b", "b"),
}  # fmt: skip
#: Layers that scale or shift what another one made: they share its number.
_FOLLOWERS = {"BatchNorm1d", "LayerNorm", "PReLU"}
#: Letters for results by their operation, the second where the first is taken.
_RESULTS: dict[str, tuple[tuple[str, str], ...]] = {
    "affine": (("z", "z"),), "matmul": (("z", "z"), ("u", "u")),
    "sigmoid": (("h", "h"),), "tanh": (("h", "h"),), "relu": (("h", "h"),), "softplus": (("h", "h"),),
    "exp": (("e", "e"),), "sum": (("s", "s"),), "mean": ((r"\mu", "mean"), ("v", "var")), "max": (("m", "m"),),
    "log_softmax": ((r"\ell", "log_p"),), "logsumexp": ((r"\ell", "lse"),), "rsqrt": (("r", "inv_std"),),
    "square": (("q", "q"),), "subtract": (("d", "d"),), "add": (("a", "a"), ("c", "c")),
    "multiply": (("p", "p"), ("k", "k"), ("u", "u")), "divide": (("p", "p"),),
    "negative": (("n", "negative"),), "index": (("s", "picked"),),
}  # fmt: skip
#: Where a program's name says what the value is for: by operation and layer, for its first letter and its second.
_PROGRAMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("subtract", "BatchNorm1d"): ("centred",), ("subtract", "LayerNorm"): ("centred",),
    ("subtract", "MSELoss"): ("error",), ("subtract", "L1Loss"): ("error",),
    ("multiply", "BatchNorm1d"): ("scale",), ("add", "BatchNorm1d"): ("var_eps", "y"),
}  # fmt: skip


@dataclass(frozen=True)
class Symbol:
    """A letter with its index: in LaTeX, and as programs write it."""

    latex: str
    plain: str
    #: What programs call it besides: by the layer's name (``W_fc1``), without a number.
    others: tuple[str, ...] = ()

    def numbered(self, number: int | None, path: str) -> Symbol:
        """With the number of its layer as index."""
        others = (f"{self.plain}_{path.replace('.', '_')}",) if path else ()
        if number is None:
            return Symbol(self.latex, self.plain, (f"{self.plain}1", *others))
        return Symbol(f"{self.latex}_{{{number}}}", f"{self.plain}{number}", (*others, self.plain))

    def primed(self, times: int) -> Symbol:
        """With strokes, for one more of a letter that is taken."""
        return Symbol(self.latex + "'" * times, f"{self.plain}_{times + 1}") if times else self


def symbols(circuit: Circuit) -> dict[Quantity, Symbol]:
    """A symbol for each quantity, each once: the user's own name, or the textbook's letter with the layer's number.

    Layers that hold weights are numbered in the order of their first use; what is computed from there on, up to the
    next one, shares the number.
    """
    layers = _numbers(circuit)
    several = max(layers.values(), default=0) > 1
    modules = any(quantity.call is not None for quantity in circuit.quantities)
    taken: set[str] = set()
    found: dict[Quantity, Symbol] = {}
    for quantity in circuit.quantities:
        if quantity.name and quantity.kind != "parameter" and quantity is not circuit.output:
            found[quantity] = _free([Symbol(latex_name(quantity.name), quantity.name)], taken)
    current, path = 0, ""
    for quantity in circuit.quantities:
        if quantity in found or quantity.is_number:
            continue
        owner = _owner(quantity)
        for source in quantity.inputs:
            if source.kind == "parameter":
                current, path = max(current, layers[_owner(source)]), _owner(source)
        number = layers.get(owner, 0) if quantity.kind == "parameter" else current
        # What a loss computes belongs to no layer.
        in_loss = quantity.call.kind.endswith("Loss") if quantity.call is not None else modules
        index = number if several and number and not in_loss else None
        own = quantity.call.path if quantity.call is not None and quantity.call.path in layers else path
        layer = "" if in_loss else owner if quantity.kind == "parameter" else own
        found[quantity] = _free([letter.numbered(index, layer) for letter in _letters(quantity, circuit)], taken)
    return found


def _free(candidates: list[Symbol], taken: set[str]) -> Symbol:
    """The first candidate that is free; else the first with strokes."""
    strokes = 0
    while True:
        for candidate in candidates:
            symbol = candidate.primed(strokes)
            if symbol.latex not in taken and symbol.plain not in taken:
                taken.update((symbol.latex, symbol.plain))
                return symbol
        strokes += 1


def _owner(quantity: Quantity) -> str:
    """The path of the layer that holds a parameter."""
    return quantity.name.rpartition(".")[0]


def _numbers(circuit: Circuit) -> dict[str, int]:
    """The number of each layer that holds weights, by its path."""
    numbers: dict[str, int] = {}
    last = 0
    for quantity in circuit.quantities:
        for source in quantity.inputs:
            path = _owner(source)
            if source.kind == "parameter" and path not in numbers:
                follows = quantity.call is not None and quantity.call.kind in _FOLLOWERS and last > 0
                last += not follows
                numbers[path] = last
    return numbers


def _letters(quantity: Quantity, circuit: Circuit) -> list[Symbol]:
    """Letters for a quantity, the best first."""
    if quantity is circuit.output and quantity.shape == ():
        loss = _is_loss(quantity)
        name = latex_name(quantity.name) if quantity.name and not loss else "L"
        return [Symbol(name, quantity.name or "loss")]
    if quantity.name and quantity.kind == "operation":
        return [Symbol(latex_name(quantity.name), quantity.name)]
    if quantity.kind == "parameter":
        leaf = quantity.name.rpartition(".")[2]
        kind = _user_kind(quantity)
        letter = _PARAMETERS.get((kind, leaf)) or _PARAMETERS.get(leaf)
        return [Symbol(*letter)] if letter else [Symbol(latex_name(leaf or "w"), leaf or "w")]
    if quantity.kind == "operation":
        name = quantity.node.op.name if quantity.node.op is not None else ""
        kind = quantity.call.kind if quantity.call is not None else ""
        letters = _RESULTS.get(name, (("y", "y"), ("g", "g")))
        plain = dict(enumerate(_PROGRAMS.get((name, kind), ())))
        return [Symbol(latex, plain.get(i, usual)) for i, (latex, usual) in enumerate(letters)]
    if quantity.kind == "input":
        return [Symbol("x", "x")]
    count = quantity.node.aval.size
    if quantity.value.ndim == 1 and np.array_equal(quantity.value, np.arange(count)):
        return [Symbol("i", "rows")]  # the number of each row
    return [Symbol("M", "mask") if _user_kind(quantity) == "Dropout" else Symbol("c", "c")]


def _is_loss(quantity: Quantity) -> bool:
    call: Call | None = quantity.call
    named = quantity.name.lower() in ("", "loss", "l", "cost")
    return named or (call is not None and call.kind.endswith("Loss"))


def _user_kind(quantity: Quantity) -> str:
    """The kind of layer that a parameter is used in."""
    calls = [user.call for user, _ in quantity.users if user.call is not None]
    return calls[0].kind if calls else ""
