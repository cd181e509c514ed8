/* A training view: from a decoded picture to size x size pixels with input noise.
 *
 * Large pictures: random resized crop, flip, RandAugment or AutoAugment, cutout.  Small ones (up to
 * 64 pixels), as the Noisy Student code does it: RandAugment or AutoAugment, cutout, shift (pad and
 * crop), flip.  Random erasing works on the normalised pixels (erase.h).  All draws come from the
 * generator that is passed in, so a view depends on nothing else. */
#ifndef NST_AUGMENT_AUGMENT_H
#define NST_AUGMENT_AUGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/augment/autoaugment.h"
#include "libcore/augment/crop.h"
#include "libcore/augment/erase.h"
#include "libcore/augment/randaugment.h"
#include "libcore/pixel/pixels.h"
#include "libcore/pixel/resize.h"
#include "libcore/util/err.h"
#include "libcore/util/rng.h"

enum nst_view_kind {
	NST_VIEW_PLAIN,   /* "plain": the central square, resized if need be */
	NST_VIEW_RESIZED, /* "resized": random resized crop */
	NST_VIEW_SHIFT,   /* "shift": plain, then moved by up to `pad` pixels each way */
};

struct nst_augment {
	size_t size;           /* side of the view */
	enum nst_view_kind view;
	double area[2];        /* RESIZED: fraction of the picture */
	double aspect[2];      /* RESIZED: width / height */
	enum nst_filter filter;
	int random_filter;     /* 1: bilinear or bicubic, drawn for each view, instead (timm) */
	size_t pad;            /* SHIFT: pixels */
	enum nst_border border; /* SHIFT */
	int flip;              /* 1: every second view is mirrored */
	struct nst_randaugment ra;
	struct nst_autoaugment aa;
	struct nst_erasing erasing;
	size_t cutout;         /* half side in pixels of a square of grey in every view; 0 = none */
};

/* The paper's crop and flip for an input size and no more noise: RESIZED .08...1, 3/4...4/3,
 * bicubic; up to 64 pixels SHIFT by size / 8 (4 for 32), reflected. */
void nst_augment_init(struct nst_augment *a, size_t size);

/* Leave nothing but crop and flip. */
void nst_augment_weaken(struct nst_augment *a);

/* "plain", "resized", "shift"; "reflect", "zero".  Parsers return 0, or -1 for another word. */
const char *nst_view_name(enum nst_view_kind k);
int nst_view_parse(const char *s, enum nst_view_kind *out);
const char *nst_border_name(enum nst_border b);
int nst_border_parse(const char *s, enum nst_border *out);

/* Returns 0, or NST_EINVAL with the sentence when the numbers make no sense. */
int nst_augment_check(const struct nst_augment *a, struct nst_err *err) NST_MUST_CHECK;

/* What is drawn before the picture is needed: with it, a JPEG need not be decoded at full size. */
struct nst_view {
	size_t h, w;        /* of the picture at full size, upright */
	struct nst_box box; /* in its pixels */
	enum nst_filter filter;
	long dy, dx;
	int flip;
};
void nst_augment_draw(const struct nst_augment *a, struct nst_rng *rng, size_t h, size_t w,
		      struct nst_view *v);

/* How much the picture may be reduced while decoding (nst_decode) and still fill the view. */
double nst_augment_reduce(const struct nst_augment *a, const struct nst_view *v);

/* The part of the picture that nst_augment_apply looks at, for nst_decode_part. */
struct nst_box nst_augment_part(const struct nst_augment *a, const struct nst_view *v);

/* Working memory, one a thread; zero-initialise. */
struct nst_augmenter {
	struct nst_resizer resizer;
	struct nst_pixels tmp;
};
void nst_augmenter_release(struct nst_augmenter *w);

/* Make the view of in (at full size or reduced) into out (size,size,3), but for random erasing.
 * rng continues after nst_augment_draw. */
int nst_augment_apply(const struct nst_augment *a, struct nst_rng *rng, const struct nst_view *v,
		      struct nst_augmenter *w, const struct nst_pixels *in, uint8_t *out,
		      struct nst_err *err) NST_MUST_CHECK;

#endif
