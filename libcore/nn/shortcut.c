/* Two copies of pixels; too little work for a kernel. */
#include "libcore/nn/shortcut.h"

#include <string.h>

/* Where output pixel (n,i,j) comes from, in floats. */
static size_t source(const struct nst_conv *s, size_t n, size_t i, size_t j)
{
	return ((n * s->h + i * s->stride) * s->w + j * s->stride) * s->cin;
}

void nst_shortcut_forward(const struct nst_conv *s, const float *x, float *y)
{
	memset(y, 0, s->n * s->ho * s->wo * s->cout * sizeof(*y));
	for (size_t n = 0; n < s->n; n++)
		for (size_t i = 0; i < s->ho; i++)
			for (size_t j = 0; j < s->wo; j++, y += s->cout)
				memcpy(y, x + source(s, n, i, j), s->cin * sizeof(*y));
}

void nst_shortcut_backward(const struct nst_conv *s, const float *dy, int accumulate, float *dx)
{
	if (!accumulate)
		memset(dx, 0, s->n * s->h * s->w * s->cin * sizeof(*dx));
	for (size_t n = 0; n < s->n; n++)
		for (size_t i = 0; i < s->ho; i++)
			for (size_t j = 0; j < s->wo; j++, dy += s->cout) {
				float *to = dx + source(s, n, i, j);

				for (size_t c = 0; c < s->cin; c++)
					to[c] += dy[c];
			}
}
