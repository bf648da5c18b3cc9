"""PyTorch, eager: float32 tensors on hand, rows picked with one index_select, the fastest optimizers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from chainrule.bench.case import Arrays, Case, System


def build(case: Case, arrays: Arrays) -> System:
    """An nn.Sequential with its optimizer."""
    return Eager(case, arrays)


class Eager:
    """The training loop that PyTorch's documentation recommends, without a DataLoader."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        import torch
        from torch import nn

        torch.set_num_threads(case.threads)
        self.torch, self.case = torch, case
        self.x, self.y = torch.from_numpy(arrays.x), torch.from_numpy(arrays.y)
        if case.loss == "cross_entropy":
            self.y = self.y.long()
        self.orders = None if arrays.orders is None else torch.from_numpy(arrays.orders).long()
        self.weights = [torch.from_numpy(w) for w in arrays.weights]
        self.optimizer: Any = None
        self.criterion = nn.MSELoss() if case.loss == "mse" else nn.CrossEntropyLoss()

    def reset(self) -> None:
        """A new network with the initial weights."""
        torch, case = self.torch, self.case
        self.model = _network(torch.nn, case)
        linear = [layer for layer in self.model if isinstance(layer, torch.nn.Linear)]
        with torch.no_grad():
            for layer, weight, bias in zip(linear, self.weights[::2], self.weights[1::2], strict=True):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)
        # Fused, Adam is a quarter faster; SGD on a few small tensors is fastest as a plain loop.
        if case.optimizer == "adam":
            self.optimizer = torch.optim.Adam(self.model.parameters(), lr=case.lr, fused=True)
        else:
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=case.lr, foreach=False)

    def train(self) -> None:
        """All steps; losses are kept as tensors, since reading their numbers would wait."""
        model, criterion, optimizer, x, y = self.model, self.criterion, self.optimizer, self.x, self.y
        losses = []
        for step in range(self.case.steps):
            if self.orders is not None:
                rows = self.orders[step]
                x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        self.losses = self.torch.stack(losses)

    def predict(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The outputs, in evaluation mode where that differs."""
        if self.case.batch_norm:
            self.model.eval()
        with self.torch.inference_mode():
            outputs: npt.NDArray[Any] = self.model(self.torch.from_numpy(x)).numpy()
        return outputs


def _network(nn: Any, case: Case) -> Any:
    activation = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[case.hidden]
    layers: list[Any] = []
    for inputs, width in itertools.pairwise(case.sizes[:-1]):
        layers.append(nn.Linear(inputs, width))
        if case.batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(activation())
    layers.append(nn.Linear(case.sizes[-2], case.sizes[-1]))
    if case.output == "sigmoid":
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)
