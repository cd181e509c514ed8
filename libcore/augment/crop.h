/* Random crops, shifts and flips. */
#ifndef NST_AUGMENT_CROP_H
#define NST_AUGMENT_CROP_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/pixel/resize.h"
#include "libcore/util/rng.h"

/* Draw the box of a random resized crop of a h x w picture: area a uniform fraction area[0]...
 * area[1] of the picture's, aspect ratio (width / height) log-uniform in aspect[0]...aspect[1],
 * sides rounded to whole pixels, place uniform; after ten boxes that do not fit, the central
 * square.  Each try draws area and aspect, the one that fits also row and column. */
struct nst_box nst_crop_random(struct nst_rng *rng, size_t h, size_t w, const double area[2],
			       const double aspect[2]);

/* How nst_shift shows what lies outside: mirrored about the border pixel (which is not repeated),
 * or grey 0. */
enum nst_border { NST_BORDER_REFLECT, NST_BORDER_ZERO };

/* Move the picture: dst(y,x) = src(y + dy, x + dx), both (h,w,3) and apart: a crop at (dy,dx) from
 * the padded picture.  |dy|, |dx| may exceed the size. */
void nst_shift(const uint8_t *src, size_t h, size_t w, long dy, long dx, enum nst_border border,
	       uint8_t *dst);

/* Mirror left and right, in place. */
void nst_flip(uint8_t *img, size_t h, size_t w);

#endif
