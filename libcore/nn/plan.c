/* First fit, largest first: the offset of a span is the lowest gap among the spans already placed
 * that live at the same time.  Within a few per cent of the peak for chains of layers, whose large
 * buffers nest like brackets. */
#include "libcore/nn/plan.h"

#include <stdint.h>
#include <stdlib.h>

#include "libcore/util/mem.h"

static int larger_first(const void *a, const void *b)
{
	const struct nst_span *x = *(struct nst_span *const *)a, *y = *(struct nst_span *const *)b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x < y ? -1 : x > y; /* both lie in one array: a stable order */
}

/* Lowest offset at which `s` fits; placed[] is sorted by offset. */
static size_t fit(const struct nst_span *s, struct nst_span *const *placed, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const struct nst_span *p = placed[i];

		if (p->last < s->first || p->first > s->last)
			continue;
		if (at + s->size <= p->offset)
			break;
		if (at < p->offset + NST_ROUND16(p->size))
			at = p->offset + NST_ROUND16(p->size);
	}
	return at;
}

int nst_plan(struct nst_span *span, size_t n, size_t *total, struct nst_err *err)
{
	struct nst_span **order = nst_alloc(n, 2 * sizeof(*order), err), **placed = order + n;
	size_t sum = 0, end = 0;

	if (!order)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		order[i] = &span[i];
		if (span[i].size > SIZE_MAX / 16 ||
		    __builtin_add_overflow(sum, NST_ROUND16(span[i].size), &sum)) {
			free(order);
			return nst_fail(err, NST_ELIMIT,
					"the net needs more memory than can be counted");
		}
	}
	qsort(order, n, sizeof(*order), larger_first);
	for (size_t i = 0; i < n; i++) {
		struct nst_span *s = order[i];
		size_t j = i;

		s->offset = fit(s, placed, i);
		for (; j > 0 && placed[j - 1]->offset > s->offset; j--)
			placed[j] = placed[j - 1];
		placed[j] = s;
		if (end < s->offset + NST_ROUND16(s->size))
			end = s->offset + NST_ROUND16(s->size);
	}
	free(order);
	*total = end;
	return 0;
}
