"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def step(W, b, x, t, lr):
    # forward
    z = x @ W.T + b                                # (6, 3)  Linear

    u = 1 - t                                      # (6, 3)
    loss = (t * softplus(-z) + u * softplus(z)).mean()  # ()

    # backward
    u2 = 0.055555556 * u * (1 / (1 + np.exp(-z)))  # (6, 3)

    dz = u2 - 0.055555556 * t * (1 / (1 + np.exp(z)))  # (6, 3)
    dW = dz.T @ x                                  # (3, 4)
    db = dz.sum(axis=0)                            # (3,)

    # update
    W = W - lr * dW
    b = b - lr * db
    return loss, W, b


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W = 0.1 * rng.standard_normal((3, 4), dtype=np.float32)
    b = np.zeros(3, np.float32)
    x = rng.random((6, 4), dtype=np.float32)
    t = rng.random((6, 3), dtype=np.float32)
    lr = 0.1
    for _ in range(10):
        loss, W, b = step(W, b, x, t, lr)
        print(loss)
