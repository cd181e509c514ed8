/* Mixing of pairs of rows.  Beta numbers are made of two gamma ones (Marsaglia & Tsang 2000). */
#include "libcore/nn/mixup.h"

#include <math.h>

#include "libcore/util/rng.h"

/* Gamma(alpha, 1).  Below 1 by way of alpha + 1. */
static double gamma_draw(struct nst_rng *rng, double alpha)
{
	double boost = alpha < 1 ? pow(1 - nst_rng_unit(rng), 1 / alpha) : 1;
	double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3, c = 1 / sqrt(9 * d);

	for (;;) {
		double x = nst_rng_normal(rng), v = 1 + c * x;
		double u = 1 - nst_rng_unit(rng);

		v = v * v * v;
		if (v > 0 && log(u) < x * x / 2 + d - d * v + d * log(v))
			return boost * d * v;
	}
}

/* Two gammas of a tiny alpha can both come out as 0: then either end is as good. */
static double beta_draw(struct nst_rng *rng, double alpha)
{
	double a = gamma_draw(rng, alpha), b = gamma_draw(rng, alpha);

	return a + b > 0 ? a / (a + b) : nst_rng_below(rng, 2);
}

/* A box of the share 1 - lambda around a random pixel, cut off at the borders. */
static void box_draw(struct nst_rng *rng, size_t size, double lambda, struct nst_blend *b)
{
	size_t side = (size_t)((double)size * sqrt(1 - lambda)), half = side / 2;
	size_t y = nst_rng_below(rng, (uint32_t)size), x = nst_rng_below(rng, (uint32_t)size);

	b->y0 = y > half ? y - half : 0;
	b->x0 = x > half ? x - half : 0;
	b->y1 = y + side - half < size ? y + side - half : size;
	b->x1 = x + side - half < size ? x + side - half : size;
	b->cut = 1;
	b->lambda = (float)(1 - (double)((b->y1 - b->y0) * (b->x1 - b->x0)) /
					(double)(size * size));
}

void nst_blend_draw(const struct nst_mixup *m, uint64_t seed, uint32_t epoch, uint64_t key,
		    size_t size, struct nst_blend *out)
{
	struct nst_rng rng;
	double cut = m->cutmix > 0 ? m->mixup > 0 ? m->switch_prob : 1 : 0;

	nst_rng_init(&rng, seed, NST_RNG_MIXUP, epoch, key);
	*out = (struct nst_blend){ .lambda = 1 };
	if (nst_rng_unit(&rng) >= m->prob)
		return;
	if (nst_rng_unit(&rng) < cut)
		box_draw(&rng, size, beta_draw(&rng, m->cutmix), out);
	else
		out->lambda = (float)beta_draw(&rng, m->mixup);
}

static float own_part(const struct nst_blend *b, size_t y, size_t x)
{
	if (!b->cut)
		return b->lambda;
	return y >= b->y0 && y < b->y1 && x >= b->x0 && x < b->x1 ? 0 : 1;
}

void nst_blend_images(size_t size, const struct nst_blend *of_a, const struct nst_blend *of_b,
		      float *a, float *b)
{
	for (size_t y = 0; y < size; y++)
		for (size_t x = 0; x < size; x++, a += 3, b += 3) {
			float of = own_part(of_a, y, x), other = own_part(of_b, y, x);

			for (size_t c = 0; c < 3; c++) {
				float p = a[c], q = b[c];

				a[c] = of * p + (1 - of) * q;
				b[c] = other * q + (1 - other) * p;
			}
		}
}

void nst_blend_targets(size_t k, const struct nst_blend *b, float *own, const float *partner)
{
	for (size_t i = 0; i < k; i++)
		own[i] = b->lambda * own[i] + (1 - b->lambda) * partner[i];
}

void nst_mixup_pair(const struct nst_mixup *m, const enum nst_role *role, size_t n, size_t *partner)
{
	for (size_t i = 0; i < n; i++)
		partner[i] = i;
	for (int r = 0; r < 2; r++) {
		size_t last = n;

		for (size_t i = 0; m->role[r] && i < last; i++) {
			if ((int)role[i] != r)
				continue;
			while (last > i + 1 && (int)role[last - 1] != r)
				last--;
			if (last <= i + 1)
				break;
			last--;
			partner[i] = last;
			partner[last] = i;
		}
	}
}
