/* Class tables: compared and matched by name. */
#ifndef NST_DATA_CLASSES_H
#define NST_DATA_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

/* A class table and the file it stands in; everything borrowed. */
struct nst_classes {
	const char *const *name;
	size_t n;
	const char *file; /* for messages, as nst_image_name gives it */
};

/* Fails with a sentence that names both files and the first difference, unless a and b hold the
 * same names in the same order. */
int nst_classes_same(const struct nst_classes *a, const struct nst_classes *b, struct nst_err *err)
	NST_MUST_CHECK;

/* map[i] = index in `to` of the name that class i has in `from`, -1 where `to` lacks it. */
int nst_classes_map(const struct nst_classes *from, const struct nst_classes *to, int32_t *map,
		    struct nst_err *err) NST_MUST_CHECK;

#endif
