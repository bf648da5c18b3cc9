"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W1, b1, W2, b2, x, t, lr):
    # forward
    z1 = x @ W1.T + b1                            # (100, 50)  Linear
    h1 = np.maximum(z1, 0)                        # (100, 50)  ReLU

    z2 = h1 @ W2.T + b2                           # (100, 10)  Linear

    shifted = z2 - z2.max(axis=1, keepdims=True)  # (100, 10)
    e = np.exp(shifted)                           # (100, 10)
    total = e.sum(axis=1, keepdims=True)          # (100, 1)
    log_p = shifted - np.log(total)               # (100, 10)
    rows = np.arange(100)                         # (100,)
    loss = -log_p[rows, t].mean()                 # ()

    # backward
    p = e / total                                 # (100, 10)  softmax

    dz2 = 0.01 * p
    dz2[rows, t] -= 0.01                          # (100, 10)
    dW2 = dz2.T @ h1                              # (10, 50)
    db2 = dz2.sum(axis=0)                         # (10,)

    dh1 = dz2 @ W2                                # (100, 50)
    dz1 = dh1 * (h1 > 0)                          # (100, 50)
    dW1 = dz1.T @ x                               # (50, 784)
    db1 = dz1.sum(axis=0)                         # (50,)

    # update
    W1 = W1 - lr * dW1
    b1 = b1 - lr * db1
    W2 = W2 - lr * dW2
    b2 = b2 - lr * db2
    return loss, W1, b1, W2, b2


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W1 = 0.1 * rng.standard_normal((50, 784), dtype=np.float32)
    b1 = np.zeros(50, np.float32)
    W2 = 0.1 * rng.standard_normal((10, 50), dtype=np.float32)
    b2 = np.zeros(10, np.float32)
    x = rng.random((100, 784), dtype=np.float32)
    t = rng.integers(0, 10, 100)
    lr = 0.1
    for _ in range(10):
        loss, W1, b1, W2, b2 = step(W1, b1, W2, b2, x, t, lr)
        print(loss)
