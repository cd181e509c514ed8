/* Mixup (Zhang et al. 2018, arXiv 1710.09412) and CutMix (Yun et al. 2019, arXiv 1905.04899).
 *
 * Two rows of a grain become two mixtures of both, each in its own way: a row keeps the part lambda
 * of itself, its target likewise.  Pairs are formed within a role, first with last, as timm does
 * within a batch. */
#ifndef NST_NN_MIXUP_H
#define NST_NN_MIXUP_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/role.h"

struct nst_mixup {
	double mixup, cutmix; /* alpha of Beta(alpha, alpha); 0 = off */
	double prob;          /* chance of a row to be mixed at all, 1 */
	double switch_prob;   /* chance of cutmix where both are on, 0.5 */
	int role[2];          /* whether rows of this role are mixed */
};

/* How a row is mixed with its partner.  With `cut` the pixels [y0,y1) x [x0,x1) are the partner's
 * and lambda is the area of the others; else every pixel is lambda * own + (1-lambda) * partner's. */
struct nst_blend {
	float lambda;
	int cut;
	size_t y0, y1, x0, x1;
};

/* Draw for a row, images of size x size pixels; keyed by (seed, epoch, key). */
void nst_blend_draw(const struct nst_mixup *m, uint64_t seed, uint32_t epoch, uint64_t key,
		    size_t size, struct nst_blend *out);

/* Mix two images (size,size,3), one the partner of the other, in place. */
void nst_blend_images(size_t size, const struct nst_blend *of_a, const struct nst_blend *of_b,
		      float *a, float *b);

/* own = lambda * own + (1-lambda) * partner, for targets of k classes. */
void nst_blend_targets(size_t k, const struct nst_blend *b, float *own, const float *partner);

/* Pair the rows of each role that is mixed: partner[i] is i where a row stays alone. */
void nst_mixup_pair(const struct nst_mixup *m, const enum nst_role *role, size_t n,
		    size_t *partner);

#endif
