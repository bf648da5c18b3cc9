"""Which values of a program have a name of their own in the textbook, and to which paragraph of the listing they belong."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.backends.numpy.naming import Layer, kind_of
from chainrule.backends.numpy.patterns import is_affine, is_log_softmax, is_softmax, made_by
from chainrule.backends.numpy.prepare import numbers
from chainrule.compiler.program import Program
from chainrule.compiler.stages import BACKWARD, FORWARD, UPDATE
from chainrule.core import source
from chainrule.core.graph import Node, layer_path

__all__ = ["LOSS", "Landmarks", "assigned_name"]

#: What the output of a layer is called, by the layer's kind.
_OUTPUTS = {
    "Linear": "z", "BatchNorm1d": "bn", "LayerNorm": "ln", "Dropout": "drop", "Embedding": "e", "Flatten": "flat",
    "Unflatten": "h", "Softmax": "p", "LogSoftmax": "log_p",
    **dict.fromkeys(
        ("ELU", "GELU", "LeakyReLU", "Maxout", "PReLU", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Step", "Tanh"),
        "h",
    ),
}  # fmt: skip
#: The same for activations that are called as functions.
_FUNCTIONS = {"relu": "h", "sigmoid": "h", "tanh": "h"}
#: What turns a linear layer's output into probabilities: then it is not the network's answer yet.
_TO_PROBABILITIES = ("log_softmax", "softplus", "max", "sigmoid", "negative", "exp")
_ASSIGNMENT = re.compile(r"([A-Za-z]\w*)\s*=(?!=)")
#: The paragraph after the network: the loss.
LOSS = 1_000_000


class Landmarks:
    """Names that are wanted, the paragraph of each value, and a remark on the outputs of layers.

    A paragraph is a weight layer with what follows it. Forward they come in order, backward in the reverse order, and
    updates stand parameter by parameter.
    """

    def __init__(
        self, program: Program, nodes: Sequence[Node], operands: Mapping[Node, Sequence[Node]], inputs: Mapping[Node, str],
        layers: Mapping[str, Layer],
    ) -> None:  # fmt: skip
        self.program, self.nodes, self.operands, self.inputs = program, nodes, operands, inputs
        self.inputs_order = {node: i for i, node in enumerate(inputs)}
        self.stages: dict[Node, int] = {}
        self.groups: dict[Node, int] = {}
        self.remarks: dict[Node, str] = {}
        #: Names for values of the forward part.
        self.wanted: dict[Node, str] = {}
        #: What a gradient is of.
        self.sources: dict[Node, Node] = {}
        #: What names of values near a layer end in: ``1``, ``_fc1``.
        self.suffixes: dict[Node, str] = {}
        self.users: dict[Node, list[Node]] = {n: [] for n in (*nodes, *inputs)}
        for node in nodes:
            for operand in operands[node]:
                self.users.setdefault(operand, []).append(node)
        #: Values that can be written as Python numbers.
        self.numbers = numbers(program)
        self._owners = {
            n: layers.get(program.names[n].rpartition(".")[0]) for n in inputs if program.kinds.get(n) == "tensor"
        }
        self._find_stages()
        self.forward = [n for n in nodes if self.stages[n] % 3 == FORWARD]
        self._group_forward()
        self._name_values()
        self._find_gradients()
        self._group_backward()
        self._group_updates()

    def _find_stages(self) -> None:
        """Where a pass has made a new node, it belongs with its inputs."""
        for node in self.nodes:
            before = max((self.stages.get(i, 0) for i in self.operands[node]), default=0)
            self.stages[node] = max(before, self.program.stages.get(node, before))

    # ---- paragraphs

    def _group_forward(self) -> None:
        """A paragraph begins with each product by weights; what belongs to no layer, or another model, is the loss."""
        last, suffix, begun = 0, "", False
        network = next((_root(n.scope) for n in self.forward if n.scope is not None), None)
        for node in self.forward:
            outside = network is not None and (node.scope is None or _root(node.scope) is not network)
            layer = next((self._owners[i] for i in self.operands[node] if self._owners.get(i)), None)
            begun = begun or not outside
            if made_by(node, "affine", "matmul") or (layer is not None and layer.kind == "Embedding"):
                last += not outside
                suffix = self._number(node, last)
            suffix = layer.suffix if layer is not None else suffix
            self.groups[node] = LOSS if outside and begun else last
            self.suffixes[node] = suffix
        for node in self.forward:
            for operand in self.operands[node]:
                if operand in self.inputs:
                    self.groups.setdefault(operand, self.groups[node])

    def _number(self, node: Node, count: int) -> str:
        """The number of a product by weights that belong to no layer: theirs if they have one, else its place."""
        names = [self.inputs[i] for i in self.operands[node] if i in self._owners]
        return "".join(name[len(name.rstrip("0123456789")) :] for name in names[-1:]) if names else str(count)

    def _group_backward(self) -> None:
        """A gradient stands with what it is of, and what is computed on the way with the layer whose rule it is."""
        calls: dict[int, int] = {}
        for node in self.forward:
            if node.scope is not None:
                calls.setdefault(id(node.scope), self.groups[node])
        for node in self.nodes:
            if self.stages[node] % 3 != BACKWARD:
                continue
            origin = self.sources.get(node)
            if origin in self.groups:
                self.groups[node] = self.groups[origin]
                continue
            behind = [i for i in self.operands[node] if i in self.groups]
            backward = [self.groups[i] for i in behind if self.stages.get(i, 0) % 3 == BACKWARD]
            near = min(backward) if backward else max((self.groups[i] for i in behind), default=LOSS)
            self.groups[node] = calls.get(id(node.scope), near)

    def _group_updates(self) -> None:
        """An update stands with its parameter; what several parameters share comes before."""
        program, places = self.program, {name: i for i, name in enumerate(program_names(self.program, self.inputs))}
        own: dict[Node, int] = {}
        for place, node in zip(program.carried, program.outputs[program.results :], strict=True):
            if place is not None:
                name = program.names[program.inputs[place]]
                owner = name if name in places else name.rpartition(".")[0]
                own.setdefault(node, places.get(owner, len(places)))
        for node in reversed(self.nodes):
            if self.stages[node] % 3 == UPDATE:
                found = {self.groups[u] for u in self.users[node] if u in self.groups} or {len(places)}
                self.groups[node] = own[node] if node in own else found.pop() if len(found) == 1 else -1

    # ---- names

    def _name_values(self) -> None:
        """The user's own variables, the outputs of layers and of the network, and activations called as functions."""
        self._name_variables()
        for node in self.program.outputs[: min(self.program.results, 1)]:
            if self.stages.get(node) == FORWARD and not node.aval.ndim and any(self.stages.values()):
                self.wanted.setdefault(node, "loss")
        for node in self.nodes:
            if is_log_softmax(node, self.operands):
                self.wanted.setdefault(node, "log_p")
            elif self.stages[node] % 3 == BACKWARD and is_softmax(node, self.operands):
                self.wanted.setdefault(node, "p")
                self.remarks[node] = "softmax"
        layers = self._layers_by_call()
        outputs = self._call_outputs()
        for node in self.forward:
            scope, kind = node.scope, kind_of(node.scope)
            layer = layers.get(id(scope))
            suffix = layer.suffix if layer is not None else self.suffixes[node]
            base = ""
            if scope is not None and outputs.get(id(scope)) is node and kind in _OUTPUTS:
                self.remarks[node] = _remark(scope)
                base = "y" if kind in ("BatchNorm1d", "LayerNorm") and suffix.startswith("_") else _OUTPUTS[kind]
                if outputs.get(id(_root(scope))) is node and not self._are_scores(node):
                    base, suffix = "y" if "y" not in self.inputs.values() else "y_hat", ""
            elif kind not in _OUTPUTS and made_by(node, *_FUNCTIONS):
                base = _FUNCTIONS[node.op.name]  # type: ignore[union-attr]
            elif kind not in _OUTPUTS and is_affine(node, self.operands, self.users, self._owners):
                base = "z"
            if base:
                self.wanted.setdefault(node, base + suffix)

    def _name_variables(self) -> None:
        """What the last value on a line of the user's is assigned to is called so, if nothing else is."""
        last: dict[Any, Node] = {}
        for node in self.nodes:
            if self.stages[node] % 3 == BACKWARD:
                continue
            if node.source is not None and node.source[0].co_name != "<lambda>":
                last[node.source[0], source.line_number(node.source)] = node
        for node in last.values():
            name = assigned_name(source.line_text(node.source))
            if name and name not in (*self.inputs.values(), *self.wanted.values()):
                self.wanted[node] = name

    def _layers_by_call(self) -> dict[int, Layer]:
        """The layer with parameters that each call of a module is a call of."""
        found: dict[int, Layer] = {}
        for node in self.forward:
            for operand in self.operands[node]:
                layer = self._owners.get(operand)
                if layer is not None and node.scope is not None:
                    found.setdefault(id(node.scope), layer)
        return found

    def _call_outputs(self) -> dict[int, Node]:
        """The last value of each call of a module that something outside it uses; of the outermost calls too."""
        found: dict[int, Node] = {}
        for node in self.forward:
            scope = node.scope
            used = node in self.program.outputs or any(u.scope is not scope for u in self.users[node])
            if scope is not None and used:
                found[id(scope)] = found[id(_root(scope))] = node
        return found

    def _are_scores(self, node: Node) -> bool:
        """Whether a linear layer's output is made into probabilities afterwards."""
        return kind_of(node.scope) == "Linear" and any(made_by(u, *_TO_PROBABILITIES) for u in self.users[node])

    def _find_gradients(self) -> None:
        """Of what a gradient is; of several, an input comes before a named value, and that before anything else."""
        place = {n: i for i, n in enumerate(self.nodes)}
        found = [(n, g) for n, g in self.program.gradient_of.items() if self.stages.get(g, 0) % 3 == BACKWARD]
        found.sort(key=lambda pair: (pair[0] in self.inputs, pair[0] in self.wanted, place.get(pair[0], -1)))
        self.sources.update((gradient, origin) for origin, gradient in found)

    def gradients_of(self, names: Mapping[Node, str]) -> dict[Node, str]:
        """``dz1`` for the gradient of z1, and so on, for all that has a name."""
        return {gradient: f"d{names[origin]}" for gradient, origin in self.sources.items() if origin in names}


def program_names(program: Program, inputs: Mapping[Node, str]) -> list[str]:
    """The names under which the program knows its weights and arguments, in the order of the listing."""
    return [program.names[n] for n in inputs if program.kinds.get(n) != "optimizer memory"]


def _root(scope: Any) -> Any:
    while scope[0] is not None:
        scope = scope[0]
    return scope


def _remark(scope: Any) -> str:
    """The layer's path as errors print it, or its kind alone where the path is only a number."""
    path = layer_path(scope)
    dotted, _, kind = path.rpartition(": ")
    parts = dotted.split(".")
    return kind if not dotted or parts[0].isdigit() or parts[-1].isdigit() else path


def assigned_name(line: str) -> str:
    """The variable that a line of Python assigns to, if it is a plain assignment to one name.

    >>> assigned_name("h = relu(x)"), assigned_name("return h == 0")
    ('h', '')
    """
    found = _ASSIGNMENT.match(line)
    return found[1] if found and not keyword.iskeyword(found[1]) else ""
