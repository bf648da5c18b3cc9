"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W, b, x, y):
    # forward
    z = x @ W + b                               # (150, 3)
    shifted = z - z.max(axis=1, keepdims=True)  # (150, 3)
    e = np.exp(shifted)                         # (150, 3)
    total = e.sum(axis=1, keepdims=True)        # (150, 1)
    log_p = shifted - np.log(total)             # (150, 3)
    loss = -(y * log_p).sum(axis=1).mean()      # ()

    # backward
    dlog_p = -0.006666666666666667 * y          # (150, 3)
    p = e / total                               # (150, 3)  softmax
    dz = dlog_p - p * dlog_p.sum(axis=1, keepdims=True)  # (150, 3)
    dW = x.T @ dz                               # (4, 3)
    db = dz.sum(axis=0)                         # (3,)

    # update
    W = W - 0.0001 * dW
    b = b - 0.0001 * db
    return loss, W, b


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W = 0.1 * rng.standard_normal((4, 3), dtype=np.float64)
    b = 0.1 * rng.standard_normal(3, dtype=np.float64)
    x = rng.random((150, 4), dtype=np.float64)
    y = rng.random((150, 3), dtype=np.float64)
    for _ in range(10):
        loss, W, b = step(W, b, x, y)
        print(loss)
