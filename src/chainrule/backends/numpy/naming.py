"""What things are called in a listing: inputs by their role, values by their layer, gradients by what they are of."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from typing import Any

from chainrule.backends.numpy.helpers import HELPERS
from chainrule.compiler.program import Program
from chainrule.core.graph import Node

__all__ = ["MEMORY", "Labels", "Layer", "label_inputs", "layers_of"]

#: The textbook's letter for what an optimizer remembers of a parameter.
MEMORY = {
    "step": "t", "exp_avg": "m", "exp_avg_sq": "v", "max_exp_avg_sq": "v_max", "mu_product": "mu",
    "momentum_buffer": "velocity", "square_avg": "s", "grad_avg": "m", "sum": "s", "acc_delta": "u",
}  # fmt: skip

_NORMS = {"BatchNorm1d", "LayerNorm"}
#: The letter for a layer's parameters and buffers: by layer and name, or by name alone.
_LEAVES: dict[tuple[str, str] | str, str] = {
    ("Embedding", "weight"): "E", ("PReLU", "weight"): "alpha",
    **{(norm, leaf): letter for norm in _NORMS for leaf, letter in (("weight", "gamma"), ("bias", "beta"))},
    **{(loss, "weight"): "weight" for loss in ("BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss")},
    "weight": "W", "bias": "b", "num_batches_tracked": "batches",
}  # fmt: skip
#: In which order a layer's parameters and buffers are listed.
_LEAF_ORDER = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
#: Layers that scale or shift what another one made: they share its number.
_FOLLOWERS = _NORMS | {"PReLU"}


class Labels:
    """Gives out names, each once."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.taken = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *HELPERS, "np", "rng", *reserved}
        self.counts: dict[str, int] = {}

    def free(self, name: str) -> bool:
        """Whether nothing is called so yet."""
        return name not in self.taken

    def take(self, name: str) -> str:
        """``name``, or a name like it that is free."""
        name = re.sub(r"\W", "_", name)
        name = f"_{name}" if not name or name[0].isdigit() else name
        found = name
        while found in self.taken:
            number = self.counts[name] = self.counts.get(name, 1) + 1
            found = f"{name}{'_' * name[-1].isdigit()}{number}"
        self.taken.add(found)
        return found


class Layer:
    """A layer with parameters: ``suffix`` is what its names end in, ``1`` or ``_fc1``."""

    def __init__(self, path: tuple[str, ...], kind: str) -> None:
        self.path, self.kind = path, kind
        self.suffix = ""


def kind_of(scope: Any) -> str:
    """The name of the layer's class; of the library's own class that it is made from, if there is one."""
    if scope is None:
        return ""
    for cls in type(scope[1]).__mro__:
        if cls.__module__.startswith("chainrule.nn.") and cls.__name__ != "Module":
            return cls.__name__
    return type(scope[1]).__name__


def layers_of(program: Program) -> dict[str, Layer]:
    """The layers that own inputs of the program, by path, in the order in which they are first used."""
    owners = {
        node: tuple(program.names[node].split(".")[:-1])
        for node in program.inputs
        if program.kinds.get(node) == "tensor" and "." in program.names[node]
    }
    kinds: dict[tuple[str, ...], str] = {}
    for node in program.graph.nodes:
        for source in node.inputs:
            if source in owners and node.scope is not None:
                kinds.setdefault(owners[source], kind_of(node.scope))
    for path in owners.values():
        kinds.setdefault(path, "")
    layers = [Layer(path, kind) for path, kind in kinds.items()]
    _add_suffixes(layers)
    return {".".join(layer.path): layer for layer in layers}


def _add_suffixes(layers: list[Layer]) -> None:
    """Numbers for layers in a row, counted by those that hold weights; names for layers that have them."""
    shared = 0
    while layers and all(
        layer.path[shared : shared + 1] == layers[0].path[shared : shared + 1] != () for layer in layers
    ):
        shared += 1
    counts: dict[tuple[bool, tuple[str, ...]], int] = {}
    seen: set[tuple[str, str]] = set()
    for layer in layers:
        path = layer.path[shared:]
        if len(path) > 1 and path[-1] == "linear" and path[-2].isdigit():  # what a Maxout layer is made of
            path = path[:-1]
        words = tuple(part for part in path if not part.isdigit())
        suffix = "".join(f"_{word}" for word in words)
        if len(words) < len(path):
            row = (layer.kind == "Embedding", words)
            counts[row] = max(1, counts.get(row, 0) + (layer.kind not in _FOLLOWERS))
            suffix += f"{'_' * suffix[-1:].isdigit()}{counts[row]}"
        kind = layer.kind if layer.kind in _FOLLOWERS | {"Embedding"} else ""
        layer.suffix = next(
            s for s in (suffix, *(suffix + c for c in "bcdefghijklm"), "_more") if (kind, s) not in seen
        )
        seen.add((kind, layer.suffix))


def label_inputs(program: Program, layers: dict[str, Layer], labels: Labels) -> dict[Node, str]:
    """A name for each input, in the order of the listing's parameters.

    First the state (each layer's weights, then what else there is), then the arguments by the user's own names, then
    the settings, then what optimizers remember, and last the state of random generators.
    """
    names, kinds = program.names, program.kinds
    order = {path: i for i, path in enumerate(layers)}
    ranks = {"tensor": 0, "argument": 1, "setting": 2, "gradient": 3, "optimizer memory": 4}

    def place(node: Node) -> tuple[int, int, int]:
        owner, _, leaf = names[node].rpartition(".")
        rank = ranks.get(kinds.get(node, "argument"), 5)
        if rank or owner not in order:
            return rank, len(order), 0
        return rank, order[owner], _LEAF_ORDER.index(leaf) if leaf in _LEAF_ORDER else len(_LEAF_ORDER)

    given = sorted(program.inputs, key=place)
    found: dict[Node, str] = {}
    called: dict[str, str] = {}
    # The user's own names come first, so that no textbook name takes theirs.
    for node in sorted(given, key=lambda n: kinds.get(n, "argument") != "argument"):
        owner, _, leaf = names[node].rpartition(".")
        kind = kinds.get(node, "argument")
        if kind == "tensor" and owner in layers:
            layer = layers[owner]
            name = (_LEAVES.get((layer.kind, leaf)) or _LEAVES.get(leaf, leaf)) + layer.suffix
        elif kind == "gradient":
            name = f"d{called.get(owner, owner)}"
        elif kind == "optimizer memory":
            name = f"{MEMORY.get(leaf, leaf)}_{called.get(owner, owner)}"
        else:
            name = names[node].replace(".", "_")
        called[names[node]] = found[node] = labels.take(name)
    return {node: found[node] for node in given}
