/* RandAugment (Cubuk et al., arXiv 1909.13719): N operations, drawn with replacement, of one
 * magnitude M.
 *
 * Two forms, with L = M / 10.  `tf` is what the Noisy Student paper ran, overflow and all; `mono`
 * grows stronger with M without exception and stops where nothing of the picture would be left.
 *
 *	operation                 tf                        mono
 *	autocontrast, equalize,
 *	invert                    no argument               the same
 *	rotate                    +-30 L degrees            +-min(30 L, 90)
 *	posterize, bits kept      int(4 L), see ops.h       max(8 - int(4 L), 2)
 *	solarize from             int(256 L) modulo 256     max(256 - int(256 L), 0)
 *	solarize-add              int(110 L)                min(int(110 L), 128)
 *	color, contrast,
 *	brightness, sharpness     factor .1 + 1.8 L         max(1 +- .9 L, .1)
 *	shear-x, shear-y          +-.3 L                    +-min(.3 L, .9)
 *	translate-x, translate-y  +-L translate pixels      +-min(L translate, .45 side)
 *	cutout, half side         int(L cutout)             min(int(L cutout), side / 4)
 *
 * tf uses the flavour NST_OPS_TF of ops.h, mono NST_OPS_PIL.  In tf posterize grows weaker with M
 * and is without effect from M = 20 on (the original shifts by a negative number from 22.5 on,
 * which TensorFlow leaves undefined), and solarize from 0 (M = 10) inverts everything. */
#ifndef NST_AUGMENT_RANDAUGMENT_H
#define NST_AUGMENT_RANDAUGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

/* The order is that of the draws.  Never renumber. */
enum nst_ra_op {
	NST_RA_AUTOCONTRAST,
	NST_RA_EQUALIZE,
	NST_RA_INVERT,
	NST_RA_ROTATE,
	NST_RA_POSTERIZE,
	NST_RA_SOLARIZE,
	NST_RA_COLOR,
	NST_RA_CONTRAST,
	NST_RA_BRIGHTNESS,
	NST_RA_SHARPNESS,
	NST_RA_SHEAR_X,
	NST_RA_SHEAR_Y,
	NST_RA_TRANSLATE_X,
	NST_RA_TRANSLATE_Y,
	NST_RA_CUTOUT,
	NST_RA_SOLARIZE_ADD,
	NST_RA_OPS,
};

enum nst_ra_form { NST_RA_TF, NST_RA_MONO };

struct nst_randaugment {
	unsigned n;            /* operations a picture; 0 = none */
	double m;              /* magnitude, 0 or more; 10 was meant as the maximum */
	double std;            /* deviation of the magnitude of each operation, 0 = fixed */
	double p;              /* probability that a drawn operation is applied */
	enum nst_ra_form form;
	uint32_t ops;          /* bit 1 << enum nst_ra_op: what is drawn from */
	double translate;      /* pixels at M = 10 */
	double cutout;         /* pixels at M = 10 */
};

/* Nothing at all (n = 0), with the constants of the paper for pictures of size x size: translate
 * 100 and cutout 40, or both size / 8 (4 for 32) up to 64 pixels. */
void nst_randaugment_init(struct nst_randaugment *ra, size_t size);

/* Parse "nN,mM" and, after it in any order, "form=tf|mono", "std=S", "p=P", "translate=PIXELS",
 * "cutout=PIXELS", "ops=rotate+invert+..." (or "ops=-cutout-invert": all but these).  "none" is
 * n = 0.  Without a form it is tf up to M = 10 and mono beyond.  Returns 0 or NST_EINVAL. */
int nst_randaugment_parse(const char *text, size_t size, struct nst_randaugment *ra,
			  struct nst_err *err) NST_MUST_CHECK;

/* The option word of ra with everything spelled out; parsing it gives ra again. */
int nst_randaugment_format(const struct nst_randaugment *ra, struct nst_buf *out,
			   struct nst_err *err) NST_MUST_CHECK;

/* "rotate", "shear-x", ... */
const char *nst_ra_op_name(enum nst_ra_op op);

/* Argument of an operation by the table above, before the sign: degrees, bits, threshold, ...; 0
 * where there is none.  sign (+1 or -1) is used by mono's factors only.  side: of the picture, in
 * the direction the operation works in. */
double nst_ra_strength(const struct nst_randaugment *ra, enum nst_ra_op op, double m, int sign,
		       size_t side);

/* Apply it in place to img (h,w,3).  tmp: 3 * h * w bytes.  Draws per operation, in this order:
 * which; whether (p < 1); the magnitude's normal (std > 0); the sign (where the operation has one);
 * row and column (cutout). */
void nst_randaugment_apply(const struct nst_randaugment *ra, struct nst_rng *rng, uint8_t *img,
			   size_t h, size_t w, uint8_t *tmp);

#endif
