"""A circuit in Graphviz's language, for those who have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from chainrule.show.circuit import Call, Circuit, Quantity
from chainrule.show.signs import shows_number, sign
from chainrule.show.statistics import FEW, matrix, number, shape_text

__all__ = ["to_dot"]

_SHAPES = {
    "input": "shape=cds, color=\"#0069a6\"",
    "parameter": "shape=hexagon, color=\"#86407a\"",
    "constant": "shape=box, style=dashed, color=\"#57606a\"",
    "operation": "shape=ellipse, color=\"#1b1f24\"",
    "output": "shape=ellipse, peripheries=2, color=\"#7a5600\"",
}  # fmt: skip


def to_dot(circuit: Circuit, title: str, direction: str = "right", digits: int = 3) -> str:
    """DOT text: the value of each wire above its gradient, module calls as clusters.

    >>> import chainrule as cr
    >>> x = cr.tensor(3.0, requires_grad=True)
    >>> print(to_dot(Circuit.of(x * x, names={"x": x}), "square"))  # doctest: +ELLIPSIS
    digraph "square" {
      rankdir=LR;
      ...
    }

    Source: E. Gansner, E. Koutsofios, S. North, "Drawing graphs with dot".
    """
    lines = [
        f"digraph {_quoted(title)} {{",
        f"  rankdir={'TB' if direction == 'down' else 'LR'};",
        '  node [fontname="Helvetica", fontsize=12]; edge [fontname="Helvetica", fontsize=10, color="#6b747e"];',
        *_level(circuit.inside, circuit, "  "),
    ]
    for quantity in circuit.quantities:
        for position, source in enumerate(quantity.inputs):
            if not shows_number(quantity, position):
                lines.append(f"  n{source.index} -> n{quantity.index} [label={_label(source, digits)}];")
    # The output's own value stands on a wire that leads nowhere.
    last = circuit.output.index
    lines += ['  end [shape=none, label=""];', f"  n{last} -> end [label={_label(circuit.output, digits)}];", "}"]
    return "\n".join(lines)


def _level(items: Sequence[Quantity | Call], circuit: Circuit, indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Call):
            first = next(item.quantities()).index
            yield f"{indent}subgraph cluster_{first}_{sum(1 for _ in item.quantities())} {{"
            yield f'{indent}  label={_quoted(item.title)}; color="#c9ced4"; fontname="Helvetica";'
            yield from _level(item.inside, circuit, indent + "  ")
            yield indent + "}"
        elif not (item.is_number and all(shows_number(*user) for user in item.users)):
            kind = "output" if item is circuit.output and item.kind == "operation" else item.kind
            yield f"{indent}n{item.index} [label={_quoted(_words(item))}, {_SHAPES[kind]}];"


def _words(quantity: Quantity) -> str:
    mark = sign(quantity)
    if quantity.kind == "operation" and quantity.short_name:
        return f"{quantity.short_name} = {mark}"
    return mark or (number(quantity.value) if quantity.shape == () else quantity.kind)


def _label(quantity: Quantity, digits: int) -> str:
    rows = []
    for array, colour in ((quantity.value, "#00705a"), (quantity.gradient, "#b83a00")):
        if array is not None:
            few = array.size <= FEW
            words = (
                [" ".join(row) for row in matrix(array, digits)] if few and array.size else [shape_text(array.shape)]
            )
            rows += [f'<font color="{colour}">{escape(line)}</font>' for line in words]
    return "<" + "<br/>".join(rows) + ">"


def _quoted(words: str) -> str:
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'
