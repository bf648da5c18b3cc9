"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W, b, x, t, lr):
    # forward
    z = x @ W.T + b                             # (6, 3)  Linear

    shifted = z - z.max(axis=1, keepdims=True)  # (6, 3)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (6, 3)
    counted = t != -100                         # (6,)
    labels = np.where(counted, t, 0)            # (6,)
    rows = np.arange(6)                         # (6,)
    n = counted.astype(np.float32).sum()        # ()
    loss = np.where(counted, -log_p[rows, labels], 0).sum() / n  # ()

    # backward
    dlog_p = np.zeros((6, 3), np.float32)
    dlog_p[rows, labels] += -np.where(counted, 1 / n, 0)  # (6, 3)
    p = np.exp(log_p)                           # (6, 3)  softmax

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
    t = rng.integers(0, 3, 6)
    lr = 0.1
    for _ in range(10):
        loss, W, b = step(W, b, x, t, lr)
        print(loss)
