"""NumPy by hand: derivatives worked out on paper, every array allocated once and filled in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from chainrule.bench.case import Arrays, Case, System

Array = np.ndarray[Any, Any]


def build(case: Case, arrays: Arrays) -> System:
    """XOR has a program of its own, as it would by hand; the others are stacks of layers."""
    return Xor(case, arrays) if case.output == "sigmoid" else Layers(case, arrays)


class Xor:
    """2-3-1, sigmoids, mean squared error, full batch."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        self.case, self.x, self.t, self.initial = case, arrays.x, arrays.y, arrays.weights

    def reset(self) -> None:
        """Back to the initial weights."""
        self.w1, self.b1, self.w2, self.b2 = (w.copy() for w in self.initial)

    def train(self) -> None:
        """Forward, backward, update; the sigmoid is 1 / (1 + e^-x), its derivative s (1 - s)."""
        case, x, t = self.case, self.x, self.t
        w1, b1, w2, b2 = self.w1, self.b1, self.w2, self.b2
        rows, hidden, lr = len(x), len(b1), np.float32(case.lr)
        scale = np.float32(2 / rows)
        h, dh, slope = (np.empty((rows, hidden), np.float32) for _ in range(3))
        y, e, dy = (np.empty((rows, 1), np.float32) for _ in range(3))
        dw1, db1, dw2, db2 = (np.empty_like(w) for w in (w1, b1, w2, b2))
        w1_t, w2_t = w1.T, w2.T
        losses = np.empty(case.steps, np.float32)
        dot, negative, exp, reciprocal = np.dot, np.negative, np.exp, np.reciprocal
        multiply, subtract, total = np.multiply, np.subtract, np.add.reduce
        for step in range(case.steps):
            dot(x, w1_t, out=h)
            h += b1
            negative(h, out=h)
            exp(h, out=h)
            h += 1
            reciprocal(h, out=h)
            dot(h, w2_t, out=y)
            y += b2
            negative(y, out=y)
            exp(y, out=y)
            y += 1
            reciprocal(y, out=y)
            subtract(y, t, out=e)
            losses[step] = np.vdot(e, e) / rows
            subtract(1, y, out=dy)
            dy *= y
            dy *= e
            dy *= scale
            dot(dy, w2, out=dh)
            subtract(1, h, out=slope)
            slope *= h
            dh *= slope
            dot(dy.T, h, out=dw2)
            total(dy, axis=0, out=db2)
            dot(dh.T, x, out=dw1)
            total(dh, axis=0, out=db1)
            for w, dw in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2)):
                multiply(dw, lr, out=dw)
                w -= dw
        self.losses = losses

    def predict(self, x: Array) -> Array:
        """The output for each row."""
        h = 1 / (1 + np.exp(-(x @ self.w1.T + self.b1)))
        return 1 / (1 + np.exp(-(h @ self.w2.T + self.b2)))


class Layers:
    """Linear layers with ReLU between them, batch normalisation where asked for, softmax or a number at the end.

    All parameters lie in one vector and all gradients in another, so that an update is a few calls however many layers
    there are.
    """

    def __init__(self, case: Case, arrays: Arrays) -> None:
        self.case, self.x, self.y, self.orders = case, arrays.x, arrays.y, arrays.orders
        rows = case.batch or len(arrays.x)
        self.rows = np.arange(rows)
        initial = list(arrays.weights)
        if case.batch_norm:
            for width in case.sizes[1:-1]:
                initial += [np.ones(width, np.float32), np.zeros(width, np.float32)]
        self.initial = np.concatenate([w.ravel() for w in initial])
        self.theta, self.grad = np.empty_like(self.initial), np.empty_like(self.initial)
        views, slopes = _views(self.theta, initial), _views(self.grad, initial)
        layers = len(case.sizes) - 1
        self.w, self.b = views[0 : 2 * layers : 2], views[1 : 2 * layers : 2]
        self.dw, self.db = slopes[0 : 2 * layers : 2], slopes[1 : 2 * layers : 2]
        self.gamma, self.beta = views[2 * layers :: 2], views[2 * layers + 1 :: 2]
        self.dgamma, self.dbeta = slopes[2 * layers :: 2], slopes[2 * layers + 1 :: 2]
        self.input = np.empty((rows, case.sizes[0]), np.float32)
        self.a = [np.empty((rows, width), np.float32) for width in case.sizes[1:]]
        self.d = [np.empty_like(a) for a in self.a]
        self.open = [np.empty(a.shape, bool) for a in self.a[:-1]]
        if case.batch_norm:
            self.normal = [np.empty_like(a) for a in self.a[:-1]]
            self.scale = [np.empty(a.shape[1], np.float32) for a in self.a[:-1]]
        self.optimizer = Adam(self.theta, case.lr) if case.optimizer == "adam" else Descent(case.lr)

    def reset(self) -> None:
        """Back to the initial weights."""
        self.theta[:] = self.initial
        self.optimizer.reset()
        widths = self.case.sizes[1:-1] if self.case.batch_norm else ()
        self.mean = [np.zeros(width, np.float32) for width in widths]
        self.variance = [np.ones(width, np.float32) for width in widths]

    def train(self) -> None:
        """All steps."""
        case = self.case
        self.losses = np.empty(case.steps, np.float32)
        x, y = self.x, self.y
        for step in range(case.steps):
            if self.orders is not None:
                # Indices are known to be good: without mode="clip" take would fill a copy of `out`.
                x = np.take(self.x, self.orders[step], axis=0, out=self.input, mode="clip")
                y = self.y[self.orders[step]]
            self._forward(x)
            self.losses[step] = self._loss(y)
            self._backward(x)
            self.optimizer.step(self.theta, self.grad)

    def _forward(self, x: Array) -> None:
        last = len(self.a) - 1
        for i, (w, b, a) in enumerate(zip(self.w, self.b, self.a, strict=True)):
            np.dot(x, w.T, out=a)
            a += b
            if i < last:
                if self.case.batch_norm:
                    self._normalise(i, a)
                np.maximum(a, 0, out=a)
            x = a

    def _normalise(self, i: int, a: Array) -> None:
        n = len(a)
        mean = np.add.reduce(a, axis=0)
        mean *= 1 / n
        a -= mean
        variance = np.einsum("ij,ij->j", a, a)
        variance *= 1 / n
        self.mean[i] += 0.1 * (mean - self.mean[i])
        self.variance[i] += 0.1 * (variance * (n / (n - 1)) - self.variance[i])
        variance += 1e-5
        np.sqrt(variance, out=variance)
        np.reciprocal(variance, out=self.scale[i])
        np.multiply(a, self.scale[i], out=self.normal[i])
        np.multiply(self.normal[i], self.gamma[i], out=a)
        a += self.beta[i]

    def _loss(self, y: Array) -> Any:
        """The loss, and its gradient by the last layer's sums in ``self.d[-1]``."""
        z, d, n = self.a[-1], self.d[-1], len(self.rows)
        if self.case.loss == "mse":
            np.subtract(z, y, out=d)
            loss = np.vdot(d, d) / d.size
            d *= 2 / d.size
            return loss
        z -= np.maximum.reduce(z, axis=1, keepdims=True)
        np.exp(z, out=d)
        sums = np.add.reduce(d, axis=1, keepdims=True)
        loss = (np.add.reduce(np.log(sums), axis=None) - np.add.reduce(z[self.rows, y])) / n
        sums *= n
        d /= sums
        d[self.rows, y] -= 1 / n
        return loss

    def _backward(self, x: Array) -> None:
        for i in reversed(range(len(self.a))):
            d = self.d[i]
            if i < len(self.a) - 1:
                np.greater(self.a[i], 0, out=self.open[i])
                d *= self.open[i]
                if self.case.batch_norm:
                    self._through_normalisation(i, d)
            np.dot(d.T, self.a[i - 1] if i else x, out=self.dw[i])
            np.add.reduce(d, axis=0, out=self.db[i])
            if i:
                np.dot(d, self.w[i], out=self.d[i - 1])

    def _through_normalisation(self, i: int, d: Array) -> None:
        """dx = gamma scale (dy - mean(dy) - normal mean(dy normal))."""
        normal, n = self.normal[i], len(d)
        np.einsum("ij,ij->j", d, normal, out=self.dgamma[i])
        np.add.reduce(d, axis=0, out=self.dbeta[i])
        d -= self.dbeta[i] * (1 / n)
        normal *= self.dgamma[i] * (1 / n)
        d -= normal
        d *= self.gamma[i] * self.scale[i]

    def predict(self, x: Array) -> Array:
        """The outputs, batch normalisation by its running statistics."""
        for i, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            x = x @ w.T
            x += b
            if i < len(self.w) - 1:
                if self.case.batch_norm:
                    x -= self.mean[i]
                    x *= self.gamma[i] / np.sqrt(self.variance[i] + 1e-5)
                    x += self.beta[i]
                np.maximum(x, 0, out=x)
        return x


def _views(vector: Array, shapes: list[Array]) -> list[Array]:
    """Parts of ``vector`` in the shapes of some arrays, one after the other."""
    parts = np.split(vector, np.cumsum([s.size for s in shapes])[:-1])
    return [part.reshape(s.shape) for part, s in zip(parts, shapes, strict=True)]


class Descent:
    """theta -= lr grad."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, theta: Array, grad: Array) -> None:
        """One update."""
        grad *= self.lr
        theta -= grad


class Adam:
    """Kingma and Ba, 2015, algorithm 1."""

    def __init__(self, theta: Array, lr: float) -> None:
        self.lr = lr
        self.m, self.v, self.change = np.empty_like(theta), np.empty_like(theta), np.empty_like(theta)

    def reset(self) -> None:
        """Both averages to 0."""
        self.m[:] = self.v[:] = self.count = 0

    def step(self, theta: Array, grad: Array) -> None:
        """One update; the corrections of both averages are drawn together, eps stands where PyTorch has it."""
        self.count += 1
        m, v, change = self.m, self.v, self.change
        root = (1 - 0.999**self.count) ** 0.5
        m *= 0.9
        np.multiply(grad, 0.1, out=change)
        m += change
        v *= 0.999
        np.multiply(grad, grad, out=grad)
        grad *= 0.001
        v += grad
        np.sqrt(v, out=change)
        change += 1e-8 * root
        np.divide(m, change, out=change)
        change *= self.lr * root / (1 - 0.9**self.count)
        theta -= change
