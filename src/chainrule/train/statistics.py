"""Statistics of every layer on a sample of rows: its outputs, the gradient that reaches it, its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.core.errors import DataError
from chainrule.core.modes import enable_grad
from chainrule.core.philox import default_generator
from chainrule.nn.module import Module
from chainrule.optim import LBFGS, Optimizer
from chainrule.tensor import Tensor
from chainrule.train.record import LayerStatistics
from chainrule.train.record import layer_statistics as statistics_of

__all__ = ["layer_statistics"]

Array = np.ndarray[Any, Any]


def layer_statistics(
    model: Module, loss_function: Any, inputs: Any, targets: Any, optimizer: Optimizer | None = None
) -> list[LayerStatistics]:
    """Statistics of each layer (a module without modules inside), in the order in which they run.

    The model runs in evaluation mode on ``inputs`` (rows, ...) and the loss is differentiated once. Each layer's
    histogram, mean and standard deviation are those of its outputs; dead units and zeros are of ReLUs, saturation of
    sigmoids and tanhs; norms are over all parameters of the layer. With ``optimizer``, one step is tried for
    ``update_ratio``, the size of the change over that of the weights. Model, gradients, optimizer and random numbers
    are left as they were.

    Raises:
        DataError: no rows, or a model that calls no layer.

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> model[0].weight.data, model[0].bias.data = cr.ones((3, 2)), cr.tensor([0.0, 0.0, -9.0])
    >>> x, y = cr.ones((4, 2)), cr.zeros((4, 3))
    >>> for layer in layer_statistics(model, nn.MSELoss(), x, y):
    ...     print(layer.path, layer.kind, layer.mean, layer.dead_units)
    0 Linear -1.0 None
    1 ReLU 1.3333333333333333 1
    """
    x = inputs if isinstance(inputs, tuple) else (inputs,)
    if not x or not x[0].shape or not x[0].shape[0]:
        raise DataError("layer_statistics", "no rows", "at least one row", "pass a sample of the data")
    paths = {id(module): path for path, module in model.named_modules() if not any(True for _ in module.children())}
    outputs: dict[str, list[Array]] = {}
    layers = {path: module for path, module in model.named_modules() if id(module) in paths}

    def look(module: Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            outputs.setdefault(paths[id(module)], []).append(output.numpy())

    with _untouched(model, optimizer):
        removers = [module.register_forward_hook(look) for module in layers.values()]
        try:
            with enable_grad():
                loss_function(model.eval()(*x), targets).backward()
        finally:
            for remove in removers:
                remove()
        before = {id(p): p.numpy() for p in model.parameters()}
        gradients = {id(p): p.grad.numpy() for p in model.parameters() if p.grad is not None}
        # L-BFGS measures its step by many evaluations of the loss; no single one is typical.
        # A schedule that has ended at 0 leaves no step to look at.
        still = optimizer is None or isinstance(optimizer, LBFGS) or not any(g["lr"] for g in optimizer.param_groups)
        updates = {} if optimizer is None or still else _updates(model, optimizer, before)
    if not outputs:
        raise DataError("layer_statistics", "a model that called no layer", "layers inside the model", "")
    return [_statistics(path, layers[path], parts, before, gradients, updates) for path, parts in outputs.items()]


def _statistics(
    path: str, module: Module, outputs: list[Array], before: Any, gradients: Any, updates: Any
) -> LayerStatistics:
    own = [id(p) for p in module._parameters.values() if p is not None]
    # A layer that is called several times (weights that are shared over positions, say) is judged over all its calls.
    values = outputs[0] if len(outputs) == 1 else np.concatenate([o.reshape(o.shape[0], -1) for o in outputs], axis=1)
    return statistics_of(
        path or type(module).__name__,
        type(module).__name__,
        values,
        gradient=_joined(gradients, own),
        weight=_joined(before, own),
        update=_joined(updates, own),
    )


def _joined(values: dict[int, Array], keys: list[int]) -> Array | None:
    parts = [values[key].reshape(-1) for key in keys if key in values]
    return np.concatenate(parts) if parts else None


def _updates(model: Module, optimizer: Optimizer, before: dict[int, Array]) -> dict[int, Array]:
    """How one step would change each parameter."""
    optimizer.step()
    return {id(p): p.numpy() - before[id(p)] for p in model.parameters() if p.grad is not None}


@contextmanager
def _untouched(model: Module, optimizer: Optimizer | None) -> Iterator[None]:
    """Everything that training changes is put back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    values = [(tensor, tensor.detach()) for _, tensor in model._named_state()]
    gradients = [(p, p.grad) for p in model.parameters()]
    memory = None if optimizer is None else optimizer.state_dict()
    random = default_generator().state()
    for p, _ in gradients:
        p.grad = None
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for tensor, value in values:
            tensor.data = value
        for p, gradient in gradients:
            p.grad = gradient
        if optimizer is not None and memory is not None:
            optimizer.load_state_dict(memory)
        default_generator().set_state(random)
