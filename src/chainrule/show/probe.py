"""Looking into a model without changing it: everything as before at the end, and the layers in the order they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.aval import is_float
from chainrule.core.modes import enable_grad, get_default_dtype
from chainrule.core.philox import default_generator
from chainrule.nn import Linear, Module, ModuleDict, ModuleList, Sequential
from chainrule.tensor import Tensor

__all__ = ["Architecture", "Run", "Step", "as_inputs", "float_type", "read_architecture", "run_steps", "untouched"]

Array = np.ndarray[Any, Any]

#: Ops that are activations where a forward calls them itself.
_ACTIVATIONS = {
    "elu", "gelu", "leaky_relu", "log_softmax", "maxout", "prelu", "relu", "selu", "sigmoid", "silu", "softplus",
    "step", "tanh",
}  # fmt: skip


@contextmanager
def untouched(model: Module, training: bool = False) -> Iterator[None]:
    """Evaluation (or ``training``) mode inside; at the end every mode, value, gradient and random number as before.

    Values are put back as the objects they were, so to the bit, and on an error too.
    """
    modes = [(module, module.training) for module in model.modules()]
    tensors = [*model.parameters(), *model.buffers()]
    values = [(tensor, tensor.node, getattr(tensor, "_grad", None)) for tensor in tensors]
    random = default_generator().state()
    try:
        model.train(training)
        yield
    finally:
        default_generator().set_state(random)
        for tensor, node, gradient in values:
            tensor.node, tensor._grad = node, gradient
        for module, mode in modes:
            module.training = mode


def float_type(model: Module) -> np.dtype[Any]:
    """The type of the model's floats."""
    return next((p.dtype for p in model.parameters() if is_float(p.dtype)), get_default_dtype())


@dataclass
class Step:
    """One layer, or one function that a forward calls, on the way from input to output."""

    path: str
    kind: str
    #: Of one row; None where it is not known.
    shape: tuple[int, ...] | None
    parameters: int = 0
    #: Of weighted sums: (outputs, inputs), and (outputs,).
    weight: Array | None = None
    bias: Array | None = None


@dataclass
class Architecture:
    """The steps of a model in the order in which they run."""

    steps: list[Step] = field(default_factory=list)
    #: Whether each step takes what the one before gives, and nothing else.
    chain: bool = True
    parameters: int = 0


@dataclass
class Run:
    """What one call of a model did: its steps, each with what it gave, and the output."""

    steps: list[tuple[Step, Tensor]]
    output: Any
    chain: bool


def read_architecture(model: Module, input: Any = None) -> Architecture:
    """What runs when ``model`` is called with ``input``; without one, with zeros if the first layer tells their shape.

    A model that cannot be called like this is read in the order in which its layers were made.
    """
    count = sum(p.numel() for p in model.parameters())
    inputs = _zeros(model) if input is None else as_inputs(model, input)
    if inputs is not None:
        try:
            with untouched(model), enable_grad():
                run = run_steps(model, inputs)
            return Architecture([step for step, _ in run.steps], run.chain, count)
        except Exception:
            # The guess was the library's; an input of the user's that fails is the user's to hear of.
            if input is not None:
                raise
    leaves = [(path, module) for path, module in model.named_modules() if _is_leaf(model, module)]
    steps = [_step(path, module, None) for path, module in leaves]
    return Architecture(steps, isinstance(model, Sequential), count)


def _zeros(model: Module) -> tuple[Tensor, ...] | None:
    """A row that a model which begins with a Linear layer can take."""
    first = next((m for m in model.modules() if _is_leaf(model, m) and any(True for _ in m.parameters())), None)
    return (Tensor(np.zeros((1, first.in_features), float_type(model))),) if isinstance(first, Linear) else None


def as_inputs(model: Module, input: Any) -> tuple[Tensor, ...]:
    """Arrays or tensors (a tuple of them for several inputs) as new tensors; floats in the model's own type."""
    arrays = [
        np.asarray(x.numpy() if isinstance(x, Tensor) else x) for x in (input if isinstance(input, tuple) else (input,))
    ]
    return tuple(Tensor(x, float_type(model) if x.dtype.kind == "f" else None) for x in arrays)


def _is_leaf(root: Module, module: Module) -> bool:
    """A layer of the library, containers apart, or one of the user's own without layers inside."""
    if isinstance(module, (Sequential, ModuleList, ModuleDict)):
        return False
    return module._in_library or (module is not root and not any(True for _ in module.children()))


def _step(path: str, module: Module, output: Any) -> Step:
    shape = tuple(output.shape[1:]) if isinstance(output, Tensor) and output.shape else None
    if shape is None and isinstance(module, Linear):
        shape = (module.out_features,)
    step = Step(path, type(module).__name__, shape, sum(p.numel() for p in module.parameters()))
    if isinstance(module, Linear):
        step.weight = module.weight.numpy()
        step.bias = None if module.bias is None else module.bias.numpy()
    return step


def run_steps(model: Module, inputs: tuple[Tensor, ...]) -> Run:
    """Call the model; its layers tell themselves, functions between them are found on the graph.

    The caller sees to ``untouched`` and to the recording of gradients. ``inputs`` are made to require them, so that
    there is a graph where all parameters are frozen.
    """
    leaves = {id(module): path for path, module in model.named_modules() if _is_leaf(model, module)}
    found: list[tuple[int, Step, Tensor]] = []

    def note(module: Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            found.append((output.node.serial, _step(leaves[id(module)], module, output), output))

    for x in inputs:
        if is_float(x.dtype):
            x.requires_grad = True
    removers = [m.register_forward_hook(note) for m in model.modules() if id(m) in leaves]
    try:
        output = model(*inputs)
    finally:
        for remove in removers:
            remove()
    if not isinstance(output, Tensor):
        return Run([(step, tensor) for _, step, tensor in found], output, False)
    names = {id(p.node): name for name, p in model.named_parameters()}
    functions, chain = _functions(output, {id(x.node) for x in inputs}, names, leaves)
    # Sorting keeps the order of calls where a layer passes on the very value it was given, as dropout does.
    every = sorted(found + functions, key=lambda entry: entry[0])
    return Run([(step, tensor) for _, step, tensor in every], output, chain)


def _functions(
    output: Tensor, live: set[int], names: Mapping[int, str], leaves: Mapping[int, str]
) -> tuple[list[tuple[int, Step, Tensor]], bool]:
    """Weighted sums and activations that no layer made; and whether no value is made from two earlier ones."""
    found: list[tuple[int, Step, Tensor]] = []
    chain = True
    sums: dict[int, Step] = {}
    for node in output.graph().nodes:
        moving = {id(i) for i in node.inputs if id(i) in live}
        if moving:
            live.add(id(node))
        if _inside(node.scope, leaves) or not moving or node.op is None:
            continue
        name, shape = node.op.name, tuple(node.aval.shape[1:])
        weights = [i for i in node.inputs if id(i) in names]
        if name in ("matmul", "affine") and weights:
            transposed = name == "affine" or getattr(node.op, "transpose_b", False)
            matrix = weights[0].value if transposed else weights[0].value.T
            step = Step(names[id(weights[0])], name, shape, sum(w.aval.size for w in weights), matrix)
            step.bias = weights[1].value if len(weights) > 1 else None
            sums[id(node)] = step
            found.append((node.serial, step, Tensor._of(node)))
        elif name == "add" and weights and (before := next((sums[m] for m in moving if m in sums), None)):
            before.bias = np.broadcast_to(weights[0].value.reshape(-1), shape[-1:])
            before.parameters += weights[0].aval.size
        elif name in _ACTIVATIONS:
            found.append((node.serial, Step("", name, shape), Tensor._of(node)))
        elif _is_softmax(node):
            found.append((node.serial, Step("", "softmax", shape), Tensor._of(node)))
        elif len(moving) > 1:
            chain = False
    return found, chain


def _inside(scope: Any, leaves: Mapping[int, str]) -> bool:
    while scope is not None:
        outer, module, _ = scope
        if id(module) in leaves:
            return True
        scope = outer
    return False


def _is_softmax(node: Any) -> bool:
    """Exponentials over their sum."""
    if node.op.name != "divide" or len(node.inputs) != 2:
        return False
    top, bottom = node.inputs
    named = top.op is not None and bottom.op is not None and (top.op.name, bottom.op.name) == ("exp", "sum")
    return named and bottom.inputs[0] is top
