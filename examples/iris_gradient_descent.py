"""Softmax regression on Iris by gradient descent, the gradient by the chain rule and by chainrule.

150 flowers, 4 measurements, 3 species; W (4, 3) starts as 0.0001 times normal noise, b as ones; full batch, learning
rate 0.0001, 5,000 epochs, W printed every 1,000. The gradient of the mean cross entropy is, by hand, ``X^T (P - Y) / 150``
with P the probabilities and Y the one-hot species; each printout says how far ``backward`` is from it. So small a
learning rate is slow: after 5,000 epochs the weights still grow.

    python examples/iris_gradient_descent.py [--epochs 5000] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np

import chainrule as cr
from chainrule.data import iris


def gradient_by_hand(x: np.ndarray, y: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """``X^T (P - Y) / n``."""
    scores = np.exp(x @ weight + bias)
    return x.T @ (scores / scores.sum(axis=1, keepdims=True) - y) / len(x)


def train(weight: cr.Tensor, bias: cr.Tensor, epochs: int, learning_rate: float = 0.0001) -> list[np.ndarray]:
    """Gradient descent on all flowers at once; W before every 1,000th step, and after the last."""
    flowers = iris(dtype=np.float64)
    x = cr.tensor(flowers.inputs)
    y = cr.one_hot(cr.tensor(flowers.targets), 3).double()
    snapshots = []
    for epoch in range(epochs):
        loss = -(y * cr.log_softmax(x @ weight + bias, axis=1)).sum(axis=1).mean()
        loss.backward()
        if epoch % 1000 == 0:
            snapshots.append(weight.numpy().copy())
            difference = abs(weight.grad.numpy() - gradient_by_hand(x.numpy(), y.numpy(), weight.numpy(), bias.numpy()))
            print(
                f"epoch {epoch:>5}  loss {loss.item():.4f}  by hand and by chainrule differ by {difference.max():.1e}"
            )
            print(weight.numpy())
        with cr.no_grad():
            for parameter in (weight, bias):
                parameter -= learning_rate * parameter.grad
                parameter.grad = None
    predicted = (x @ weight + bias).argmax(axis=1)
    print(f"accuracy on the flowers it learned from {(predicted.numpy() == flowers.targets).mean():.4f}")
    return [*snapshots, weight.numpy().copy()]


def main() -> None:
    """Train from random numbers and print the weights as they grow."""
    parser = argparse.ArgumentParser(description="softmax regression on Iris")
    parser.add_argument("--epochs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cr.manual_seed(arguments.seed)
    weight = 0.0001 * cr.randn(4, 3, dtype=cr.float64)
    train(weight.requires_grad_(), cr.ones(3, dtype=cr.float64).requires_grad_(), arguments.epochs)


if __name__ == "__main__":
    main()
