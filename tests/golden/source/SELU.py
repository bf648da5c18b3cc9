"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W1, b1, W2, b2, x, t, lr):
    # forward
    z1 = x @ W1.T + b1                       # (6, 5)  Linear
    positive = z1 > 0                        # (6, 5)
    u = np.expm1(np.where(positive, 0, z1))  # (6, 5)
    h1 = 1.050701 * np.where(positive, z1, 1.6732632 * u)  # (6, 5)  SELU

    y = h1 @ W2.T + b2                       # (6, 3)  Linear

    error = y - t                            # (6, 3)
    loss = (error ** 2).mean()               # ()

    # backward
    dy = 0.11111111 * error                  # (6, 3)
    dW2 = dy.T @ h1                          # (3, 5)
    db2 = dy.sum(axis=0)                     # (3,)

    dh1 = dy @ W2                            # (6, 5)
    g = 1.050701 * dh1                       # (6, 5)
    dz1 = np.where(positive, g, 1.6732632 * g * (u + 1))  # (6, 5)
    dW1 = dz1.T @ x                          # (5, 4)
    db1 = dz1.sum(axis=0)                    # (5,)

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
