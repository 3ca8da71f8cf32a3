/* SPDX-License-Identifier: BSD-2-Clause */
/* Floating point in double precision: a matrix product and planets. */
#include "bench.h"
#include <math.h>
#include <string.h>

enum { SIDE = 48, PLANETS = 5, STEPS = 100 };

static uint64_t bits(double x)
{
    uint64_t v;
    memcpy(&v, &x, sizeof v);
    return v;
}

static uint64_t product(uint64_t n)
{
    static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];
    for (unsigned i = 0; i < SIDE; i++)
        for (unsigned j = 0; j < SIDE; j++) {
            a[i][j] = 1.0 / (1 + i + j);
            b[i][j] = i == j ? 1.5 : 0.25 / (1 + i);
        }
    while (n--) {
        for (unsigned i = 0; i < SIDE; i++)
            for (unsigned j = 0; j < SIDE; j++) {
                double sum = 0;
                for (unsigned k = 0; k < SIDE; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        a[0][0] = c[SIDE - 1][SIDE - 1];
    }
    return bits(c[3][5]);
}

struct body {
    double x[3], v[3], mass;
};

static uint64_t nbody(uint64_t n)
{
    struct body body[PLANETS];
    for (unsigned i = 0; i < PLANETS; i++)
        body[i] = (struct body){
            {1.7 * i, 0.9 - i * 0.3, 0.1 * i}, {0.01 * i, 0.4, -0.02 * i}, i ? 0.001 * i : 40};
    for (uint64_t step = 0; step < n * STEPS; step++) {
        for (unsigned i = 0; i < PLANETS; i++)
            for (unsigned j = i + 1; j < PLANETS; j++) {
                double d[3], square = 0.01;
                for (unsigned k = 0; k < 3; k++) {
                    d[k] = body[i].x[k] - body[j].x[k];
                    square += d[k] * d[k];
                }
                double pull = 0.001 / (square * sqrt(square));
                for (unsigned k = 0; k < 3; k++) {
                    body[i].v[k] -= d[k] * body[j].mass * pull;
                    body[j].v[k] += d[k] * body[i].mass * pull;
                }
            }
        for (unsigned i = 0; i < PLANETS; i++)
            for (unsigned k = 0; k < 3; k++)
                body[i].x[k] += 0.001 * body[i].v[k];
    }
    return bits(body[1].x[0]);
}

const struct bench bench_float[] = {{"matmul", product, NULL}, {"nbody", nbody, NULL}, {0}};
