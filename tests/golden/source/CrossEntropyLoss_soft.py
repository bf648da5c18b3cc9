"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W, b, x, t, lr):
    # forward
    z = x @ W.T + b                             # (6, 3)  Linear

    shifted = z - z.max(axis=1, keepdims=True)  # (6, 3)
    e = np.exp(shifted)                         # (6, 3)
    total = e.sum(axis=1, keepdims=True)        # (6, 1)
    log_p = shifted - np.log(total)             # (6, 3)
    loss = -(log_p * t).sum(axis=1).mean()      # ()

    # backward
    dlog_p = -0.16666667 * t                    # (6, 3)
    p = e / total                               # (6, 3)  softmax

    dz = dlog_p - p * dlog_p.sum(axis=1, keepdims=True)  # (6, 3)
    dW = dz.T @ x                               # (3, 4)
    db = dz.sum(axis=0)                         # (3,)

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
