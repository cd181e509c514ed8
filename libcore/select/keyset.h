/* The set of key hashes seen so far: finds duplicate keys among millions of rows in constant time
 * each and 11 to 22 bytes a row.
 *
 * The set refers to the hashes by number: `hash` is the caller's array of the hashes of all rows, the
 * same at each call but for its place and for rows that came in addition. */
#ifndef NST_SELECT_KEYSET_H
#define NST_SELECT_KEYSET_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

/* Zero-initialise; release with nst_keyset_release. */
struct nst_keyset {
	uint64_t *slot; /* see keyset.c */
	size_t size;    /* slots, a power of two */
	size_t used;
};

/* Make room for so many hashes in all, which saves growing there step by step.  Returns 0,
 * NST_ENOMEM, or NST_ELIMIT when they are more than 2^40 - 1. */
int nst_keyset_reserve(struct nst_keyset *s, const uint64_t *hash, size_t hashes,
		       struct nst_err *err) NST_MUST_CHECK;

/* When hash i of `next` (n) is about to be added or looked for, and the next ones will be: ask the
 * memory for the place of one to come, for of millions none is in a cache. */
void nst_keyset_expect(const struct nst_keyset *s, const uint64_t *next, uint64_t i, uint64_t n);

/* Add the hash of `row`, unless a row with this hash is there already.  Returns 0 when it is new,
 * 1 when it was there, with *first the row it came with - its key should be compared, for two keys
 * may share a hash - or what nst_keyset_reserve returns. */
int nst_keyset_add(struct nst_keyset *s, const uint64_t *hash, uint64_t row, uint64_t *first,
		   struct nst_err *err) NST_MUST_CHECK;

/* 1 when a hash is in the set, with *first its row. */
int nst_keyset_find(const struct nst_keyset *s, const uint64_t *hash, uint64_t wanted,
		    uint64_t *first);

void nst_keyset_release(struct nst_keyset *s);

#endif
