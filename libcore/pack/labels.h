/* A table of labels: one "path,class" line an image. */
#ifndef NST_PACK_LABELS_H
#define NST_PACK_LABELS_H

#include "libcore/pack/names.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

struct nst_labels {
	struct nst_names path;
	const char **class; /* of each path; "" = unlabeled */
	struct nst_buf text;
};

/* Read a table.  A line is path and class, separated by a tab, or by its last comma when it has no
 * tab; either may stand in double quotes, with "" for a quote.  A first line whose path is one of
 * path, file, filename, image or key is a heading.  The same path twice is an error.  Nothing is
 * to be released after a failure. */
int nst_labels_read(struct nst_labels *t, const char *path, struct nst_err *err) NST_MUST_CHECK;

void nst_labels_release(struct nst_labels *t);

#endif
