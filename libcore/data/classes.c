/* Class tables.  An index means nothing without its table, so whatever joins two files compares or
 * translates names first. */
#include <stdlib.h>
#include <string.h>

#include "libcore/data/classes.h"
#include "libcore/util/mem.h"

int nst_classes_same(const struct nst_classes *a, const struct nst_classes *b, struct nst_err *err)
{
	if (a->n != b->n)
		return nst_fail(err, NST_EINVAL, "class tables differ: %s has %zu classes, %s has "
				"%zu", a->file, a->n, b->file, b->n);
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->name[i], b->name[i]) != 0)
			return nst_fail(err, NST_EINVAL, "class tables differ: class %zu is '%s' in "
					"%s and '%s' in %s", i, a->name[i], a->file, b->name[i],
					b->file);
	}
	return 0;
}

struct entry {
	const char *name;
	size_t index;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

int nst_classes_map(const struct nst_classes *from, const struct nst_classes *to, int32_t *map,
		    struct nst_err *err)
{
	struct entry *sorted = nst_alloc(to->n, sizeof(*sorted), err);

	if (!sorted)
		return NST_ENOMEM;
	for (size_t i = 0; i < to->n; i++)
		sorted[i] = (struct entry){to->name[i], i};
	qsort(sorted, to->n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < from->n; i++) {
		const struct entry key = {from->name[i], 0};
		const struct entry *at = bsearch(&key, sorted, to->n, sizeof(key), by_name);

		map[i] = at ? (int32_t)at->index : -1;
	}
	free(sorted);
	return 0;
}
