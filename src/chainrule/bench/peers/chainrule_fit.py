"""chainrule: a step compiled and scanned over the rows of all steps, or the Trainer; pictures stay bytes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from chainrule.bench.case import Arrays, Case, System

Array = np.ndarray[Any, Any]


def build(case: Case, arrays: Arrays) -> System:
    """The loop alone, or ``Trainer.fit`` for whole epochs."""
    return Fit(case, arrays) if case.system == "chainrule-fit" else Loop(case, arrays)


def make_model(case: Case, weights: list[Array], pictures: bool) -> Any:
    """The network with the initial weights; bytes are brought to 0 ... 1 by its first layer."""
    import chainrule as cr
    from chainrule import nn

    class Brightness(nn.Module):
        """Bytes from 0 to 255 as numbers from 0 to 1."""

        def forward(self, x: Any) -> Any:
            return x.float() / 255

    activation = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[case.hidden]
    layers: list[Any] = [Brightness()] if pictures else []
    for inputs, width in itertools.pairwise(case.sizes[:-1]):
        layers.append(nn.Linear(inputs, width))
        if case.batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(activation())
    layers.append(nn.Linear(case.sizes[-2], case.sizes[-1]))
    if case.output == "sigmoid":
        layers.append(nn.Sigmoid())
    model = nn.Sequential(*layers)
    linear: list[Any] = [layer for layer in model if isinstance(layer, nn.Linear)]
    for layer, weight, bias in zip(linear, weights[::2], weights[1::2], strict=True):
        layer.weight.data, layer.bias.data = cr.tensor(weight), cr.tensor(bias)
    return model


def start_again(model: Any, start: dict[str, Any], optimizer: Any) -> None:
    """The initial weights, and an optimizer that remembers nothing; the objects stay, and what is compiled with them."""
    import chainrule as cr

    model.train()
    model.load_state_dict(start)
    for parameter, memory in optimizer.state.items():
        optimizer.state[parameter] = {name: cr.zeros_like(value) for name, value in memory.items()}


class Loop:
    """``cr.compile(step).scan``: the rows of all steps in one call."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        import chainrule as cr
        from chainrule import nn, optim

        self.case = case
        self.model = make_model(case, arrays.weights, arrays.x.dtype == np.uint8)
        self.start = self.model.state_dict()
        self.optimizer = (optim.Adam if case.optimizer == "adam" else optim.SGD)(self.model.parameters(), lr=case.lr)
        self.x, self.y = cr.tensor(arrays.x), cr.tensor(arrays.y)
        # A scan needs a stream: the rows of each step, or its number where a step takes all rows.
        self.stream = cr.tensor(np.arange(case.steps, dtype=np.int32) if arrays.orders is None else arrays.orders)
        criterion = nn.MSELoss() if case.loss == "mse" else nn.CrossEntropyLoss()

        def step(x: Any, y: Any, rows: Any) -> Any:
            if case.batch:
                x, y = x[rows], y[rows]
            self.optimizer.zero_grad()
            loss = criterion(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            return loss

        self.step = cr.compile(step)
        self.outputs = cr.Predictor(self.model)

    def reset(self) -> None:
        """Back to the initial weights, and an optimizer that remembers nothing."""
        start_again(self.model, self.start, self.optimizer)

    def train(self) -> None:
        """All steps in one call."""
        self.losses = self.step.scan((self.x, self.y), (self.stream,))

    def predict(self, x: Array) -> Array:
        """The outputs of the compiled network, in evaluation mode."""
        return self.outputs(x)


class Fit:
    """``Trainer.fit``: whole epochs, with its shuffling and its history."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        from chainrule import Trainer

        self.case, self.x, self.y = case, arrays.x, arrays.y
        model = make_model(case, arrays.weights, arrays.x.dtype == np.uint8)
        self.start = model.state_dict()
        self.trainer = Trainer(model, loss=case.loss, optimizer=case.optimizer, lr=case.lr)

    def reset(self) -> None:
        """Back to the initial weights."""
        start_again(self.trainer.model, self.start, self.trainer.optimizer)

    def train(self) -> None:
        """All epochs."""
        case = self.case
        self.trainer.fit((self.x, self.y), epochs=case.epochs, batch_size=case.batch, progress=False)

    def predict(self, x: Array) -> Array:
        """``Trainer.predict``."""
        outputs: Array = self.trainer.predict(x)
        return outputs
