/* Bytes of unknown length kept outside of memory: an unlinked temporary file in $TMPDIR (or /tmp). */
#ifndef NST_IO_SPOOL_H
#define NST_IO_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

struct nst_spool {
	int fd;
	uint64_t size;
	char *dir; /* for messages */
};

int nst_spool_open(struct nst_spool *s, struct nst_err *err) NST_MUST_CHECK;
int nst_spool_append(struct nst_spool *s, const void *p, size_t n, struct nst_err *err) NST_MUST_CHECK;

/* Map [offset, offset + size) read-only; offset need not be a multiple of the page size.  Unmap with
 * nst_spool_unmap and the same size.  The mapping outlives the spool.  NULL only on error. */
const uint8_t *nst_spool_map(const struct nst_spool *s, uint64_t offset, size_t size,
			     struct nst_err *err) NST_MUST_CHECK;
void nst_spool_unmap(const uint8_t *p, size_t size);

void nst_spool_release(struct nst_spool *s);

#endif
