/* The set of key hashes seen so far: finds duplicate keys among millions of rows in constant time
 * each and 22 to 43 bytes a row. */
#ifndef NST_SELECT_KEYSET_H
#define NST_SELECT_KEYSET_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

/* Zero-initialise; release with nst_keyset_release. */
struct nst_keyset {
	struct nst_keyset_slot *slot;
	size_t size; /* slots, a power of two */
	size_t used;
};

/* Make room for so many hashes in all, which saves growing there step by step.  Returns 0 or
 * NST_ENOMEM. */
int nst_keyset_reserve(struct nst_keyset *s, size_t hashes, struct nst_err *err) NST_MUST_CHECK;

/* When hash i of `hash` (n) is about to be added or looked for, and the next ones will be: ask the
 * memory for the place of one to come, for of millions none is in a cache. */
void nst_keyset_expect(const struct nst_keyset *s, const uint64_t *hash, uint64_t i, uint64_t n);

/* Remember hash for `row`, unless a row with this hash is there already.  Returns 0 when it is new,
 * 1 when it was there, with *first the row it came with - its key should be compared, for two keys
 * may share a hash - or NST_ENOMEM. */
int nst_keyset_add(struct nst_keyset *s, uint64_t hash, uint64_t row, uint64_t *first,
		   struct nst_err *err) NST_MUST_CHECK;

/* 1 when the hash is in the set, with *first its row. */
int nst_keyset_find(const struct nst_keyset *s, uint64_t hash, uint64_t *first);

void nst_keyset_release(struct nst_keyset *s);

#endif
