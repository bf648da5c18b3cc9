"""One training step of `step`, written out by chainrule: NumPy alone."""

import numpy as np


def random_bits(key, counter, count):
    """Random 32-bit words by Philox4x32-10 (Salmon et al., 2011)."""
    key, counter = int(key) % 2**64, int(counter) % 2**64
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    position = np.uint64(counter) + np.arange(-(-count // 4), dtype=np.uint64)
    a, b = position & low, position >> shift
    c = d = np.zeros_like(position)
    for turn in range(10):
        key0 = np.uint64((key + turn * 0x9E3779B9) & 0xFFFFFFFF)
        key1 = np.uint64(((key >> 32) + turn * 0xBB67AE85) & 0xFFFFFFFF)
        left, right = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b = (right >> shift) ^ b ^ key0, right & low
        c, d = (left >> shift) ^ d ^ key1, left & low
    return np.stack([a, b, c, d], axis=1).astype(np.uint32).reshape(-1)[:count]


def uniform(key, counter, shape, dtype):
    """Random numbers in [0, 1): 24 random bits for float32, 53 for float64."""
    count = int(np.prod(shape))
    if dtype is np.float32:
        bits = random_bits(key, counter, count) >> np.uint32(8)
        return (bits.astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
    pairs = random_bits(key, counter, 2 * count).reshape(-1, 2).astype(np.uint64)
    bits = (pairs[:, 0] << np.uint64(21)) ^ (pairs[:, 1] >> np.uint64(11))
    return (bits.astype(np.float64) * 2.0**-53).reshape(shape)


def step(W1, b1, W2, b2, x, t, lr, key, counter):
    # forward
    counter2 = counter + 6                            # ()
    kept = uniform(key, counter, (6, 4), np.float32) < 0.9  # (6, 4)
    drop = x * (1.1111112 * kept.astype(np.float32))  # (6, 4)  Dropout

    z1 = drop @ W1.T + b1                             # (6, 5)  Linear
    h1 = np.maximum(z1, 0)                            # (6, 5)  ReLU
    counter = counter2 + 8                            # ()
    kept1 = uniform(key, counter2, (6, 5), np.float32) < 0.8  # (6, 5)
    mask1 = 1.25 * kept1.astype(np.float32)           # (6, 5)
    drop1 = h1 * mask1                                # (6, 5)  Dropout

    y = drop1 @ W2.T + b2                             # (6, 3)  Linear

    error = y - t                                     # (6, 3)
    loss = (error ** 2).mean()                        # ()

    # backward
    dy = 0.11111111 * error                           # (6, 3)
    dW2 = dy.T @ drop1                                # (3, 5)
    db2 = dy.sum(axis=0)                              # (3,)

    ddrop1 = dy @ W2                                  # (6, 5)
    dh1 = ddrop1 * mask1                              # (6, 5)
    dz1 = dh1 * (h1 > 0)                              # (6, 5)
    dW1 = dz1.T @ drop                                # (5, 4)
    db1 = dz1.sum(axis=0)                             # (5,)

    # update
    W1 = W1 - lr * dW1
    b1 = b1 - lr * db1
    W2 = W2 - lr * dW2
    b2 = b2 - lr * db2
    return loss, W1, b1, W2, b2, counter


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    W1 = 0.1 * rng.standard_normal((5, 4), dtype=np.float32)
    b1 = np.zeros(5, np.float32)
    W2 = 0.1 * rng.standard_normal((3, 5), dtype=np.float32)
    b2 = np.zeros(3, np.float32)
    x = rng.random((6, 4), dtype=np.float32)
    t = rng.random((6, 3), dtype=np.float32)
    lr = 0.1
    key = np.int64(0)
    counter = np.int64(0)
    for _ in range(10):
        loss, W1, b1, W2, b2, counter = step(W1, b1, W2, b2, x, t, lr, key, counter)
        print(loss)
