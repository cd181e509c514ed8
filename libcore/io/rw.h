/* Whole reads and writes on file descriptors, resumed after EINTR and short counts. */
#ifndef NST_IO_RW_H
#define NST_IO_RW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libcore/util/err.h"

/* Read up to n bytes, fewer only at the end of the file.  Returns the count, or -1 with errno. */
ssize_t nst_read_full(int fd, void *p, size_t n) NST_MUST_CHECK;

/* The same from byte at >= 0 of a file, whose position stays. */
ssize_t nst_pread_full(int fd, void *p, size_t n, off_t at) NST_MUST_CHECK;

/* Write all n bytes.  Returns 0, or -1 with errno. */
int nst_write_full(int fd, const void *p, size_t n) NST_MUST_CHECK;

/* The system calls that outputs depend on, replaceable so that tests can make the n-th one fail.
 * Product code never assigns them. */
struct nst_io_calls {
	ssize_t (*write)(int fd, const void *p, size_t n);
	int (*fsync)(int fd);
	int (*rename)(const char *from, const char *to);
};
extern struct nst_io_calls nst_io;

#endif
