"""The layers of the slides, written by hand: each with ``forward`` and ``backward(dout)``, over tensors."""

from __future__ import annotations

from typing import Any

import chainrule as cr


class Add:
    """x + y: the gradient passes on."""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, dout: Any) -> Any:
        return dout * 1, dout * 1


class Mul:
    """x y: the gradient goes to each, times the other."""

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> Any:
        return dout * self.y, dout * self.x


class Sigmoid:
    """1 / (1 + e^-x): dout y (1 - y)."""

    def forward(self, x: Any) -> Any:
        self.out = 1 / (1 + cr.exp(-x))
        return self.out

    def backward(self, dout: Any) -> Any:
        return dout * self.out * (1 - self.out)


class Affine:
    """X W + b: dX = dout W^T, dW = X^T dout, db = the column sums of dout."""

    def __init__(self, weight: Any, bias: Any) -> None:
        self.weight, self.bias = weight, bias

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.weight + self.bias

    def backward(self, dout: Any) -> Any:
        self.dweight, self.dbias = self.x.T @ dout, dout.sum(0)
        return dout @ self.weight.T


class MSE:
    """1/2 sum (t - y)^2, with the slide's gradient (y - t) / batch."""

    def forward(self, y: Any, t: Any) -> Any:
        self.y, self.t = y, t
        return 0.5 * ((t - y) ** 2).sum()

    def backward(self, dout: Any = 1) -> Any:
        return dout * (self.y - self.t) / len(self.t)
