/* Common corruptions (Hendrycks and Dietterich, arXiv 1903.12261) at severities 1 to 5.
 *
 * Formulas and constants are those of CIFAR-10-C and ImageNet-C: computed in double on [0,1], then
 * clipped, multiplied by 255 and cut off to 8 bits.  Random numbers are our own, so noise agrees
 * with the published sets in distribution only. */
#ifndef NST_AUGMENT_CORRUPT_H
#define NST_AUGMENT_CORRUPT_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

enum nst_corruption {
	NST_CORRUPT_GAUSSIAN_NOISE,   /* x + c N(0,1) */
	NST_CORRUPT_GAUSSIAN_BLUR,    /* sigma c, cut off at 4 sigma, border pixels repeated */
	NST_CORRUPT_CONTRAST,         /* mean + c (x - mean), mean of each channel */
	NST_CORRUPT_BRIGHTNESS,       /* value of HSV + c */
	NST_CORRUPT_JPEG_COMPRESSION, /* quality c, 4:2:0 */
	NST_CORRUPTIONS,
};

enum nst_corrupt_set { NST_CORRUPT_CIFAR, NST_CORRUPT_IMAGENET };

#define NST_SEVERITIES 5

/* "gaussian_noise", ...; the parser returns 0, or -1 for an unknown name. */
const char *nst_corruption_name(enum nst_corruption c);
int nst_corruption_parse(const char *s, enum nst_corruption *out);

/* The set whose constants suit pictures of that size: CIFAR up to 64 pixels a side. */
enum nst_corrupt_set nst_corrupt_set_for(size_t h, size_t w);

/* The constant of a severity 1...5. */
double nst_corrupt_constant(enum nst_corruption c, enum nst_corrupt_set set, int severity);

/* Compress and decompress rgb (h,w,3) in place: nst_jpeg_recompress with its codec as ctx. */
typedef int (*nst_recompress_fn)(void *ctx, uint8_t *rgb, size_t h, size_t w, int quality,
				 struct nst_err *err);

/* Corrupt img (h,w,3) in place with constant c.  scratch is working memory that is kept from call
 * to call (zero-initialised, released by the caller); recompress is needed by JPEG_COMPRESSION
 * only.  Only GAUSSIAN_NOISE draws from rng: one normal a value, in memory order. */
int nst_corrupt(enum nst_corruption type, double c, struct nst_rng *rng, uint8_t *img, size_t h,
		size_t w, struct nst_buf *scratch, nst_recompress_fn recompress, void *ctx,
		struct nst_err *err) NST_MUST_CHECK;

#endif
