/* Open addressing with linear probing, at most three quarters full.  The hashes are XXH3 already, so
 * their low bits serve as the address. */
#include <stdlib.h>
#include <string.h>

#include "libcore/select/keyset.h"
#include "libcore/util/mem.h"

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

static int grow(struct nst_keyset *s, struct nst_err *err)
{
	size_t size = s->size ? s->size * 2 : 1024;
	struct nst_keyset_slot *slot = nst_zalloc(size, sizeof(*slot), err);

	if (!slot)
		return NST_ENOMEM;
	for (size_t i = 0; i < s->size; i++) {
		if (s->slot[i].row)
			*place(slot, size, s->slot[i].hash) = s->slot[i];
	}
	free(s->slot);
	s->slot = slot;
	s->size = size;
	return 0;
}

int nst_keyset_add(struct nst_keyset *s, uint64_t hash, uint64_t row, uint64_t *first,
		   struct nst_err *err)
{
	struct nst_keyset_slot *at;

	if (s->used >= s->size / 4 * 3 && grow(s, err) < 0)
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
