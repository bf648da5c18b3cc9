"""``cr.save`` and ``cr.load``: a model in one file, architecture and weights, without pickle or eval."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chainrule.core.errors import ChainruleError, CheckpointError
from chainrule.nn.module import Module
from chainrule.tensor import Tensor
from chainrule.train.architecture import Builder, Describer, find_changes, unchanged_generator
from chainrule.train.tensor_files import read_tensors, write_tensors

__all__ = ["load", "load_with_extra", "save"]

#: Arrays that are no weights (arguments, extras) are stored under names that no attribute path can have.
_ASIDE = "$"


def save(model: Module, path: str | Path, extra: Any = None) -> None:
    """Write architecture, weights and ``extra`` (plain values and arrays: labels, preprocessing) to one file.

    It is a safetensors file; the weights lie under their ``state_dict`` names, so other programs can read them. Layers
    appended or replaced and settings changed after the constructor are kept. The file is written whole or not at all.

    >>> import tempfile
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/model.safetensors")
    ...     same = load(f"{folder}/model.safetensors")
    >>> x = cr.tensor([[1.0, 2.0]])
    >>> bool((same(x) == model(x)).all())
    True

    Raises:
        CheckpointError: a constructor argument that cannot be written down (it is named), a model that its constructor
            does not make again, or a folder that cannot be written.
    """
    if not isinstance(model, Module):
        raise CheckpointError(
            "cr.save(model, path)", f"a {type(model).__name__}", "an nn.Module", "pass the model first"
        )
    describer = Describer()
    try:
        architecture = describer.describe(model, "")
        with unchanged_generator():
            builder = Builder(describer.arrays, describer.classes)
            rebuilt = builder.build(architecture)
            changes = find_changes(model, rebuilt, describer, builder)
    except ChainruleError as problem:
        raise _cannot_save(model, str(problem).replace("\n", "\n  ")) from problem
    _check_same(model, rebuilt)
    header = {
        "architecture": architecture,
        "changes": changes,
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.requires_grad],
        "extra": describer.pack(extra, "extra"),
    }
    aside = {_ASIDE + name: array for name, array in describer.arrays.items()}
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    write_tensors(path, weights | aside, "model", header)


def load(path: str | Path, classes: Iterable[type[Module]] = ()) -> Module:
    """The model that ``save`` wrote, in evaluation mode.

    Its classes are those of ``chainrule.nn``, those in ``classes``, and subclasses of ``nn.Module`` that the program
    has defined by now; nothing is imported, and the program's random numbers are not moved.

    Raises:
        CheckpointError: a missing or damaged file, one that chainrule did not write, a newer format, an unknown
            class, or weights that do not fit the class as it is now.
    """
    return load_with_extra(path, classes)[0]


def load_with_extra(path: str | Path, classes: Iterable[type[Module]] = ()) -> tuple[Module, Any]:
    """The model, and the ``extra`` that was saved with it."""
    arrays, header = read_tensors(path, "model")
    aside = {name.removeprefix(_ASIDE): array for name, array in arrays.items() if name.startswith(_ASIDE)}
    weights = {name: array for name, array in arrays.items() if not name.startswith(_ASIDE)}
    builder = Builder(aside, classes)
    try:
        with unchanged_generator():
            model = builder.build(header["architecture"])
            for change in header["changes"]:
                builder.change(model, change)
        model.load_state_dict(weights)
        _take_dtypes(model, weights)
        for name, parameter in model.named_parameters():
            if name in header["frozen"]:
                parameter.requires_grad = False
        return model.eval(), builder.unpack(header["extra"])
    except CheckpointError as problem:
        problem.context.append(f"  {'file:':<9} {path}")
        raise
    except (ChainruleError, KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as problem:
        raise CheckpointError(
            f"read {path}",
            f"a header that makes no model ({problem})",
            "the header that cr.save wrote",
            "save it again",
        ) from problem


def _take_dtypes(model: Module, weights: dict[str, Any]) -> None:
    """A model that was cast after its constructor is cast again."""
    for name, tensor in model._named_state():
        if tensor.dtype != weights[name].dtype:
            tensor.data = Tensor(weights[name])


def _check_same(model: Module, rebuilt: Module) -> None:
    """Refuse to write what would not come back: names, shapes and shared weights must be those of the model."""
    mine, theirs = dict(model._named_state()), dict(rebuilt._named_state())
    odd = [f"{name} is not made again" for name in mine if name not in theirs]
    odd += [f"{name} is made, but gone from the model" for name in theirs if name not in mine]
    odd += [
        f"{name} has shape {mine[name].shape}, the constructor makes {theirs[name].shape}"
        for name in mine
        if name in theirs and mine[name].shape != theirs[name].shape
    ]
    if not odd and _sharing(mine) != _sharing(theirs):
        odd = ["weights are shared between layers since after the constructor"]
    if not odd and [path for path, _ in model.named_modules()] != [path for path, _ in rebuilt.named_modules()]:
        odd = ["layers stand in another order than the constructor gave them"]
    if odd:
        raise _cannot_save(model, "; ".join(odd[:5]))


def _sharing(state: dict[str, Tensor]) -> list[int]:
    """For each tensor, the place of its first appearance."""
    first: dict[int, int] = {}
    return [first.setdefault(id(tensor), place) for place, tensor in enumerate(state.values())]


def _cannot_save(model: Module, why: str) -> CheckpointError:
    return CheckpointError(
        f"cr.save a {type(model).__name__}",
        why,
        "a model that its class and arguments make again",
        "make all layers and parameters in __init__, from arguments that are plain values, or keep model.state_dict()",
    )
