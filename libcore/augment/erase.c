/* Random erasing. */
#include "libcore/augment/erase.h"

#include <math.h>

#define TRIES      10
#define MIN_AREA   0.02
#define MAX_AREA   (1.0 / 3)
#define MIN_ASPECT 0.3

int nst_erasing_patch(struct nst_rng *rng, size_t h, size_t w, unsigned count,
		      struct nst_patch *patch)
{
	const double limit = log(MIN_ASPECT);

	for (int i = 0; i < TRIES; i++) {
		double fraction = nst_rng_uniform(rng, MIN_AREA, MAX_AREA);
		double area = fraction * (double)h * (double)w / count;
		double aspect = exp(nst_rng_uniform(rng, limit, -limit));
		double ph = rint(sqrt(area * aspect)), pw = rint(sqrt(area / aspect));

		if (!(ph < (double)h && pw < (double)w))
			continue;
		patch->h = (size_t)ph;
		patch->w = (size_t)pw;
		patch->top = nst_rng_below(rng, (uint32_t)(h - patch->h + 1));
		patch->left = nst_rng_below(rng, (uint32_t)(w - patch->w + 1));
		return 1;
	}
	return 0;
}

static void fill(enum nst_erasing_mode mode, struct nst_rng *rng, const struct nst_patch *p,
		 float *img, size_t w)
{
	float colour[3] = {0, 0, 0};

	for (size_t c = 0; mode == NST_ERASING_RAND && c < 3; c++)
		colour[c] = (float)nst_rng_normal(rng);
	for (size_t y = p->top; y < p->top + p->h; y++)
		for (size_t i = 3 * (y * w + p->left), c = 0; c < 3 * p->w; i++, c++)
			img[i] = mode == NST_ERASING_PIXEL ? (float)nst_rng_normal(rng)
							   : colour[c % 3];
}

void nst_erase(const struct nst_erasing *e, struct nst_rng *rng, float *img, size_t h, size_t w)
{
	unsigned count = e->count;
	struct nst_patch patch;

	if (!(e->p > 0) || nst_rng_unit(rng) >= e->p)
		return;
	if (count > 1)
		count = 1 + nst_rng_below(rng, count);
	for (unsigned i = 0; i < count; i++)
		if (nst_erasing_patch(rng, h, w, count, &patch))
			fill(e->mode, rng, &patch, img, w);
}
