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

/* Who takes a picture a few rows at a time, so that it never lies in memory as a whole: its size
 * first, which may be refused (0 or an error), then rows [y,y+n) as (n,W,3), 8 bits, without padding,
 * from top to bottom, which are there for the time of the call. */
struct nst_rows {
	int (*begin)(void *ctx, size_t h, size_t w, struct nst_err *err);
	void (*take)(void *ctx, const uint8_t *rows, size_t y, size_t n);
	void *ctx;
};

void nst_pixels_swap(struct nst_pixels *a, struct nst_pixels *b);
void nst_pixels_release(struct nst_pixels *p);

#endif
