/* Members of an archive (tar in any dialect, compressed or not), one after another. */
#ifndef NST_IO_ARCHIVE_H
#define NST_IO_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"
#include "libcore/util/mem.h"

struct nst_archive;

/* Open an archive file, or standard input for "-". */
int nst_archive_open(struct nst_archive **a, const char *path, struct nst_err *err) NST_MUST_CHECK;

/* Go to the next regular file in the archive; other members are skipped.  Returns 1 with *name
 * (valid until the next call, leading "./" removed), 0 at the end, or a negative code. */
int nst_archive_next(struct nst_archive *a, const char **name, struct nst_err *err) NST_MUST_CHECK;

/* Read the current member into b (replacing its contents).  More than `limit` bytes: NST_ELIMIT,
 * after which nst_archive_next may still be called. */
int nst_archive_read(struct nst_archive *a, uint64_t limit, struct nst_buf *b, struct nst_err *err)
	NST_MUST_CHECK;

void nst_archive_close(struct nst_archive *a);

/* 1 when the first bytes of a file look like an archive this room reads (tar, or a compressed
 * stream that may hold one), else 0. */
int nst_archive_is(const uint8_t *head, size_t n);

#endif
