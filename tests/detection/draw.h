/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_DETECTION_DRAW_H
#define EGRESS_TESTS_DETECTION_DRAW_H

#include "tests/differential/chance.h"

/* Real numbers by chance. */

/* Evenly from 0, not included, to 1. */
double draw_even(struct chance *chance);
double draw_between(struct chance *chance, double least, double most);

/* Exponential with that mean. */
double draw_wait(struct chance *chance, double mean);

/* Log-normal: the median, and the standard deviation of the logarithm. */
double draw_size(struct chance *chance, double median, double sigma);

/* Gamma with that shape, of scale 1. */
double draw_gamma(struct chance *chance, double shape);

/* Shares around `means`, of sum 1: Dirichlet with that concentration. */
void draw_shares(struct chance *chance, const double *means, unsigned count, double concentration,
	double *ret_shares);

/* One of `count` by their shares. */
unsigned draw_index(struct chance *chance, const double *shares, unsigned count);

/* One of `count`, the first ones more often (Zipf, exponent 1). */
unsigned draw_ranked(struct chance *chance, unsigned count);

#endif
