"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def erf(x):
    """The error function, by Cody's rational approximations (1969)."""
    wide = np.asarray(x, np.float64)
    size = np.minimum(np.abs(wide), 6)  # from 6 on it is 1 to every digit
    square = np.minimum(size * size, 0.25)
    p = [
        1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
        3.77485237685302021e2, 3.20937758913846947e3,
    ]
    q = [
        1, 2.36012909523441209e1, 2.44024637934444173e2,
        1.28261652607737228e3, 2.84423683343917062e3,
    ]
    small = wide * np.polyval(p, square) / np.polyval(q, square)
    p = [
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
        6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
        1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
    ]
    q = [
        1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
        1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
        3.43936767414372164e3, 1.23033935480374942e3,
    ]
    large = 1 - np.exp(-size * size) * np.polyval(p, size) / np.polyval(q, size)
    return np.where(size <= 0.5, small, np.copysign(large, wide)).astype(x.dtype)


def step(W1, b1, W2, b2, x, t, lr):
    # forward
    z1 = x @ W1.T + b1                        # (6, 5)  Linear
    u = 0.5 * z1                              # (6, 5)
    u2 = 0.70710677 * z1                      # (6, 5)
    u3 = erf(u2) + 1                          # (6, 5)
    h1 = u * u3                               # (6, 5)  GELU

    y = h1 @ W2.T + b2                        # (6, 3)  Linear

    error = y - t                             # (6, 3)
    loss = (error ** 2).mean()                # ()

    # backward
    dy = 0.11111111 * error                   # (6, 3)
    dW2 = dy.T @ h1                           # (3, 5)
    db2 = dy.sum(axis=0)                      # (3,)

    dh1 = dy @ W2                             # (6, 5)
    du = dh1 * u3                             # (6, 5)
    du3 = dh1 * u                             # (6, 5)
    du2 = 1.1283792 * du3 * np.exp(-u2 ** 2)  # (6, 5)
    dz1 = 0.70710677 * du2 + 0.5 * du         # (6, 5)
    dW1 = dz1.T @ x                           # (5, 4)
    db1 = dz1.sum(axis=0)                     # (5,)

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
