/* Numbered strings: a hash table from a string to the number it was added under. */
#ifndef NST_PACK_NAMES_H
#define NST_PACK_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

/* Zero-initialise, release with nst_names_release.  The strings are the caller's and must stay. */
struct nst_names {
	const char **name; /* by number */
	size_t count, cap;
	uint64_t *hash;    /* XXH3-64 of each */
	uint32_t *slot;    /* number + 1, 0 = free; open addressing */
	size_t slots;      /* a power of two, at least twice the count */
};

/* Number of the string s of n bytes, or -1. */
int64_t nst_names_find(const struct nst_names *t, const char *s, size_t n);

/* Add a string that is not in the table; its number is the count before.  At most 2^32 - 2. */
int nst_names_add(struct nst_names *t, const char *s, struct nst_err *err) NST_MUST_CHECK;

void nst_names_release(struct nst_names *t);

#endif
