"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W1, b1, W2, b2, x, t, lr):
    # forward
    z1 = x @ W1.T + b1          # (4, 3)  Linear
    h1 = 1 / (1 + np.exp(-z1))  # (4, 3)  Sigmoid

    z2 = h1 @ W2.T + b2         # (4, 1)  Linear
    y = 1 / (1 + np.exp(-z2))   # (4, 1)  Sigmoid

    error = y - t               # (4, 1)
    loss = (error ** 2).mean()  # ()

    # backward
    dy = 0.5 * error            # (4, 1)
    dz2 = dy * y * (1 - y)      # (4, 1)
    dW2 = dz2.T @ h1            # (1, 3)
    db2 = dz2.sum(axis=0)       # (1,)

    dh1 = dz2 @ W2              # (4, 3)
    dz1 = dh1 * h1 * (1 - h1)   # (4, 3)
    dW1 = dz1.T @ x             # (3, 2)
    db1 = dz1.sum(axis=0)       # (3,)

    # update
    W1 = W1 - lr * dW1
    b1 = b1 - lr * db1
    W2 = W2 - lr * dW2
    b2 = b2 - lr * db2
    return loss, W1, b1, W2, b2


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W1 = 0.1 * rng.standard_normal((3, 2), dtype=np.float32)
    b1 = np.zeros(3, np.float32)
    W2 = 0.1 * rng.standard_normal((1, 3), dtype=np.float32)
    b2 = np.zeros(1, np.float32)
    x = rng.random((4, 2), dtype=np.float32)
    t = rng.random((4, 1), dtype=np.float32)
    lr = 0.1
    for _ in range(10):
        loss, W1, b1, W2, b2 = step(W1, b1, W2, b2, x, t, lr)
        print(loss)
