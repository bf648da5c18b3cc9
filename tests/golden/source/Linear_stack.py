"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W, b, x, t, lr):
    # forward
    y = x @ W.T + b               # (3, 4, 3)  Linear

    error = y - t                 # (3, 4, 3)
    loss = (error ** 2).mean()    # ()

    # backward
    dy = 0.055555556 * error      # (3, 4, 3)
    dW = (dy.mT @ x).sum(axis=0)  # (3, 2)
    db = dy.sum(axis=(0, 1))      # (3,)

    # update
    W = W - lr * dW
    b = b - lr * db
    return loss, W, b


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W = 0.1 * rng.standard_normal((3, 2), dtype=np.float32)
    b = np.zeros(3, np.float32)
    x = rng.random((3, 4, 2), dtype=np.float32)
    t = rng.random((3, 4, 3), dtype=np.float32)
    lr = 0.1
    for _ in range(10):
        loss, W, b = step(W, b, x, t, lr)
        print(loss)
