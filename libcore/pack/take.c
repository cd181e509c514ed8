/* Splits.
 *
 * Each entry gets a random number that depends on the seed and its key alone, and the smallest
 * numbers are taken.  So adding or removing images moves few others across the split, and neither
 * the order of operands nor the file system matters. */
#include <stdlib.h>
#include <string.h>

#include "libcore/pack/manifest.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

struct lot {
	uint64_t number;
	size_t entry;
	int32_t group; /* class, or 0 */
	const char *key;
};

static int by_group_and_number(const void *pa, const void *pb)
{
	const struct lot *a = pa, *b = pb;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return strcmp(a->key, b->key);
}

static void draw_lots(const struct nst_manifest *m, int stratify, uint64_t seed, struct lot *lot)
{
	for (size_t i = 0; i < m->entries; i++) {
		const struct nst_entry *e = &m->entry[i];
		struct nst_rng r;
		uint64_t high;

		nst_rng_init(&r, seed, NST_RNG_SPLIT, 0, e->hash);
		high = nst_rng_u32(&r);
		lot[i].number = high << 32 | nst_rng_u32(&r);
		lot[i].entry = i;
		lot[i].group = stratify ? e->label : 0;
		lot[i].key = e->key;
	}
}

static size_t group_end(const struct lot *lot, size_t n, size_t first)
{
	size_t end = first;

	while (end < n && lot[end].group == lot[first].group)
		end++;
	return end;
}

int nst_manifest_take(struct nst_manifest *m, uint64_t take, int stratify, uint64_t seed,
		  struct nst_err *err)
{
	struct lot *lot;
	uint64_t groups = 0, group = 0;
	int r = 0;

	if (take > m->entries)
		return nst_fail(err, NST_EINVAL, "cannot take %llu of %zu images",
				(unsigned long long)take, m->entries);
	lot = nst_alloc(m->entries, sizeof *lot, err);
	if (!lot)
		return err->code;
	draw_lots(m, stratify, seed, lot);
	qsort(lot, m->entries, sizeof *lot, by_group_and_number);
	for (size_t i = 0; i < m->entries; i = group_end(lot, m->entries, i))
		groups++;
	for (size_t i = 0, end; r == 0 && i < m->entries; i = end, group++) {
		uint64_t quota = take / groups + (group < take % groups);

		end = group_end(lot, m->entries, i);
		if (quota > end - i)
			r = nst_fail(err, NST_EINVAL,
				     "cannot take %llu images of class '%s', it has %zu",
				     (unsigned long long)quota,
				     m->classes.name[lot[i].group], end - i);
		for (size_t k = i; k < end; k++)
			m->entry[lot[k].entry].taken = k - i < quota;
	}
	free(lot);
	return r;
}
