/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/detection/draw.h"

#include <math.h>

double draw_even(struct chance *chance)
{
	return ((double)(chance_draw(chance) >> 11) + 0.5) / 9007199254740992.0;
}

double draw_between(struct chance *chance, double least, double most)
{
	return least + (most - least) * draw_even(chance);
}

double draw_wait(struct chance *chance, double mean)
{
	return -mean * log(draw_even(chance));
}

/* Box and Muller, 1958. */
static double draw_normal(struct chance *chance)
{
	double radius = sqrt(-2 * log(draw_even(chance)));

	return radius * cos(2 * M_PI * draw_even(chance));
}

double draw_size(struct chance *chance, double median, double sigma)
{
	return median * exp(sigma * draw_normal(chance));
}

/* Marsaglia and Tsang, 2000. */
double draw_gamma(struct chance *chance, double shape)
{
	double d, c;

	if (shape < 1)
		return draw_gamma(chance, shape + 1) * pow(draw_even(chance), 1 / shape);
	d = shape - 1.0 / 3;
	c = 1 / sqrt(9 * d);
	for (;;) {
		double x = draw_normal(chance), v = 1 + c * x;

		v = v * v * v;
		if (v > 0 && log(draw_even(chance)) < x * x / 2 + d - d * v + d * log(v))
			return d * v;
	}
}

void draw_shares(struct chance *chance, const double *means, unsigned count, double concentration,
	double *ret_shares)
{
	double sum = 0;

	for (unsigned i = 0; i < count; i++) {
		double mean = means[i] > 0 ? means[i] * concentration : 0;

		ret_shares[i] = mean > 0 ? draw_gamma(chance, mean) : 0;
		sum += ret_shares[i];
	}
	for (unsigned i = 0; i < count; i++)
		ret_shares[i] /= sum;
}

unsigned draw_index(struct chance *chance, const double *shares, unsigned count)
{
	double at = draw_even(chance);

	for (unsigned i = 0; i + 1 < count; i++) {
		at -= shares[i];
		if (at <= 0)
			return i;
	}
	return count - 1;
}

unsigned draw_ranked(struct chance *chance, unsigned count)
{
	unsigned rank = (unsigned)(exp(draw_even(chance) * log(count + 1.0)) - 1);

	return rank < count ? rank : count - 1;
}
