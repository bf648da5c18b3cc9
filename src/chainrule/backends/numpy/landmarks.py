"""Which values of a program have a name of their own in the textbook, and to which part of the network they belong."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.backends.numpy.naming import Layer, kind_of
from chainrule.compiler.program import Program
from chainrule.compiler.stages import BACKWARD, FORWARD, UPDATE
from chainrule.core import source
from chainrule.core.aval import bool_
from chainrule.core.graph import Node, layer_path

__all__ = ["Landmarks", "plain_name"]

#: What the output of a layer is called, by the layer's kind.
_OUTPUTS = {
    "Linear": "z", "BatchNorm1d": "bn", "LayerNorm": "ln", "Dropout": "drop", "Embedding": "e", "Flatten": "flat",
    "Unflatten": "h", "Softmax": "p", "LogSoftmax": "log_p",
    **dict.fromkeys(
        ("ELU", "GELU", "LeakyReLU", "Maxout", "PReLU", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Step", "Tanh"),
        "h",
    ),
}  # fmt: skip
#: The same for functions that are called without a layer.
_FUNCTIONS = {"affine": "z", "relu": "h", "sigmoid": "h", "tanh": "h", "log_softmax": "log_p"}
#: What values inside a layer or loss are called when they need a name, by op.
_INNER = {
    "mean": "mean", "rsqrt": "inv_std", "sqrt": "root", "exp": "e", "sum": "total", "max": "top", "min": "least",
    "not_equal": "counted", "less": "mask", "less_equal": "mask", "greater": "positive", "greater_equal": "mask",
    "equal": "mask", "where": "chosen", "index": "picked", "argmax": "predicted", "divide": "ratio", "multiply": "product",
    "square": "squares", "log_softmax": "log_p", "log": "log", "isfinite": "finite", "reshape": "flat",
    "concatenate": "joined", "uniform": "noise", "normal": "noise", "permutation": "order", "cast": "values",
    "absolute": "size", "clip": "clipped", "power": "power", "index_add": "placed", "matmul": "product", "einsum": "product",
}  # fmt: skip
_ASSIGNMENT = re.compile(r"([A-Za-z]\w*)\s*=(?!=)")
#: The group of what comes after the network: the loss.
_LAST = 1_000_000


class Landmarks:
    """Names that are wanted, the group of each value, and a remark on the outputs of layers.

    Groups are the paragraphs of a listing: a weight layer with what follows it. Forward they come in order, backward in
    the reverse order, and updates stand parameter by parameter.
    """

    def __init__(
        self, program: Program, nodes: Sequence[Node], operands: Mapping[Node, Sequence[Node]], inputs: Mapping[Node, str],
        layers: Mapping[str, Layer],
    ) -> None:  # fmt: skip
        self.program, self.nodes, self.operands, self.layers = program, nodes, operands, layers
        self.inputs = inputs
        self.stages: dict[Node, int] = {}
        self.groups: dict[Node, int] = {}
        self.remarks: dict[Node, str] = {}
        #: In the order in which they are to be given: names for values of the forward part.
        self.wanted: dict[Node, str] = {}
        #: What a gradient is of.
        self.sources: dict[Node, Node] = {}
        self._suffixes: dict[Node, str] = {}
        self._find_stages()
        self.forward = [n for n in nodes if self.stages[n] % 3 == FORWARD]
        self._find_groups()
        self._find_values()
        self._find_gradients()

    # ---- parts of the step

    def _find_stages(self) -> None:
        """Where a pass has made a new node, it belongs with its inputs."""
        for node in self.nodes:
            before = max((self.stages.get(i, 0) for i in self.operands[node]), default=0)
            self.stages[node] = max(before, self.program.stages.get(node, before))

    def _find_groups(self) -> None:
        groups, last, calls = self.groups, 0, dict[int, int]()
        suffix = ""
        owned = {node: self._layer_of(node) for node in self.inputs}
        roots = [_root(n.scope) for n in self.forward if n.scope is not None]
        network = roots[0] if roots else None
        for node in self.forward:
            outside = network is not None and (node.scope is None or _root(node.scope) is not network)
            layer = next((owned[i] for i in self.operands[node] if owned.get(i)), None)
            if node.op.name in ("affine", "matmul") or (kind_of(node.scope) == "Embedding" and layer):  # type: ignore[union-attr]
                last += not outside
                suffix = str(last)
            if layer:
                suffix = layer.suffix
            groups[node] = _LAST if outside and groups else last
            self._suffixes[node] = suffix
            if node.scope is not None:
                calls.setdefault(id(node.scope), groups[node])
        first_use: dict[Node, int] = {}
        for node in self.forward:
            for operand in self.operands[node]:
                if operand in self.inputs:
                    first_use.setdefault(operand, groups[node])
        self.groups.update({n: g for n, g in first_use.items() if n not in groups})
        for gradient, origin in self._gradients():
            if self.stages.get(gradient, 0) % 3 == BACKWARD and origin in groups:
                groups[gradient] = groups[origin]
        for node in self.nodes:
            if node not in groups and self.stages[node] % 3 == BACKWARD:
                behind = [
                    groups[i] for i in self.operands[node] if self.stages.get(i, 0) % 3 == BACKWARD and i in groups
                ]
                groups[node] = calls.get(id(node.scope), min(behind, default=_LAST))
        order = list(self.inputs)
        for node in self.nodes:
            if node not in groups:
                near = [i for i in self.operands[node] if i in self.inputs and i in order]
                places = [order.index(i) for i in near if self.program.kinds.get(i) in ("tensor", "argument")]
                behind = [groups[i] for i in self.operands[node] if self.stages.get(i, 0) % 3 == UPDATE]
                groups[node] = max([*places, *behind], default=_LAST)

    def _layer_of(self, node: Node) -> Layer | None:
        if self.program.kinds.get(node) != "tensor":
            return None
        return self.layers.get(self.program.names[node].rpartition(".")[0])

    # ---- values

    def _find_values(self) -> None:
        """The user's own variables, the outputs of layers and of the network, and activations called as functions."""
        outputs = self.program.outputs
        for number, node in enumerate(outputs[: self.program.results]):
            if number == 0 and node in self.stages and not node.aval.ndim and any(s % 3 for s in self.stages.values()):
                self.wanted[node] = "loss"
        used_by: dict[Node, list[Node]] = {n: [] for n in self.nodes}
        for node in self.nodes:
            for operand in self.operands[node]:
                if operand in used_by:
                    used_by[operand].append(node)
        last_on_line: dict[Any, Node] = {}
        last_in_call: dict[int, Node] = {}
        for node in self.forward:
            if node.source is not None:
                last_on_line[node.source[0], source.line_number(node.source)] = node
            scope = node.scope
            if scope is not None and (node in outputs or any(u.scope is not scope for u in used_by[node])):
                last_in_call[id(scope)] = node
                last_in_call[id(_root(scope))] = node
        for node in self.forward:
            if last_on_line.get(node.source and (node.source[0], source.line_number(node.source))) is node:
                name = plain_name(source.line_text(node.source))
                if name and name not in self.inputs.values() and name not in self.wanted.values():
                    self.wanted.setdefault(node, name)
        for node in self.nodes:
            if self._is_log_softmax(node):
                self.wanted.setdefault(node, "log_p")
            elif _is(node, "exp") and self._is_log_softmax(self.operands[node][0]):
                self.wanted.setdefault(node, "p")
                self.remarks[node] = "softmax"
        for node in self.forward:
            scope, kind, op = node.scope, kind_of(node.scope), node.op.name  # type: ignore[union-attr]
            layer = self._own_layer(node)
            suffix = layer.suffix if layer is not None else self._suffixes[node]
            if scope is not None and last_in_call.get(id(scope)) is node and kind in _OUTPUTS:
                base = _OUTPUTS[kind]
                if last_in_call.get(id(_root(scope))) is node and not self._scores(node, used_by):
                    self.wanted.setdefault(node, "y" if "y" not in self.inputs.values() else "y_hat")
                self.wanted.setdefault(node, base + suffix)
                self.remarks[node] = _remark(scope)
            elif op in _FUNCTIONS and (scope is None or kind not in _OUTPUTS):
                self.wanted.setdefault(node, _FUNCTIONS[op] + (suffix if op != "log_softmax" else ""))

    def _is_log_softmax(self, node: Node) -> bool:
        """``z - log(sum(exp(z)))``."""
        if _is(node, "log_softmax"):
            return True
        if not _is(node, "subtract"):
            return False
        z, other = self.operands[node]
        for name in ("log", "sum", "exp"):
            if not _is(other, name):
                return _is(other, "logsumexp") and self.operands[other][0] is z
            other = self.operands[other][0]
        return other is z

    def _own_layer(self, node: Node) -> Layer | None:
        """The layer with parameters whose call made the node."""
        scope = node.scope
        if scope is None:
            return None
        for other in self.forward:
            if other.scope is scope:
                for operand in self.operands[other]:
                    if operand in self.inputs and (found := self._layer_of(operand)):
                        return found
        return None

    def _scores(self, node: Node, used_by: Mapping[Node, Sequence[Node]]) -> bool:
        """Whether a linear layer's output is turned into probabilities afterwards."""
        if kind_of(node.scope) != "Linear":
            return False
        later = ("log_softmax", "softplus", "max", "sigmoid", "negative", "exp")
        return any(u.op.name in later for u in used_by[node])  # type: ignore[union-attr]

    def _gradients(self) -> list[tuple[Node, Node]]:
        """Gradients with what they are of: of several, an input before a layer's output before anything else."""
        found = [(g, n) for n, g in self.program.gradient_of.items() if g in self.operands]
        place = {n: i for i, n in enumerate(self.nodes)}
        found.sort(key=lambda pair: (pair[1] in self.inputs, pair[1] in self.wanted, place.get(pair[1], -1)))
        return found

    def _find_gradients(self) -> None:
        """The gradients of inputs and of named values have names too."""
        for gradient, origin in self._gradients():
            if self.stages[gradient] % 3 != BACKWARD:
                continue
            self.sources[gradient] = origin

    def landmark_gradients(self, names: Mapping[Node, str]) -> dict[Node, str]:
        """``dz1`` for the gradient of z1, and so on, for the values that have a name."""
        return {
            gradient: f"d{names[origin]}"
            for gradient, origin in self.sources.items()
            if origin in names and (origin in self.inputs or origin in self.wanted)
        }

    def plain(self, node: Node, names: Mapping[Node, str]) -> str:
        """Where others are called ``names``, a name for a value that has none of its own and needs one."""
        op = node.op
        if op is None:
            return "rows" if node.aval.dtype.kind == "i" else "constant"
        suffix = self._suffixes.get(node, "")
        operands = self.operands[node]
        if op.name == "add" and any(i.value is not None and i.value.size == 1 and 0 < i.value < 1e-3 for i in operands):
            name = next((names[i] for i in operands if i in names), "")
            return f"{name}_eps" if name else "denominator"
        if op.name == "where" and node.aval.dtype.kind == "i":
            return "labels"
        if op.name == "sum" and _is(operands[0], "cast") and operands[0].inputs[0].aval.dtype is bool_:
            return "n"
        if op.name == "subtract":
            base = self._difference(node)
        elif op.name == "mean" and self.operands[node][0].op is not None and _is(self.operands[node][0], "square"):
            base = "var"
        elif op.name == "divide" and _is(self.operands[node][0], "exp"):
            base = "p"
        elif op.name == "multiply" and any(_is(i, "rsqrt") for i in self.operands[node]):
            base = "scale"
        elif op.name in ("multiply", "cast") and any(_is(i, "less", "cast") for i in self.operands[node]):
            base = "mask"
        else:
            base = _INNER.get(op.name, _FUNCTIONS.get(op.name, "value"))
        return base + (
            suffix if base in ("mean", "var", "centred", "inv_std", "scale", "mask", "xhat", "h", "z") else ""
        )

    def _difference(self, node: Node) -> str:
        left, right = self.operands[node]
        if _is(right, "mean") and right.op is not None and self.operands[right][0] is left:
            return "centred"
        if _is(right, "max"):
            return "shifted"
        if self.program.kinds.get(right) == "argument" or self.program.kinds.get(left) == "argument":
            return "error"
        return "difference"


def _is(node: Node, *names: str) -> bool:
    return node.op is not None and node.op.name in names


def _root(scope: Any) -> Any:
    while scope[0] is not None:
        scope = scope[0]
    return scope


def _remark(scope: Any) -> str:
    """The layer's path as errors print it, or its kind alone where the path is only a number."""
    path = layer_path(scope)
    dotted, _, kind = path.rpartition(": ")
    return kind if not dotted or dotted.split(".")[-1].isdigit() else path


def plain_name(line: str) -> str:
    """The variable that a line of Python assigns to, if it is a plain assignment to one name."""
    found = _ASSIGNMENT.match(line)
    return found[1] if found and not keyword.iskeyword(found[1]) else ""
