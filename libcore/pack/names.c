/* Open addressing with linear probing over XXH3 hashes.  The table is rebuilt at twice the size
 * when it is half full, so that millions of keys cost a few probes each and 20 bytes beside the
 * strings themselves. */
#include "libcore/pack/names.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/util/hash.h"
#include "libcore/util/mem.h"

/* Slot that holds s, or the free slot where it belongs. */
static size_t find_slot(const struct nst_names *t, const char *s, size_t n, uint64_t hash)
{
	size_t i = (size_t)hash & (t->slots - 1);

	while (t->slot[i] != 0) {
		uint32_t k = t->slot[i] - 1;

		if (t->hash[k] == hash && strncmp(t->name[k], s, n) == 0 && t->name[k][n] == '\0')
			break;
		i = (i + 1) & (t->slots - 1);
	}
	return i;
}

int64_t nst_names_find(const struct nst_names *t, const char *s, size_t n)
{
	if (t->slots == 0)
		return -1;
	return (int64_t)t->slot[find_slot(t, s, n, nst_hash64(s, n))] - 1;
}

static int grow_slots(struct nst_names *t, struct nst_err *err)
{
	size_t slots = t->slots ? 2 * t->slots : 64;
	uint32_t *slot = nst_zalloc(slots, sizeof *slot, err);

	if (!slot)
		return err->code;
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	for (size_t k = 0; k < t->count; k++) {
		size_t i = (size_t)t->hash[k] & (slots - 1);

		while (slot[i] != 0)
			i = (i + 1) & (slots - 1);
		slot[i] = (uint32_t)k + 1;
	}
	return 0;
}

static int grow_names(struct nst_names *t, struct nst_err *err)
{
	size_t cap = t->cap ? 2 * t->cap : 32;
	const char **name = nst_alloc(cap, sizeof *name, err);
	uint64_t *hash = name ? nst_alloc(cap, sizeof *hash, err) : NULL;

	if (!hash) {
		free(name);
		return err->code;
	}
	if (t->count > 0) {
		memcpy(name, t->name, t->count * sizeof *name);
		memcpy(hash, t->hash, t->count * sizeof *hash);
	}
	free(t->name);
	free(t->hash);
	t->name = name;
	t->hash = hash;
	t->cap = cap;
	return 0;
}

int nst_names_add(struct nst_names *t, const char *s, struct nst_err *err)
{
	size_t n = strlen(s);
	uint64_t hash = nst_hash64(s, n);

	if (t->count >= UINT32_MAX - 1)
		return nst_fail(err, NST_ELIMIT, "more than %lu names", (unsigned long)UINT32_MAX - 1);
	if (t->count == t->cap && grow_names(t, err) < 0)
		return err->code;
	if (2 * (t->count + 1) > t->slots && grow_slots(t, err) < 0)
		return err->code;
	t->slot[find_slot(t, s, n, hash)] = (uint32_t)t->count + 1;
	t->name[t->count] = s;
	t->hash[t->count] = hash;
	t->count++;
	return 0;
}

void nst_names_release(struct nst_names *t)
{
	free(t->name);
	free(t->hash);
	free(t->slot);
	memset(t, 0, sizeof *t);
}
