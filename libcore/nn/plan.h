/* Laying buffers out in one arena by their lifetimes, so that a step allocates nothing. */
#ifndef NST_NN_PLAN_H
#define NST_NN_PLAN_H

#include <stddef.h>

#include "libcore/util/err.h"

/* Floats that n floats take where every block begins on NST_ALIGN bytes. */
#define NST_ROUND16(n) (((n) + 15) / 16 * 16)

/* A buffer of `size` floats that is in use from time `first` to time `last`, both included. */
struct nst_span {
	size_t size, first, last;
	size_t offset; /* result, in floats, a multiple of 16 */
};

/* Give every span an offset so that no two that are in use at one time overlap.  *total becomes the
 * floats of the arena.  Deterministic.  Returns 0, NST_ELIMIT or NST_ENOMEM. */
int nst_plan(struct nst_span *span, size_t n, size_t *total, struct nst_err *err) NST_MUST_CHECK;

#endif
