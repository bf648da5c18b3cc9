"""What is to be shown: a tensor as it is, or a module on one batch, computed without leaving a trace in it."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.aval import is_float
from chainrule.core.errors import ConfigError
from chainrule.core.graph import Node
from chainrule.core.modes import enable_grad, get_default_dtype
from chainrule.core.philox import default_generator
from chainrule.core.source import caller
from chainrule.nn.losses import CrossEntropyLoss, MSELoss
from chainrule.nn.module import Module
from chainrule.show.circuit import Circuit
from chainrule.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.compiler.compile import Compiled

__all__ = ["circuit_of", "step_of"]


def circuit_of(
    t: Any,
    inputs: Sequence[Any],
    target: Any,
    loss: Callable[[Any, Any], Tensor] | None,
    gradient: Any,
    names: Mapping[str, Tensor],
) -> Circuit:
    """The circuit of a tensor, or of a module (or function) on ``inputs``, up to the loss if there is a target."""
    if not isinstance(t, Module):
        if inputs or target is not None or loss is not None:
            raise ConfigError(
                "cr.show",
                "inputs or a loss beside something that is no module",
                "a tensor alone, or a module with inputs",
            )
        return Circuit.of(t, gradient, names)
    if not inputs:
        raise ConfigError(
            f"show {type(t).__name__}",
            "a module without an example to run it on",
            "one batch of inputs",
            "show.graph(model, x), or show.graph(model, x, target=y, loss=nn.MSELoss())",
        )
    if loss is not None and target is None:
        raise ConfigError("show a loss", "loss= without target=", "what the loss compares with", "pass target=")
    given = [_tensor(x, _float_type(t)) for x in inputs]
    known = _named(dict(names), "x", given)
    # What is computed from data alone is recorded too, so that the drawing shows the whole of it.
    tensors = [Tensor._of(Node.leaf(x.node.value, is_float(x.dtype))) if not x.requires_grad else x for x in given]
    data = [new for new, old in zip(tensors, given, strict=True) if new is not old]
    for new, old in zip(tensors, given, strict=True):
        known |= {name: new for name, tensor in known.items() if tensor.node is old.node}
    with _undisturbed(t), enable_grad():
        output = t(*tensors)
        if not isinstance(output, Tensor):
            raise ConfigError(
                f"show {type(t).__name__}", f"an output of {type(output).__name__}", "one tensor", "pick one, or a loss"
            )
        if target is not None:
            wanted = _tensor(target, output.dtype)
            known = _named(known, "target", [wanted])
            tensors.append(wanted)
            output = (loss or _usual_loss(wanted))(output, wanted)
            known = _named(known, "loss", [output])
    return Circuit.of(output, gradient, known, tensors, data)


def step_of(
    model: Module,
    inputs: Sequence[Any],
    target: Any,
    loss: Callable[[Any, Any], Tensor] | None,
    names: Mapping[str, Tensor],
) -> Compiled:
    """The same computation as a compiled function that was traced and not run: its loss and, if it is one, all gradients.

    Raises GradientError or GraphError for a model that cannot be traced.
    """
    import chainrule

    dtype = _float_type(model)
    given, wanted = [_tensor(x, dtype) for x in inputs], [] if target is None else [_tensor(target, dtype)]
    known = _named(_named(dict(names), "x", given), "target", wanted)

    def step(*tensors: Tensor) -> Tensor:
        model.zero_grad()
        output: Tensor = model(*tensors[: len(given)])
        if wanted:
            output = (loss or _usual_loss(wanted[0]))(output, tensors[-1])
        if output.requires_grad and output.numel() == 1:
            output.backward()
        return output

    called = {tensor.node: name for name, tensor in reversed(known.items())}
    labels = _identifiers([called[tensor.node] for tensor in (*given, *wanted)])
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    step.__signature__ = inspect.Signature([inspect.Parameter(label, kind) for label in labels])  # type: ignore[attr-defined]
    step.__name__ = "step" if wanted else "forward"
    compiled: Compiled = chainrule.compile(step, backend="numpy")
    with enable_grad():
        program = compiled.graph(*given, *wanted)
    # The line that asks for a drawing says nothing about names of values in the program.
    here = caller()
    for node in program.graph.nodes:
        node.source = None if node.source == here else node.source
    return compiled


def _identifiers(names: Sequence[str]) -> list[str]:
    """The names as those of parameters: each can be written, and none comes twice."""
    found: list[str] = []
    for name in names:
        label = re.sub(r"\W|^(?=\d)", "_", name) + "_" * keyword.iskeyword(name)
        while label in found:
            label += "_"
        found.append(label)
    return found


def _float_type(model: Module) -> Any:
    """The type of the model's numbers."""
    return next((p.dtype for p in model.parameters() if is_float(p.dtype)), get_default_dtype())


def _usual_loss(target: Tensor) -> Module:
    """Squares for numbers, cross entropy for classes."""
    return MSELoss() if is_float(target.dtype) else CrossEntropyLoss()


def _named(names: dict[str, Tensor], word: str, tensors: list[Tensor]) -> dict[str, Tensor]:
    """``names`` and a name for each tensor that has none: ``x``, or ``x1``, ``x2``, ... for several."""
    known = {tensor.node for tensor in names.values()}
    given = {f"{word}{i}" if len(tensors) > 1 else word: tensor for i, tensor in enumerate(tensors, 1)}
    return {**names, **{name: tensor for name, tensor in given.items() if tensor.node not in known}}


def _tensor(x: Any, dtype: Any) -> Tensor:
    """As a tensor, floats in the model's dtype."""
    tensor = x if isinstance(x, Tensor) else Tensor(np.asarray(x) if hasattr(x, "shape") else x)
    return tensor.astype(dtype) if is_float(tensor.dtype) and tensor.dtype is not dtype else tensor


@contextmanager
def _undisturbed(model: Module) -> Iterator[None]:
    """Running statistics and random numbers are afterwards as before; the mode, training or not, stays as it is."""
    generator = default_generator()
    random = generator.state()
    nodes = [(buffer, buffer.node) for buffer in model.buffers()]
    try:
        yield
    finally:
        generator.set_state(random)
        for buffer, node in nodes:
            buffer.node = node
