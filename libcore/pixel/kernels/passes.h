/* The two passes of resizing (resize.h), in integers: every output is a sum over a window of inputs. */
#ifndef NST_PIXEL_PASSES_H
#define NST_PIXEL_PASSES_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/simd.h"

/* A sum of 8-bit values times weights that add up to 1, with lobes that overshoot (by far less than
 * 2x), fits into 32 bits with this many fractional bits. */
#define NST_WEIGHT_BITS 22

enum {
	NST_PASS_ROWS = 16,  /* that are resized across at a time */
	NST_PASS_CHUNK = 32, /* outputs whose inputs are spread, so that these stay in the cache */
};

/* One pass: output i is the sum of count[i] inputs from first[i] on, weights weight[i * stride],
 * rounded and cut off to 8 bits. */
struct nst_windows {
	int32_t *weight;
	size_t *first, *count;
	size_t stride;
};

/* Bytes of working memory, aligned to NST_ALIGN, for passes whose chunks look at `span` inputs. */
size_t nst_passes_room(size_t span);

struct nst_passes {
	/* Resize src (rows,w,3), at most NST_PASS_ROWS rows, across to dst (rows,n,3). */
	void (*across)(const struct nst_windows *ws, const uint8_t *src, size_t rows, size_t w,
		       uint8_t *dst, size_t n, void *room);
	/* Resize down: outputs [i,i+n), at most a chunk, to dst (n,w,3).  src (.,w,3) begins with
	 * the first row that they look at. */
	void (*down)(const struct nst_windows *ws, const uint8_t *src, size_t w, uint8_t *dst,
		     size_t i, size_t n, void *room);
};

/* Those with vectors of some kind, which this CPU must have.  Their results are the same. */
const struct nst_passes *nst_passes_get(enum nst_simd kind);

#endif
