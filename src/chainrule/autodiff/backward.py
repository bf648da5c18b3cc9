"""Reverse mode: one walk over the tape, from the output back, in a loop and in linear time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.core.apply import compute_arrays
from chainrule.core.aval import Aval
from chainrule.core.errors import GradientError, ShapeError
from chainrule.core.graph import FREED, Node, Result, freed_error
from chainrule.core.modes import enable_grad, is_grad_enabled, local, no_grad
from chainrule.ops.reduce import sum_to
from chainrule.tensor import Tensor

__all__ = ["backward", "grad_of"]

_serial = attrgetter("serial")


def backward(output: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Add the gradient of ``output`` to ``.grad`` of every leaf, and of every tensor that asked with ``retain_grad``.

    Formula: for each node, gradient of an input += (gradient of the node) times (derivative of the node by that input).

    Args:
        output: a scalar, or any shape with ``gradient`` given.
        gradient: the gradient of what follows by ``output``, in its shape; 1 by default.
        retain_graph: keep the tape, so that another ``backward`` can walk it; by default it is let go.
        create_graph: record this walk, so that the gradients can be differentiated; keeps the tape too.

    Why in this order: a node's gradient is complete only when everything computed from it has been visited, so nodes
    are visited from the last made to the first. Why add: a value used twice changes the output along two paths.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> (x * x * x).backward()
    >>> x.grad
    tensor(27.)
    """
    if not output.requires_grad:
        raise _no_history(output)
    walk = _Walk(output.node, _seed(output, gradient), create_graph)
    walk.run(keep=retain_graph or create_graph)


def grad_of(
    output: Tensor,
    inputs: Tensor | Sequence[Tensor],
    gradient: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """The gradient of ``output`` by any tensors it was computed from, intermediate ones too; ``.grad`` is untouched.

    Returns a tensor for one tensor, else a tuple. A tensor that ``output`` does not depend on is an error, or None with
    ``allow_unused``. The tape is kept if ``retain_graph`` (by default: if ``create_graph``).

    >>> x = Tensor(3.0, requires_grad=True)
    >>> h = x * x
    >>> grad_of(h * 2, (h, x))
    (tensor(2.), tensor(12.))
    """
    single = isinstance(inputs, Tensor)
    wanted: tuple[Tensor, ...] = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for x in wanted:
        if not x.requires_grad:
            raise GradientError(
                "grad_of(output, inputs)", f"{x!r}", "inputs that require a gradient", "set requires_grad"
            )
    if not output.requires_grad:
        raise GradientError(
            "grad_of(output, inputs)", "an output that needs no gradient", "one computed from the inputs"
        )
    walk = _Walk(output.node, _seed(output, gradient), create_graph, {x.node for x in wanted})
    found = walk.run(keep=create_graph if retain_graph is None else retain_graph)
    results = [found.get(x.node) for x in wanted]
    if not allow_unused and any(r is None for r in results):
        missing = [i for i, r in enumerate(results) if r is None]
        raise GradientError(
            "grad_of(output, inputs)",
            f"an output that does not depend on input {missing[0]}",
            "inputs that the output was computed from",
            "pass allow_unused=True to get None for it",
        )
    return results[0] if single else tuple(results)


def _no_history(output: Tensor) -> GradientError:
    """Why there is nothing to walk back over."""
    if isinstance(output.node, Result):
        return GradientError(
            "backward()",
            "the result of a compiled function: what it was computed from stayed in the program",
            "backward() in the function that is compiled, where the history is",
            "put loss.backward() into the function, or compile the derivative: cr.compile(cr.value_and_grad(f))",
        )
    if not is_grad_enabled():
        return GradientError(
            "backward()",
            "a tensor that needs no gradient, within no_grad(), where nothing is recorded",
            "something computed outside no_grad() from a tensor with requires_grad=True",
            "take the computation out of the no_grad() block, or put it into one of cr.enable_grad()",
        )
    return GradientError(
        "backward()",
        "a tensor that needs no gradient",
        "something computed from a tensor with requires_grad=True",
        "pass requires_grad=True to cr.tensor, and compute outside no_grad() and without results of compiled functions",
    )


def _seed(output: Tensor, gradient: Any) -> Any:
    """The gradient that the walk starts with."""
    if gradient is None:
        if output.node.aval.size != 1:
            raise ShapeError(
                "backward()",
                f"an output of shape {output.shape}",
                "a scalar, or the gradient of what follows",
                "reduce it with .sum() or .mean(), or pass gradient= in its shape",
            )
        aval = output.node.aval
        node = _ones.get(aval)
        if node is None or local.mode.tracer is not None:  # a constant of the traced program is made while tracing
            node = _ones[aval] = Node.leaf(np.ones(aval.shape, aval.dtype))
        return Tensor._of(node)
    seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient, output.dtype)
    if seed.shape != output.shape:
        raise ShapeError(
            "backward(gradient)", f"shape {seed.shape}", f"the output's shape {output.shape}", "reshape it"
        )
    return seed


#: The gradient of an output by itself, for each aval of one element.
_ones: dict[Aval, Node] = {}


class _Walk:
    """One backward pass: over plain arrays where no one records or watches, else over tensors, by the same rules."""

    __slots__ = ("create_graph", "found", "gradients", "on_arrays", "order", "wanted")

    def __init__(self, output: Node, seed: Tensor, create_graph: bool, wanted: set[Node] | None = None) -> None:
        mode = local.mode
        self.create_graph = create_graph
        #: Nodes whose gradient is returned; None sends gradients to ``.grad`` of leaves instead.
        self.wanted = wanted
        self.on_arrays = not create_graph and mode.interpret is None and mode.watch is None
        self.gradients: dict[Node, Any] = {output: seed.node.value if self.on_arrays else seed}
        self.order = _backward_order(output)
        self.found: dict[Node, Tensor] = {}

    def run(self, keep: bool) -> dict[Node, Tensor]:
        """Visit every node from the last made to the first."""
        tracer = local.mode.tracer
        if self.on_arrays:
            mode = local.mode
            mode.interpret = compute_arrays
            try:
                self._visit_all()
            finally:
                mode.interpret = None
        else:
            if tracer is not None:
                tracer.enter("backward")
            with enable_grad() if self.create_graph else no_grad():
                self._visit_all()
            if tracer is not None:
                tracer.enter("")
        if not keep and tracer is None:
            for node in self.order:
                if node.op is not None:
                    node.inputs = FREED
        return self.found

    def _visit_all(self) -> None:
        gradients, on_arrays, wanted = self.gradients, self.on_arrays, self.wanted
        tracer = local.mode.tracer
        for node in self.order:
            g = gradients.pop(node, None)
            if g is None:
                continue
            if tracer is not None:
                tracer.note_gradient(node, g)
            if node.tap is not None or wanted is not None:
                g = self._deliver(node, g)
            op = node.op
            if op is None:
                continue
            inputs = node.inputs
            if on_arrays:
                parts = op.vjp(g, node.value, *[i.value for i in inputs])
            else:
                parts = self._vjp_on_tensors(node, g)
            if type(parts) is not tuple:
                parts = (parts,)
            i = 0
            for part in parts:
                source = inputs[i]
                i += 1
                if part is None or not source.requires_grad:
                    continue
                if type(part) is FunctionType:
                    part = part()
                if part.shape != source.aval.shape:
                    part = sum_to(part, source.aval.shape)
                if source in gradients:
                    part = gradients[source] + part
                gradients[source] = part

    def _vjp_on_tensors(self, node: Node, g: Any) -> Any:
        """The rule on tensors, with the node's own line and layer in force for whoever watches."""
        mode = local.mode
        before, mode.scope = mode.scope, node.scope
        watch = mode.watch
        if watch is not None:
            watch.differentiating = node  # type: ignore[attr-defined]
        try:
            parts = node.op.vjp(g, Tensor._of(node), *[Tensor._of(i) for i in node.inputs])  # type: ignore[union-attr]
            parts = parts if isinstance(parts, tuple) else (parts,)
            # Evaluated here, while it is known which node they belong to.
            return tuple(
                part() if isinstance(part, FunctionType) and source.requires_grad else part
                for source, part in zip(node.inputs, parts, strict=True)
            )
        finally:
            mode.scope = before
            if watch is not None:
                watch.differentiating = None  # type: ignore[attr-defined]

    def _deliver(self, node: Node, g: Any) -> Any:
        """Show a complete gradient to whoever wants it; returns it, as the hooks leave it."""
        tap = node.tap
        if tap is not None and tap.hooks:
            g = self._run_hooks(tap.hooks, g, node)
        if self.wanted is not None:
            if node in self.wanted:
                self.found[node] = self._as_tensor(g, node)
            return g
        cell = tap.cell() if tap is not None and tap.cell is not None else None
        if cell is None:
            return g
        tracer = local.mode.tracer
        if tracer is not None:
            tracer.touch_gradient(cell)
        before = getattr(cell, "_grad", None)
        if self.on_arrays:
            # Left as a plain array: it becomes a tensor when somebody looks.
            new = g if before is None else cell.grad.node.value + g
            cell._grad = new if type(new) is np.ndarray else np.asarray(new)
        else:
            new = self._as_tensor(g, node)
            cell._grad = new = new if before is None else cell.grad + new
            if tracer is not None:
                tracer.note_gradient(node, new)
        return g

    def _run_hooks(self, hooks: list[Any], g: Any, node: Node) -> Any:
        """Each hook sees the gradient as a tensor, outside this walk's own mode, and may replace it."""
        tensor = self._as_tensor(g, node)
        mode = local.mode
        before, mode.interpret = mode.interpret, None if self.on_arrays else mode.interpret
        try:
            for hook in list(hooks):
                tensor = _replaced(tensor, hook)
        finally:
            mode.interpret = before
        return tensor.node.value if self.on_arrays else tensor

    def _as_tensor(self, g: Any, node: Node) -> Tensor:
        if self.on_arrays:
            return Tensor._wrap(np.asarray(g, node.aval.dtype))
        return g if self.create_graph else g.detach()


def _replaced(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Tensor:
    result = hook(tensor)
    if result is None:
        return tensor
    if result.shape != tensor.shape:
        raise ShapeError("a gradient hook", f"a gradient of {result.shape}", f"shape {tensor.shape}", "keep the shape")
    return result


def _backward_order(output: Node) -> list[Node]:
    """Every node that needs a gradient, the last made first."""
    seen, order = {output}, [output]
    for node in order:  # grows while it is walked
        inputs = node.inputs
        if inputs is FREED:
            raise freed_error(node)
        for source in inputs:
            if source.requires_grad and source not in seen:
                seen.add(source)
                order.append(source)
    order.sort(key=_serial, reverse=True)
    return order
