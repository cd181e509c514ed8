/* A whole file, or standard input, in memory. */
#ifndef NST_IO_READALL_H
#define NST_IO_READALL_H

#include <stdint.h>

#include "libcore/util/err.h"
#include "libcore/util/mem.h"

/* Append the bytes of path ("-": standard input) to b; more than `limit` bytes are an error, and so
 * is a directory. */
int nst_read_all(const char *path, uint64_t limit, struct nst_buf *b, struct nst_err *err)
	NST_MUST_CHECK;

#endif
