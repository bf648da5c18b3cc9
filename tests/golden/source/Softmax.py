"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W1, b1, W2, b2, x, t, lr):
    # forward
    z1 = x @ W1.T + b1                              # (6, 5)  Linear
    e = np.exp(z1 - z1.max(axis=1, keepdims=True))  # (6, 5)
    total = e.sum(axis=1, keepdims=True)            # (6, 1)
    p1 = e / total                                  # (6, 5)  Softmax

    y = p1 @ W2.T + b2                              # (6, 3)  Linear

    error = y - t                                   # (6, 3)
    loss = (error ** 2).mean()                      # ()

    # backward
    dy = 0.11111111 * error                         # (6, 3)
    dW2 = dy.T @ p1                                 # (3, 5)
    db2 = dy.sum(axis=0)                            # (3,)

    dp1 = dy @ W2                                   # (6, 5)
    dtotal = -(dp1 * p1 / total).sum(axis=1, keepdims=True)  # (6, 1)
    de = dp1 / total + dtotal                       # (6, 5)
    dz1 = de * e                                    # (6, 5)
    dW1 = dz1.T @ x                                 # (5, 4)
    db1 = dz1.sum(axis=0)                           # (5,)

    # update
    W1 = W1 - lr * dW1
    b1 = b1 - lr * db1
    W2 = W2 - lr * dW2
    b2 = b2 - lr * db2
    return loss, W1, b1, W2, b2


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W1 = 0.1 * rng.standard_normal((5, 4), dtype=np.float32)
    b1 = np.zeros(5, np.float32)
    W2 = 0.1 * rng.standard_normal((3, 5), dtype=np.float32)
    b2 = np.zeros(3, np.float32)
    x = rng.random((6, 4), dtype=np.float32)
    t = rng.random((6, 3), dtype=np.float32)
    lr = 0.1
    for _ in range(10):
        loss, W1, b1, W2, b2 = step(W1, b1, W2, b2, x, t, lr)
        print(loss)
