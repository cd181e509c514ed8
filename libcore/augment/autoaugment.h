/* AutoAugment (Cubuk et al., arXiv 1805.09501): one of 25 pairs of operations, drawn for each
 * picture; each has its own probability and magnitude.
 *
 * Two tables of ImageNet are in use.  `original` is that of the paper's appendix, which torchvision
 * has, too; `v0` that of the EfficientNets (tensorflow/tpu, models/official/efficientnet).  Names
 * and what the operations do are timm's (timm/data/auto_augment.py), as NST_RA_TIMM of
 * randaugment.h but for the bits that posterize keeps: int(4 L) in v0, 4 + int(4 L) in original,
 * and 4 - int(4 L), stronger with the magnitude, in v0r and originalr. */
#ifndef NST_AUGMENT_AUTOAUGMENT_H
#define NST_AUGMENT_AUTOAUGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/augment/randaugment.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

enum nst_aa_policy { NST_AA_NONE, NST_AA_V0, NST_AA_V0R, NST_AA_ORIGINAL, NST_AA_ORIGINALR };

enum { NST_AA_PAIRS = 25 };

struct nst_autoaugment {
	enum nst_aa_policy policy;
	double std;      /* deviation of the magnitudes, kept within 0 and 10; 0 = fixed */
	uint8_t fill[3]; /* colour of what geometry shows outside of the picture */
};

/* An operation of a pair: applied with probability p and magnitude m, 0 to 10. */
struct nst_aa_step {
	enum nst_ra_op op;
	double p, m;
};

/* Parse "none", or the name of a policy and perhaps "-mstdS", as timm has it: "v0-mstd0.5".  fill
 * becomes NST_OPS_FILL; nst_fill_mean is what else is usual.  Returns 0 or NST_EINVAL. */
int nst_autoaugment_parse(const char *text, struct nst_autoaugment *aa, struct nst_err *err)
	NST_MUST_CHECK;

/* The word of aa; parsing it gives aa again but for fill. */
int nst_autoaugment_format(const struct nst_autoaugment *aa, struct nst_buf *out,
			   struct nst_err *err) NST_MUST_CHECK;

/* The two steps of a pair, 0 to NST_AA_PAIRS - 1; the policy is not NST_AA_NONE. */
const struct nst_aa_step *nst_aa_pair(enum nst_aa_policy policy, size_t pair);

/* Bits that posterize keeps at magnitude m. */
int nst_aa_posterize_bits(enum nst_aa_policy policy, double m);

/* Apply it in place to img (h,w,3).  tmp: 3 * h * w bytes.  Draws the pair; then for each of its
 * steps, in this order: whether (p < 1); the magnitude (std > 0); what nst_ra_apply draws. */
void nst_autoaugment_apply(const struct nst_autoaugment *aa, struct nst_rng *rng, uint8_t *img,
			   size_t h, size_t w, uint8_t *tmp);

#endif
