/* Inside of struct nst_build, for build.c, layout.c and output.c. */
#ifndef NST_FORMATS_BUILD_H
#define NST_FORMATS_BUILD_H

#include "formats/output.h"
#include "formats/schema.h"
#include "formats/uuid.h"

/* Bytes of a history; an attribute of an object header is at most 64 KiB. */
enum { NST_HISTORY_LIMIT = 32 * 1024 };

struct nst_build_column {
	struct nst_column_id id; /* its checksum is set by nst_build_seal */
	size_t elem;             /* bytes of an element */
	size_t size;             /* bytes in all */
	struct nst_segment *segment;
	size_t segments;
};

struct nst_build {
	enum nst_kind kind;
	uint64_t rows;
	struct nst_build_column column[NST_MAX_COLUMNS];
	struct nst_attr_value attr[NST_MAX_ATTRS];
	void **owned;  /* nst_build_alloc */
	size_t nowned;
	char *history; /* of the parents, lines; may be NULL */
	char *parents; /* their uuids, separated by blanks; may be NULL */
	char uuid[NST_UUID_LEN + 1];
	int sealed;
};

/* Zeroed memory that is freed with the build.  NULL on lack of it. */
void *nst_build_alloc(struct nst_build *b, size_t n, size_t size, struct nst_err *err) NST_MUST_CHECK;

/* Check that nothing is missing, compute checksums and uuid.  Nothing may be added afterwards. */
int nst_build_seal(struct nst_build *b, struct nst_err *err) NST_MUST_CHECK;

/* Copy of a sealed build with memory of its own.  NULL on lack of memory. */
struct nst_build *nst_build_clone(const struct nst_build *b, struct nst_err *err) NST_MUST_CHECK;

#endif
