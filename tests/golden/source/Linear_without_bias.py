"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W1, W2, x, t, lr):
    # forward
    z1 = x @ W1.T               # (6, 5)  Linear
    h1 = np.tanh(z1)            # (6, 5)  Tanh

    y = h1 @ W2.T               # (6, 3)  Linear

    error = y - t               # (6, 3)
    loss = (error ** 2).mean()  # ()

    # backward
    dy = 0.11111111 * error     # (6, 3)
    dW2 = dy.T @ h1             # (3, 5)

    dh1 = dy @ W2               # (6, 5)
    dz1 = dh1 * (1 - h1 ** 2)   # (6, 5)
    dW1 = dz1.T @ x             # (5, 4)

    # update
    W1 = W1 - lr * dW1
    W2 = W2 - lr * dW2
    return loss, W1, W2


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W1 = 0.1 * rng.standard_normal((5, 4), dtype=np.float32)
    W2 = 0.1 * rng.standard_normal((3, 5), dtype=np.float32)
    x = rng.random((6, 4), dtype=np.float32)
    t = rng.random((6, 3), dtype=np.float32)
    lr = 0.1
    for _ in range(10):
        loss, W1, W2 = step(W1, W2, x, t, lr)
        print(loss)
