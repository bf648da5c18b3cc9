"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def step(W, b, x, t, lr):
    # forward
    z = x @ W.T + b                                   # (6, 3)  Linear
    y = 1 / (1 + np.exp(-z))                          # (6, 3)  Sigmoid

    u = 1 - y                                         # (6, 3)
    mask = y * u >= 1e-12                             # (6, 3)
    u2 = np.where(mask, y, 0.5)                       # (6, 3)
    u3 = t - 1                                        # (6, 3)
    u4 = u3 * np.maximum(np.log1p(-y), -100)          # (6, 3)
    u5 = (0.5 * y ** 2 - y * t) / 1e-12               # (6, 3)
    u6 = u4 - t * np.maximum(np.log(y), -100) + (u5 - u5)  # (6, 3)
    loss = np.where(mask, u3 * np.log1p(-u2) - t * np.log(u2), u6).mean()  # ()

    # backward
    g = np.where(mask, np.float32(0.055555556), 0)    # (6, 3)
    du6 = np.where(mask, np.float32(0), 0.055555556)  # (6, 3)
    g2 = du6 / 1e-12                                  # (6, 3)
    du2 = -g * t / u2 - g * u3 / (1 - u2)             # (6, 3)

    dy = g2 * y - g2 * t + np.where(mask, du2, 0)     # (6, 3)
    dz = dy * y * u                                   # (6, 3)
    dW = dz.T @ x                                     # (3, 4)
    db = dz.sum(axis=0)                               # (3,)

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
