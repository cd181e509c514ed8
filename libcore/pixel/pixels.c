/* Pixels: memory for pictures whose size is known only when their header was read.  It grows and
 * never shrinks, since a worker decodes thousands of them one after another. */
#include "libcore/pixel/pixels.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/util/mem.h"

int nst_pixels_shape(struct nst_pixels *p, size_t h, size_t w, struct nst_err *err)
{
	size_t bytes;

	if (nst_mul_size(h, w, &bytes) < 0 || nst_mul_size(bytes, 3, &bytes) < 0)
		return nst_fail(err, NST_ELIMIT, "a picture of %zu x %zu pixels is too large", w,
				h);
	if (bytes > p->cap || !p->data) {
		uint8_t *data = nst_alloc_aligned(bytes, 1, err);

		if (!data)
			return err->code;
		free(p->data);
		p->data = data;
		p->cap = bytes;
	}
	p->h = h;
	p->w = w;
	return 0;
}

int nst_pixels_copy(struct nst_pixels *p, const uint8_t *src, size_t h, size_t w,
		    struct nst_err *err)
{
	int rc = nst_pixels_shape(p, h, w, err);

	if (rc < 0)
		return rc;
	memcpy(p->data, src, 3 * h * w);
	return 0;
}

void nst_pixels_swap(struct nst_pixels *a, struct nst_pixels *b)
{
	struct nst_pixels c = *a;

	*a = *b;
	*b = c;
}

void nst_pixels_release(struct nst_pixels *p)
{
	free(p->data);
	*p = (struct nst_pixels){0};
}
