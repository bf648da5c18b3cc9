/* XOR 2-3-1, sigmoids, mean squared error, all four rows in every step: the whole state in registers.

   A vector holds 4 hidden units times 4 rows (the fourth unit is padding, kept at 0). What belongs to a unit stands in all
   four of its places, what belongs to a row in all four units, so nothing is ever broadcast. */

#include "floats.h"

enum { ROWS = 4, HIDDEN = 3 };

static inline floats sigmoid(floats z) { return 1 / (1 + exponential(-z)); }

static inline floats sum_over_rows(floats v)
{
    v += __builtin_shuffle(v, (ints){1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14});
    return v + __builtin_shuffle(v, (ints){2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
}

static inline floats sum_over_units(floats v)
{
    v += __builtin_shuffle(v, (ints){4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
    return v + __builtin_shuffle(v, (ints){8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
}

/* x (4, 2), t (4, 1); w: W1 (3, 2), b1 (3), W2 (1, 3), b2 (1), changed in place. */
void train(const float *x, const float *t, float *w, float lr, int steps, float *losses)
{
    floats x0, x1, target, unit, u0 = {}, u1 = {}, b1 = {}, w2 = {}, b2;
    for (int lane = 0; lane < LANES; lane++) {
        int j = lane / ROWS, row = lane % ROWS;
        x0[lane] = x[2 * row];
        x1[lane] = x[2 * row + 1];
        target[lane] = t[row];
        unit[lane] = j < HIDDEN;
        b2[lane] = w[12];
        if (j < HIDDEN) {
            u0[lane] = w[2 * j];
            u1[lane] = w[2 * j + 1];
            b1[lane] = w[6 + j];
            w2[lane] = w[9 + j];
        }
    }
    for (int step = 0; step < steps; step++) {
        floats h = unit * sigmoid(u0 * x0 + u1 * x1 + b1);
        floats y = sigmoid(sum_over_units(w2 * h) + b2);
        floats error = y - target;
        losses[step] = sum_over_rows(error * error)[0] / ROWS;
        floats dy = lr * (2.0f / ROWS) * error * y * (1 - y);
        floats dh = dy * w2 * h * (1 - h);
        w2 -= sum_over_rows(dy * h);
        b2 -= sum_over_rows(dy);
        u0 -= sum_over_rows(dh * x0);
        u1 -= sum_over_rows(dh * x1);
        b1 -= sum_over_rows(dh);
    }
    for (int j = 0; j < HIDDEN; j++) {
        w[2 * j] = u0[ROWS * j];
        w[2 * j + 1] = u1[ROWS * j];
        w[6 + j] = b1[ROWS * j];
        w[9 + j] = w2[ROWS * j];
    }
    w[12] = b2[0];
}
