"""Looking into a model without changing it: everything as before at the end, and the layers in the order they run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import ops
from chainrule.core.aval import is_float
from chainrule.core.graph import Node
from chainrule.core.modes import enable_grad, get_default_dtype
from chainrule.core.philox import default_generator
from chainrule.nn import Linear, Module, ModuleDict, ModuleList, Sequential
from chainrule.tensor import Tensor

__all__ = ["Architecture", "Run", "Step", "as_inputs", "float_type", "read_architecture", "run_steps", "untouched"]

Array = np.ndarray[Any, Any]

#: Functions of ``ops`` that are activations, where a forward calls them itself.
_ACTIVATIONS = (
    "elu", "gelu", "leaky_relu", "log_softmax", "relu", "selu", "sigmoid", "silu", "softmax", "softplus", "tanh",
)  # fmt: skip


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
    free: list[Node] = []
    for node in output.graph().nodes:
        if any(id(i) in live for i in node.inputs):
            live.add(id(node))
            free += [] if _inside(node.scope, leaves) else [node]
    found: list[tuple[int, Step, Tensor]] = []
    sums: dict[int, Step] = {}
    chain, place = True, 0
    while place < len(free):
        node, moving = free[place], {id(i) for i in free[place].inputs if id(i) in live}
        weights = [i for i in node.inputs if id(i) in names]
        name, length = _activation(free, place, live)
        last = free[place + length - 1]
        if name:
            found.append((last.serial, Step("", name, tuple(last.aval.shape[1:])), Tensor._of(last)))
        elif _op(node) in ("matmul", "affine") and weights:
            sums[id(node)] = step = _sum(node, weights, names)
            found.append((node.serial, step, Tensor._of(node)))
        elif _op(node) == "add" and weights and (before := next((sums[m] for m in moving if m in sums), None)):
            before.bias = np.broadcast_to(weights[0].value.reshape(-1), node.aval.shape[-1:])
            before.parameters += weights[0].aval.size
        elif len(moving) > 1 or _op(node) in ("matmul", "affine"):
            chain = False
        place += length
    return found, chain


def _op(node: Node) -> str:
    return "" if node.op is None else node.op.name


def _sum(node: Node, weights: list[Node], names: Mapping[int, str]) -> Step:
    """The weighted sums of a product with a parameter, ``x W^T`` or ``x W``."""
    transposed = _op(node) == "affine" or getattr(node.op, "transpose_b", False)
    matrix = weights[0].value if transposed else weights[0].value.T
    step = Step(names[id(weights[0])], _op(node), tuple(node.aval.shape[1:]), sum(w.aval.size for w in weights), matrix)
    step.bias = weights[1].value if len(weights) > 1 else None
    return step


@functools.cache
def _signatures() -> dict[tuple[str, ...], str]:
    """Activations by the ops that each is made of, read off the functions themselves; those of most ops first."""
    x = Tensor([[1.0, -1.0]], requires_grad=True)
    calls: list[tuple[str, Callable[[Tensor], Tensor]]] = [(n, getattr(ops, n)) for n in _ACTIVATIONS]
    calls += [("gelu", lambda x: ops.gelu(x, "tanh")), ("maxout", lambda x: ops.maxout(x, 2))]
    with enable_grad():
        made = {tuple(map(_op, call(x).graph().nodes)): name for name, call in calls}
    return dict(sorted(made.items(), key=lambda entry: -len(entry[0])))


def _activation(free: list[Node], place: int, live: set[int]) -> tuple[str, int]:
    """The activation that begins at a place of the nodes outside layers, and how many of them it takes."""
    for signature, name in _signatures().items():
        part = free[place : place + len(signature)]
        if tuple(map(_op, part)) != signature:
            continue
        own = set(map(id, part))
        # A function of one value; a product of two others, as in a gate, may be made of the same ops.
        if len({id(i) for node in part for i in node.inputs if id(i) in live and id(i) not in own}) == 1:
            return name, len(part)
    return "", 1


def _inside(scope: Any, leaves: Mapping[int, str]) -> bool:
    while scope is not None:
        outer, module, _ = scope
        if id(module) in leaves:
            return True
        scope = outer
    return False
