/* Random erasing (Zhong et al., arXiv 1708.04896) of normalised pixels, as timm does it
 * (timm/data/random_erasing.py): rectangles of a fraction .02 to 1/3 of the picture, divided by
 * their number, with a height of .3 to 1/.3 times the width, log-uniform. */
#ifndef NST_AUGMENT_ERASE_H
#define NST_AUGMENT_ERASE_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/rng.h"

/* What a rectangle is filled with: 0, which is the mean colour; one normal number a channel; one a
 * pixel and channel. */
enum nst_erasing_mode { NST_ERASING_CONST, NST_ERASING_RAND, NST_ERASING_PIXEL };

struct nst_erasing {
	double p;       /* probability that a picture is erased from, 0 = never */
	enum nst_erasing_mode mode;
	unsigned count; /* greatest number of rectangles, 1 or more */
};

struct nst_patch {
	size_t top, left, h, w;
};

/* Draw a rectangle of a picture of h x w pixels, one of `count`.  Returns 1, or 0 after ten that
 * were as high or as wide as the picture.  Each try draws area and aspect, the one that fits also
 * row and column. */
int nst_erasing_patch(struct nst_rng *rng, size_t h, size_t w, unsigned count,
		      struct nst_patch *patch);

/* Erase from img (h,w,3) in place.  Draws whether (p > 0); how many (count > 1); then for each the
 * rectangle and the numbers that fill it, in memory order. */
void nst_erase(const struct nst_erasing *e, struct nst_rng *rng, float *img, size_t h, size_t w);

#endif
