/* Open addressing with linear probing, at most three quarters full.  The hashes are XXH3 already, so
 * their low bits serve as the address.
 *
 * A slot has the number of its row, plus one, in its lower 40 bits and the upper 24 bits of that
 * row's hash above; 0 is a free one.  The array of hashes is looked at only where these are the
 * same, which they are by chance once in 16 million times. */
#include <stdlib.h>
#include <string.h>

#include "libcore/select/keyset.h"
#include "libcore/util/mem.h"

enum { AHEAD = 16 }; /* hashes: by then the memory has answered */

#define ROW_BITS 40
#define ROW_MASK ((UINT64_C(1) << ROW_BITS) - 1)

static uint64_t row_of(uint64_t slot)
{
	return (slot & ROW_MASK) - 1;
}

/* The slot that holds the hash, or the free one where it belongs. */
static uint64_t *place(const struct nst_keyset *s, const uint64_t *hash, uint64_t wanted)
{
	size_t i = (size_t)wanted & (s->size - 1);

	while (s->slot[i] && ((s->slot[i] ^ wanted) >> ROW_BITS || hash[row_of(s->slot[i])] != wanted))
		i = (i + 1) & (s->size - 1);
	return &s->slot[i];
}

static int resize(struct nst_keyset *s, const uint64_t *hash, size_t size, struct nst_err *err)
{
	struct nst_keyset larger = {.size = size, .used = s->used};

	larger.slot = nst_alloc_aligned(size, sizeof(*larger.slot), err);
	if (!larger.slot)
		return NST_ENOMEM;
	memset(larger.slot, 0, size * sizeof(*larger.slot));
	for (size_t i = 0; i < s->size; i++) {
		if (s->slot[i])
			*place(&larger, hash, hash[row_of(s->slot[i])]) = s->slot[i];
	}
	free(s->slot);
	*s = larger;
	return 0;
}

static int too_many(struct nst_err *err)
{
	return nst_fail(err, NST_ELIMIT, "more rows than a set of keys can number");
}

/* Hashes that so many slots hold. */
static size_t room(size_t size)
{
	return size / 4 * 3;
}

int nst_keyset_reserve(struct nst_keyset *s, const uint64_t *hash, size_t hashes,
		       struct nst_err *err)
{
	size_t size = s->size ? s->size : 1024;

	if (hashes > ROW_MASK || hashes > SIZE_MAX / 4)
		return too_many(err);
	while (room(size) < hashes)
		size *= 2;
	return size > s->size ? resize(s, hash, size, err) : 0;
}

void nst_keyset_expect(const struct nst_keyset *s, const uint64_t *next, uint64_t i, uint64_t n)
{
	if (s->size && n - i > AHEAD)
		__builtin_prefetch(&s->slot[(size_t)next[i + AHEAD] & (s->size - 1)], 1);
}

int nst_keyset_add(struct nst_keyset *s, const uint64_t *hash, uint64_t row, uint64_t *first,
		   struct nst_err *err)
{
	uint64_t *at;

	if (row >= ROW_MASK)
		return too_many(err);
	if (s->used >= room(s->size) && nst_keyset_reserve(s, hash, s->used + 1, err) < 0)
		return err->code;
	at = place(s, hash, hash[row]);
	if (*at) {
		*first = row_of(*at);
		return 1;
	}
	*at = (hash[row] & ~ROW_MASK) | (row + 1);
	s->used++;
	return 0;
}

int nst_keyset_find(const struct nst_keyset *s, const uint64_t *hash, uint64_t wanted,
		    uint64_t *first)
{
	const uint64_t *at;

	if (!s->used)
		return 0;
	at = place(s, hash, wanted);
	if (!*at)
		return 0;
	*first = row_of(*at);
	return 1;
}

void nst_keyset_release(struct nst_keyset *s)
{
	free(s->slot);
	memset(s, 0, sizeof(*s));
}
