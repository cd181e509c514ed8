/* Pixels: an 8-bit RGB picture, in memory that grows as needed and is reused for the next one. */
#ifndef NST_PIXEL_PIXELS_H
#define NST_PIXEL_PIXELS_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

/* Zero-initialise, release with nst_pixels_release.  data is owned, rows follow without padding. */
struct nst_pixels {
	uint8_t *data; /* (H,W,3) */
	size_t h, w;
	size_t cap;    /* bytes allocated */
};

/* Make it h x w; the contents are undefined.  Returns 0, NST_ELIMIT or NST_ENOMEM. */
int nst_pixels_shape(struct nst_pixels *p, size_t h, size_t w, struct nst_err *err) NST_MUST_CHECK;

/* Make it an h x w copy of src (H,W,3). */
int nst_pixels_copy(struct nst_pixels *p, const uint8_t *src, size_t h, size_t w,
		    struct nst_err *err) NST_MUST_CHECK;

void nst_pixels_swap(struct nst_pixels *a, struct nst_pixels *b);
void nst_pixels_release(struct nst_pixels *p);

#endif
