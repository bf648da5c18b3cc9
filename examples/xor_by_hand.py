"""Exclusive or, with nothing but NumPy: layers that know their own backward, kept in an ordered dictionary.

A 2-3-1 network with sigmoids learns by gradient descent what no single perceptron can. Every layer has a
``forward`` that remembers what ``backward`` will need, and a ``backward`` that turns the gradient of the loss by
its output (``dout``) into the gradient by its input; calling the layers in reverse is the chain rule.

    python examples/xor_by_hand.py [--epochs 20000] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float64)
TARGETS = np.array([[0], [1], [1], [0]], np.float64)


class Add:
    """``x + y``: passes the gradient on to both."""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout, dout


class Mul:
    """``x * y``: each gets the gradient times the other."""

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout * self.y, dout * self.x


class Sigmoid:
    """``y = 1 / (1 + e^-x)``, with ``dy/dx = y (1 - y)``."""

    def forward(self, x: Array) -> Array:
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dout: Array) -> Array:
        return dout * self.y * (1 - self.y)


class Affine:
    """``X W + b`` for a batch: X (batch, inputs), W (inputs, outputs), b (outputs,)."""

    def __init__(self, weight: Array, bias: Array) -> None:
        self.weight, self.bias = weight, bias

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weight + self.bias

    def backward(self, dout: Array) -> Array:
        self.dweight = self.x.T @ dout
        self.dbias = dout.sum(axis=0)
        return dout @ self.weight.T


class MSE:
    """``1/2 sum (y - t)^2``; its gradient is divided by the batch size, so that it is a mean over examples."""

    def forward(self, y: Array, t: Array) -> float:
        self.y, self.t = y, t
        return float(0.5 * ((y - t) ** 2).sum())

    def backward(self) -> Array:
        return (self.y - self.t) / len(self.t)


class TwoLayerNetwork:
    """Affine, sigmoid, affine, sigmoid. Weights start uniform in [0, 1), biases at 0."""

    def __init__(self, inputs: int, hidden: int, outputs: int, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self.layers: OrderedDict[str, Any] = OrderedDict()
        self.layers["affine1"] = Affine(generator.uniform(size=(inputs, hidden)), np.zeros(hidden))
        self.layers["sigmoid1"] = Sigmoid()
        self.layers["affine2"] = Affine(generator.uniform(size=(hidden, outputs)), np.zeros(outputs))
        self.layers["sigmoid2"] = Sigmoid()
        self.last_layer = MSE()

    def predict(self, x: Array) -> Array:
        """The output for each row of x."""
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x: Array, t: Array) -> float:
        """The loss of the predictions for x against the targets t."""
        return self.last_layer.forward(self.predict(x), t)

    def accuracy(self, x: Array, t: Array) -> float:
        """The share of outputs that lie on the right side of 1/2."""
        return float(((self.predict(x) > 0.5) == (t > 0.5)).mean())

    def gradient(self, x: Array, t: Array) -> tuple[float, dict[str, Array]]:
        """The loss, and its gradient by each weight and bias: forward through the layers, then back."""
        loss = self.loss(x, t)
        dout = self.last_layer.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        affine1, affine2 = self.layers["affine1"], self.layers["affine2"]
        return loss, {"W1": affine1.dweight, "b1": affine1.dbias, "W2": affine2.dweight, "b2": affine2.dbias}

    @property
    def parameters(self) -> dict[str, Array]:
        """Weights and biases by name; changing them in place changes the network."""
        affine1, affine2 = self.layers["affine1"], self.layers["affine2"]
        return {"W1": affine1.weight, "b1": affine1.bias, "W2": affine2.weight, "b2": affine2.bias}


def buy_fruit() -> tuple[float, dict[str, float]]:
    """Add and Mul at work: 2 apples at 100 and 3 oranges at 150, times 1.1 of tax; the price and its derivatives."""
    apples, oranges, fruit, taxed = Mul(), Mul(), Add(), Mul()
    price = taxed.forward(fruit.forward(apples.forward(100, 2), oranges.forward(150, 3)), 1.1)
    dfruit, dtax = taxed.backward(1)
    dapples, doranges = fruit.backward(dfruit)
    dapple_price, dapple_count = apples.backward(dapples)
    dorange_price, dorange_count = oranges.backward(doranges)
    return price, {
        "apple price": dapple_price,
        "apple count": dapple_count,
        "orange price": dorange_price,
        "orange count": dorange_count,
        "tax": dtax,
    }


def train(network: TwoLayerNetwork, epochs: int, learning_rate: float = 0.1) -> list[float]:
    """Gradient descent on the four rows of the truth table; the loss before each step."""
    losses = []
    for _ in range(epochs):
        loss, gradient = network.gradient(INPUTS, TARGETS)
        for name, parameter in network.parameters.items():
            parameter -= learning_rate * gradient[name]
        losses.append(loss)
    return losses


def main() -> None:
    """Buy fruit, then learn XOR and print what came of it."""
    parser = argparse.ArgumentParser(description="XOR with hand-written layers")
    parser.add_argument("--epochs", type=int, default=20_000)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    price, derivatives = buy_fruit()
    print(f"fruit: price {price:.0f}, d price / d " + ", ".join(f"{n} {d:.4g}" for n, d in derivatives.items()))
    network = TwoLayerNetwork(2, 3, 1, arguments.seed)
    losses = train(network, arguments.epochs, arguments.lr)
    for epoch in range(0, arguments.epochs, max(1, arguments.epochs // 10)):
        print(f"epoch {epoch:>6}  loss {losses[epoch]:.6f}")
    for x, y in zip(INPUTS, network.predict(INPUTS), strict=True):
        print(f"{x[0]:.0f} xor {x[1]:.0f} -> {y[0]:.3f}")
    print(f"accuracy {network.accuracy(INPUTS, TARGETS):.2f}")


if __name__ == "__main__":
    main()
