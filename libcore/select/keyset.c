/* Open addressing with linear probing, at most three quarters full.  The hashes are XXH3 already, so
 * their low bits serve as the address. */
#include <stdlib.h>
#include <string.h>

#include "libcore/select/keyset.h"
#include "libcore/util/mem.h"

enum { AHEAD = 16 }; /* hashes: by then the memory has answered */

struct nst_keyset_slot {
	uint64_t hash;
	uint64_t row; /* plus one; 0 = the slot is free */
};

/* The slot that holds the hash, or the free one where it belongs. */
static struct nst_keyset_slot *place(struct nst_keyset_slot *slot, size_t size, uint64_t hash)
{
	size_t i = (size_t)hash & (size - 1);

	while (slot[i].row && slot[i].hash != hash)
		i = (i + 1) & (size - 1);
	return &slot[i];
}

static int resize(struct nst_keyset *s, size_t size, struct nst_err *err)
{
	struct nst_keyset_slot *slot = nst_alloc_aligned(size, sizeof(*slot), err);

	if (!slot)
		return NST_ENOMEM;
	memset(slot, 0, size * sizeof(*slot));
	for (size_t i = 0; i < s->size; i++) {
		if (s->slot[i].row)
			*place(slot, size, s->slot[i].hash) = s->slot[i];
	}
	free(s->slot);
	s->slot = slot;
	s->size = size;
	return 0;
}

/* Hashes that so many slots hold. */
static size_t room(size_t size)
{
	return size / 4 * 3;
}

int nst_keyset_reserve(struct nst_keyset *s, size_t hashes, struct nst_err *err)
{
	size_t size = s->size ? s->size : 1024;

	while (room(size) < hashes && size <= SIZE_MAX / 2)
		size *= 2;
	if (room(size) < hashes)
		return nst_fail_mem(err, UINT64_MAX);
	return size > s->size ? resize(s, size, err) : 0;
}

void nst_keyset_expect(const struct nst_keyset *s, const uint64_t *hash, uint64_t i, uint64_t n)
{
	if (s->size && n - i > AHEAD)
		__builtin_prefetch(&s->slot[(size_t)hash[i + AHEAD] & (s->size - 1)], 1);
}

int nst_keyset_add(struct nst_keyset *s, uint64_t hash, uint64_t row, uint64_t *first,
		   struct nst_err *err)
{
	struct nst_keyset_slot *at;

	if (s->used >= room(s->size) && nst_keyset_reserve(s, s->used + 1, err) < 0)
		return err->code;
	at = place(s->slot, s->size, hash);
	if (at->row) {
		*first = at->row - 1;
		return 1;
	}
	at->hash = hash;
	at->row = row + 1;
	s->used++;
	return 0;
}

int nst_keyset_find(const struct nst_keyset *s, uint64_t hash, uint64_t *first)
{
	const struct nst_keyset_slot *at;

	if (!s->used)
		return 0;
	at = place(s->slot, s->size, hash);
	if (!at->row)
		return 0;
	*first = at->row - 1;
	return 1;
}

void nst_keyset_release(struct nst_keyset *s)
{
	free(s->slot);
	memset(s, 0, sizeof(*s));
}
