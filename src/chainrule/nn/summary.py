"""What a model is made of, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.aval import is_float
from chainrule.core.errors import ConfigError
from chainrule.core.modes import get_default_dtype, no_grad
from chainrule.core.philox import default_generator
from chainrule.nn.module import Module
from chainrule.tensor import Tensor

__all__ = ["Summary", "SummaryRow", "summary"]


@dataclass(frozen=True)
class SummaryRow:
    """One module: its dotted path, its kind, the shape it returned (of its last call), and its own parameters."""

    path: str
    kind: str
    output_shape: str
    parameters: int


@dataclass(frozen=True)
class Summary:
    """The rows and totals of a model; it prints as a table. A shared parameter counts once, where it comes first."""

    rows: tuple[SummaryRow, ...]
    #: Numbers that the model holds as parameters, those of them that learn, and bytes of parameters and buffers.
    parameters: int
    trainable: int
    memory: int

    def __str__(self) -> str:
        heads = ("layer", "kind", "output shape", "parameters")
        cells = [(r.path or "(model)", r.kind, r.output_shape, f"{r.parameters:,}") for r in self.rows]
        widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]

        def line(row: tuple[str, ...]) -> str:
            left = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)]
            return "  ".join([*left, row[3].rjust(widths[3])])

        rule = "-" * len(line(heads))
        totals = [
            f"parameters  {self.parameters:,}, of which {self.trainable:,} learn",
            f"memory      {self.memory:,} bytes",
        ]
        return "\n".join([line(heads), rule, *map(line, cells), rule, *totals])

    __repr__ = __str__


def summary(model: Module, input: Any = None) -> Summary:
    """The layers of a model with their paths, kinds, output shapes and parameters; ``print`` shows it as a table.

    Args:
        model: any module.
        input: a tensor or array to run through it; a shape, such as ``(1, 784)``, for zeros of that shape; a list of
            tensors for a model with several inputs; or None to leave the output shapes out.

    The forward runs in evaluation mode without gradients, and leaves everything as it was: modes, running
    statistics, and the random generator.

    >>> from chainrule import nn
    >>> print(summary(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), (1, 4)))
    layer    kind        output shape  parameters
    ---------------------------------------------
    (model)  Sequential  (1, 3)                 0
    0        Linear      (1, 3)                15
    1        ReLU        (1, 3)                 0
    ---------------------------------------------
    parameters  15, of which 15 learn
    memory      60 bytes
    """
    if not isinstance(model, Module):
        raise ConfigError("summary(model, input)", f"a {type(model).__name__}", "an nn.Module", "pass a model object")
    shapes = {} if input is None else _output_shapes(model, input)
    counted: set[int] = set()
    rows = []
    for path, module in model.named_modules():
        own = [p for p in module._parameters.values() if p is not None and id(p) not in counted]
        counted.update(map(id, own))
        shape = shapes.get(id(module), "-" if input is None else "not called")
        rows.append(SummaryRow(path, type(module).__name__, shape, sum(p.numel() for p in own)))
    parameters = list(model.parameters())
    buffers = {id(b): b for b in model.buffers()}.values()
    return Summary(
        tuple(rows),
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(t.numel() * t.dtype.itemsize for t in (*parameters, *buffers)),
    )


def _output_shapes(model: Module, input: Any) -> dict[int, str]:
    """What each module returns when ``input`` runs through the model, by the module's id."""
    shapes: dict[int, str] = {}

    def note(module: Module, inputs: Any, output: Any) -> None:
        shapes[id(module)] = _shape_text(output)

    removers = [module.register_forward_hook(note) for module in model.modules()]
    try:
        with _untouched(model), no_grad():
            model(*_inputs(model, input))
    finally:
        for remove in removers:
            remove()
    return shapes


@contextmanager
def _untouched(model: Module) -> Iterator[None]:
    """Evaluation mode inside; every mode, buffer and random number as before outside."""
    generator = default_generator()
    random = generator.state()
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    nodes = [(buffer, buffer.node) for buffer in model.buffers()]
    model.eval()
    try:
        yield
    finally:
        generator.set_state(random)
        for module, mode in modes:
            object.__setattr__(module, "training", mode)
        for module, held in buffers:
            for name, buffer in held.items():
                module.register_buffer(name, buffer)
        for buffer, node in nodes:
            buffer.node = node


def _inputs(model: Module, input: Any) -> tuple[Any, ...]:
    """The tensors that the model is called with; floats take the model's own dtype."""
    dtype = next((p.dtype for p in model.parameters() if is_float(p.dtype)), get_default_dtype())
    if isinstance(input, tuple) and all(isinstance(n, (int, np.integer)) for n in input):
        return (Tensor(np.zeros(input, dtype)),)
    if isinstance(input, (list, tuple)) and input and all(hasattr(x, "shape") for x in input):
        return tuple(_cast(x, dtype) for x in input)
    return (_cast(input, dtype),)


def _cast(x: Any, dtype: Any) -> Tensor:
    tensor = x if isinstance(x, Tensor) else Tensor(x)
    return tensor.astype(dtype) if is_float(tensor.dtype) else tensor


def _shape_text(output: Any) -> str:
    if isinstance(output, (tuple, list)):
        return ", ".join(map(_shape_text, output))
    if isinstance(output, dict):
        return ", ".join(f"{name}: {_shape_text(value)}" for name, value in output.items())
    return str(output.shape) if isinstance(output, Tensor) else type(output).__name__
