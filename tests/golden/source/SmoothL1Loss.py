"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W, b, x, t, lr):
    # forward
    y = x @ W.T + b                                 # (6, 3)  Linear

    error = y - t                                   # (6, 3)
    clipped = np.minimum(np.maximum(error, -1), 1)  # (6, 3)
    u = error - 0.5 * clipped                       # (6, 3)
    loss = (clipped * u).mean()                     # ()

    # backward
    du = 0.055555556 * clipped                      # (6, 3)
    dclipped = 0.055555556 * u - 0.5 * du           # (6, 3)

    dy = du + np.where((error >= -1) & (error <= 1), dclipped, 0)  # (6, 3)
    dW = dy.T @ x                                   # (3, 4)
    db = dy.sum(axis=0)                             # (3,)

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
