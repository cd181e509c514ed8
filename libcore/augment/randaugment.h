/* RandAugment (Cubuk et al., arXiv 1909.13719): N operations, drawn with replacement, of one
 * magnitude M.
 *
 * Forms, with L = M / 10.  `tf` is what the Noisy Student paper ran, overflow and all; `mono` grows
 * stronger with M without exception and stops where nothing of the picture would be left.
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
 * which TensorFlow leaves undefined), and solarize from 0 (M = 10) inverts everything.
 *
 * Three more forms are of other people's, with Pillow's flavour:
 *
 *	operation                 timm                      timm, inc1           fixmatch
 *	autocontrast, equalize    no argument               the same             the same
 *	invert                    no argument               the same             -
 *	identity                  -                         -                    no argument
 *	rotate                    +-30 L degrees            the same             the same
 *	posterize, bits kept      int(4 L)                  4 - int(4 L)         4 + int(5 L), to 8
 *	solarize from             min(int(256 L), 256)      256 - the same       int(256 L)
 *	solarize-add              min(int(110 L), 128)      the same             -
 *	color, contrast,
 *	brightness, sharpness     .1 + 1.8 L                max(1 +- .9 L, .1)   .05 + .9 L
 *	shear-x, shear-y          +-.3 L                    the same             the same
 *	translate-x, translate-y  +-.45 L side pixels       the same             +-.3 L side
 *
 * timm (huggingface/pytorch-image-models, timm/data/auto_augment.py): M is kept within 0 and max,
 * geometry is by a bilinear or bicubic filter, drawn anew each time, and shows `fill` outside.
 * fixmatch (Sohn et al., arXiv 2001.07685, table 12): M is drawn anew, uniformly from 0 to 10, and
 * a cutout follows the last operation. */
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
	NST_RA_IDENTITY,
	NST_RA_OPS,
};

enum nst_ra_form { NST_RA_TF, NST_RA_MONO, NST_RA_TIMM, NST_RA_TIMM_INC, NST_RA_FIXMATCH };

/* More than this as deviation means: uniform from 0 to M (timm). */
#define NST_RA_STD_UNIFORM 100

struct nst_randaugment {
	unsigned n;            /* operations a picture; 0 = none */
	double m;              /* magnitude, 0 or more; 10 was meant as the maximum */
	double std;            /* deviation of the magnitude of each operation, 0 = fixed */
	double p;              /* probability that a drawn operation is applied */
	enum nst_ra_form form;
	uint32_t ops;          /* bit 1 << enum nst_ra_op: what is drawn from */
	double translate;      /* tf, mono: pixels at M = 10 */
	double cutout;         /* tf, mono: pixels at M = 10; fixmatch: half side of the square */
	double max;            /* timm: greatest magnitude */
	int weighted;          /* timm: operations by weight and without replacement */
	uint8_t fill[3];       /* timm: colour of what geometry shows outside of the picture */
};

/* Nothing at all (n = 0), with the constants of the paper for pictures of size x size: translate
 * 100 and cutout 40, or both size / 8 (4 for 32) up to 64 pixels; fill is NST_OPS_FILL. */
void nst_randaugment_init(struct nst_randaugment *ra, size_t size);

/* The mean colour of the data set (of values scaled to [0,1]) as fill, rounded, as timm has it
 * where it trains: it is nearly 0 once images are normalised. */
void nst_fill_mean(const float mean[3], uint8_t fill[3]);

/* Parse one of
 *
 * - "nN,mM" and, after it in any order, "form=tf|mono", "std=S", "p=P", "translate=PIXELS",
 *   "cutout=PIXELS", "ops=rotate+invert+..." (or "ops=-cutout-invert": all but these).  Without a
 *   form it is tf up to M = 10 and mono beyond.
 * - "rand" and, joined by "-" in any order, "mM" (10), "nN" (2), "pP" (.5), "mstdS" (0), "mmaxM"
 *   (10), "inc1", "tweights": timm's string, with timm's defaults in brackets.
 * - "fixmatch" and, joined by "," in any order, "n=N" (2), "p=P" (1), "cutout=PIXELS" (a quarter of
 *   the side), "ops=...".
 * - "none": n = 0.
 *
 * Returns 0 or NST_EINVAL. */
int nst_randaugment_parse(const char *text, size_t size, struct nst_randaugment *ra,
			  struct nst_err *err) NST_MUST_CHECK;

/* The option word of ra with everything spelled out; parsing it gives ra again. */
int nst_randaugment_format(const struct nst_randaugment *ra, struct nst_buf *out,
			   struct nst_err *err) NST_MUST_CHECK;

/* Whether timm's limit on magnitudes lies below the magnitude itself. */
int nst_randaugment_is_capped(const struct nst_randaugment *ra);

/* Cut a string of timm's, "rand-m9-n3", at its first dash before a letter (others belong to
 * numbers) and return what follows, or NULL. */
char *nst_timm_cut(char *s);

/* "rotate", "shear-x", ... */
const char *nst_ra_op_name(enum nst_ra_op op);

/* Argument of an operation by the tables above, before the sign: degrees, bits, threshold, ...; 0
 * where there is none.  sign (+1 or -1) is used by the factors of mono and inc1 only.  side: of the
 * picture, in the direction the operation works in. */
double nst_ra_strength(const struct nst_randaugment *ra, enum nst_ra_op op, double m, int sign,
		       size_t side);

/* Apply one operation of magnitude m in place.  Draws the sign (where the operation has one), then
 * the filter (geometry of timm), then row and column (cutout).  tmp: 3 * h * w bytes. */
void nst_ra_apply(const struct nst_randaugment *ra, enum nst_ra_op op, double m,
		  struct nst_rng *rng, uint8_t *img, size_t h, size_t w, uint8_t *tmp);

/* Apply it in place to img (h,w,3).  tmp: 3 * h * w bytes.  Draws per operation, in this order:
 * which; whether (p < 1); the magnitude (std > 0, or fixmatch); what nst_ra_apply draws.  fixmatch
 * draws row and column of its cutout at the end. */
void nst_randaugment_apply(const struct nst_randaugment *ra, struct nst_rng *rng, uint8_t *img,
			   size_t h, size_t w, uint8_t *tmp);

#endif
