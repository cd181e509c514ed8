/* Resizing as Pillow does it: separable, antialiased when shrinking, 8 bits between the passes.
 *
 * Defined by equality with Pillow's Image.resize(size, filter, box) on RGB images: the kernel is
 * widened by the scale, its weights are rounded to 22 fractional bits, each pass rounds and clips
 * to 8 bits.  Source pixels just outside the box take part, as they do there. */
#ifndef NST_PIXEL_RESIZE_H
#define NST_PIXEL_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/pixel/pixels.h"
#include "libcore/util/err.h"

enum nst_filter {
	NST_BOX,
	NST_BILINEAR,
	NST_BICUBIC, /* a = -0.5 */
	NST_LANCZOS, /* three lobes */
};

/* "box", "bilinear", "bicubic", "lanczos"; the parser returns -1 for anything else. */
const char *nst_filter_name(enum nst_filter f);
int nst_filter_parse(const char *s, enum nst_filter *out);

/* Part of a picture, in pixels from the top left corner; edges may lie between pixels. */
struct nst_box {
	float x0, y0, x1, y1;
};

/* The central square of side fraction * min(h,w), rounded down, at least one pixel.  Of an odd rest
 * the larger half lies before it, as in the Noisy Student code. */
struct nst_box nst_box_central(size_t h, size_t w, double fraction);

/* The part of a h x w picture that resizing `box` to out_h x out_w looks at; a pixel belongs to it if
 * any of it does.  With nst_jpeg_decode_part it holds for the picture reduced, too, as long as the box
 * has no fewer pixels then than it is resized to. */
struct nst_box nst_resize_part(size_t h, size_t w, const struct nst_box *box, enum nst_filter f,
			       size_t out_h, size_t out_w);

/* Working memory; zero-initialise, one a thread. */
struct nst_resizer {
	uint8_t *mem;
	size_t cap;
	const struct nst_passes *passes; /* chosen when it is first used */
	struct nst_resizing *under_way; /* in mem */
};
void nst_resizer_release(struct nst_resizer *r);

/* Resize the part `box` (NULL = everything) of src (h,w,3) to dst (out_h,out_w,3); src and dst do
 * not overlap.  Returns 0, NST_EINVAL for an empty size or a box that is empty or not inside the
 * picture, NST_ELIMIT or NST_ENOMEM. */
int nst_resize(struct nst_resizer *r, const uint8_t *src, size_t h, size_t w,
	       const struct nst_box *box, enum nst_filter filter, uint8_t *dst, size_t out_h,
	       size_t out_w, struct nst_err *err) NST_MUST_CHECK;

/* Which outputs are wanted: rows [y,y+h) of columns [x,x+w). */
struct nst_outputs {
	size_t y, x, h, w;
};

/* The same of a picture that comes a few rows at a time and goes on so: begin, then hand rows
 * [y,y+n) to nst_resize_take, from top to bottom.  Those before and after the part that is looked at
 * (nst_resize_part) may be left out; if others are, the rest does not come out.  The outputs, or those
 * of them that `only` names (NULL = all), go to to->take as soon as they can be made, a few rows
 * (n,only->w,3) at a time, the first being row 0; *to is copied, and its `begin` is not called.
 * Returns 0 or the errors of nst_resize, which outputs outside are, too; after an error nothing is
 * taken until the next begin. */
int nst_resize_begin(struct nst_resizer *r, size_t h, size_t w, const struct nst_box *box,
		     enum nst_filter filter, size_t out_h, size_t out_w,
		     const struct nst_outputs *only, const struct nst_rows *to,
		     struct nst_err *err) NST_MUST_CHECK;
void nst_resize_take(struct nst_resizer *r, const uint8_t *rows, size_t y, size_t n);

#endif
