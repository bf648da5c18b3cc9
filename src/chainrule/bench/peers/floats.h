/* Sixteen floats at a time, by the vector extension of GCC and Clang; a machine with narrower registers takes several. */

typedef float floats __attribute__((vector_size(64)));
typedef int ints __attribute__((vector_size(64)));

enum { LANES = 16 };

/* e^x = 2^n e^r with n whole and |r| <= ln(2) / 2; e^r by its Taylor polynomial, 2^n added to the exponent's bits. */
static inline floats exponential(floats x)
{
    floats n;
    for (int lane = 0; lane < LANES; lane++)
        n[lane] = __builtin_rintf(x[lane] * 1.44269504f);
    floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
    floats p = r * (1.0f / 720) + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    return (floats)((ints)p + (__builtin_convertvector(n, ints) << 23));
}

static inline floats larger(floats a, floats b)
{
    for (int lane = 0; lane < LANES; lane++)
        a[lane] = a[lane] > b[lane] ? a[lane] : b[lane];
    return a;
}

static inline float sum(floats v)
{
    float s = 0;
    for (int lane = 0; lane < LANES; lane++)
        s += v[lane];
    return s;
}
