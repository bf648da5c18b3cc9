/* Softmax regression on Iris, 4-3, all 150 rows in every step: ten vectors of rows, read once a step. */

#include <math.h>

#include "floats.h"

/* The last of the inputs is 1 where there is a row and 0 in the padding, so its weight is the bias. */
enum { ROWS = 150, VECTORS = (ROWS + LANES - 1) / LANES, FEATURES = 4, INPUTS = FEATURES + 1, CLASSES = 3 };

/* rows (150, 4), targets (150, 3) one-hot; w: W (3, 4), b (3), changed in place. */
void train(const float *rows, const float *targets, float *w, float lr, int steps, float *losses)
{
    floats x[VECTORS][INPUTS] = {}, t[VECTORS][CLASSES] = {};
    float weight[CLASSES][INPUTS];
    for (int row = 0; row < ROWS; row++) {
        for (int k = 0; k < FEATURES; k++)
            x[row / LANES][k][row % LANES] = rows[FEATURES * row + k];
        x[row / LANES][FEATURES][row % LANES] = 1;
        for (int c = 0; c < CLASSES; c++)
            t[row / LANES][c][row % LANES] = targets[CLASSES * row + c];
    }
    for (int c = 0; c < CLASSES; c++) {
        for (int k = 0; k < FEATURES; k++)
            weight[c][k] = w[FEATURES * c + k];
        weight[c][FEATURES] = w[FEATURES * CLASSES + c];
    }
    for (int step = 0; step < steps; step++) {
        floats gradient[CLASSES][INPUTS] = {}, chosen = {}, product = {};
        product += 1;
        for (int i = 0; i < VECTORS; i++) {
            floats z[CLASSES];
            for (int c = 0; c < CLASSES; c++) {
                z[c] = weight[c][0] * x[i][0];
                for (int k = 1; k < INPUTS; k++)
                    z[c] += weight[c][k] * x[i][k];
            }
            floats largest = larger(larger(z[0], z[1]), z[2]), total = {};
            for (int c = 0; c < CLASSES; c++) {
                z[c] -= largest;
                chosen += t[i][c] * z[c];
                z[c] = exponential(z[c]);
                total += z[c];
            }
            /* The logarithm of a product is the sum of logarithms; ten factors of at most 3 do not overflow. */
            product *= total * x[i][FEATURES] + (1 - x[i][FEATURES]);
            floats scale = 1 / total;
            for (int c = 0; c < CLASSES; c++) {
                floats error = z[c] * scale - t[i][c];
                for (int k = 0; k < INPUTS; k++)
                    gradient[c][k] += error * x[i][k];
            }
        }
        for (int lane = 0; lane < LANES; lane++)
            product[lane] = logf(product[lane]);
        losses[step] = sum(product - chosen) / ROWS;
        for (int c = 0; c < CLASSES; c++)
            for (int k = 0; k < INPUTS; k++)
                weight[c][k] -= lr / ROWS * sum(gradient[c][k]);
    }
    for (int c = 0; c < CLASSES; c++) {
        for (int k = 0; k < FEATURES; k++)
            w[FEATURES * c + k] = weight[c][k];
        w[FEATURES * CLASSES + c] = weight[c][FEATURES];
    }
}
