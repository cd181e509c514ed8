/* Normalising without divisions, which take vectors several times as long as all else here.
 *
 * x / 255 is x * 257 / 2^16, which a float holds exactly, and x / (255 * 2^16): what the second product
 * and its factor are rounded by is 2^-40 of the result, while the digits of x / 255 repeat those of x
 * and so come no closer than 2^-33 of it to the middle between two floats.
 *
 * A quotient begins as a product with the inverse, which is wrong by less than two places.  What is
 * left of the dividend then, exact in a fused multiply-add, leads to one that is wrong by less than one
 * place; and once more to the rounded quotient itself (Markstein, "Computation of elementary functions
 * on the IBM RISC System/6000 processor", 1990, theorem 8.2). */
#include "libcore/pixel/normalise.h"

#include <math.h>

#include "libcore/util/clones.h"

enum { STEP = NST_NORMALISER_STEP };

void nst_normaliser_init(struct nst_normaliser *n, const float mean[3], const float std[3])
{
	for (size_t i = 0; i < STEP; i++) {
		n->mean[i] = mean[i % 3];
		n->std[i] = std[i % 3];
		n->inverse[i] = 1 / std[i % 3];
	}
}

static inline float normalised(const struct nst_normaliser *n, uint8_t v, size_t i)
{
	const float unit = v * (257 / 65536.0f) + v * (1 / (255 * 65536.0f)), x = unit - n->mean[i];
	float q = x * n->inverse[i];

	q = fmaf(fmaf(-n->std[i], q, x), n->inverse[i], q);
	return fmaf(fmaf(-n->std[i], q, x), n->inverse[i], q);
}

NST_CLONES
static void normalise(const struct nst_normaliser *n, const uint8_t *in, size_t left,
		      float *restrict out)
{
	for (; left >= STEP; left -= STEP, in += STEP, out += STEP)
		for (size_t i = 0; i < STEP; i++)
			out[i] = normalised(n, in[i], i);
	for (size_t i = 0; i < left; i++)
		out[i] = normalised(n, in[i], i);
}

void nst_normalise(const struct nst_normaliser *n, const uint8_t *in, size_t pixels, float *out)
{
	normalise(n, in, 3 * pixels, out);
}
