"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(E1, W1, b1, x, t, lr):
    # forward
    e1 = E1[x]                  # (6, 2, 4)  Embedding
    flat1 = e1.reshape(6, 8)    # (6, 8)  Flatten

    y = flat1 @ W1.T + b1       # (6, 3)  Linear

    error = y - t               # (6, 3)
    loss = (error ** 2).mean()  # ()

    # backward
    dy = 0.11111111 * error     # (6, 3)
    dW1 = dy.T @ flat1          # (3, 8)
    db1 = dy.sum(axis=0)        # (3,)

    dflat1 = dy @ W1            # (6, 8)
    de1 = np.where((x == 0)[:, :, None], 0, dflat1.reshape(6, 2, 4))  # (6, 2, 4)
    dE1 = np.zeros((7, 4), np.float32)
    np.add.at(dE1, x, de1)      # (7, 4)

    # update
    E1 = E1 - lr * dE1
    W1 = W1 - lr * dW1
    b1 = b1 - lr * db1
    return loss, E1, W1, b1


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    E1 = 0.1 * rng.standard_normal((7, 4), dtype=np.float32)
    W1 = 0.1 * rng.standard_normal((3, 8), dtype=np.float32)
    b1 = np.zeros(3, np.float32)
    x = rng.integers(0, 7, (6, 2))
    t = rng.random((6, 3), dtype=np.float32)
    lr = 0.1
    for _ in range(10):
        loss, E1, W1, b1 = step(E1, W1, b1, x, t, lr)
        print(loss)
