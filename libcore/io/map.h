/* Read-only view of a regular file in memory. */
#ifndef NST_IO_MAP_H
#define NST_IO_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libcore/util/err.h"

/* A file that shrinks while it is mapped raises SIGBUS at the lost bytes, of which libcore/cli makes a
 * sentence: inputs are never modified in place by us, and must not be by others while we read. */
struct nst_map {
	const uint8_t *data; /* NULL when size is 0 */
	size_t size;
	dev_t dev;           /* identity of the file */
	ino_t ino;
};

/* Map the whole file open on fd, which stays the caller's.  name is for messages. */
int nst_map_fd(struct nst_map *m, int fd, const char *name, struct nst_err *err) NST_MUST_CHECK;

/* Open and map path; refuses what is not a regular file. */
int nst_map_file(struct nst_map *m, const char *path, struct nst_err *err) NST_MUST_CHECK;

void nst_map_release(struct nst_map *m);

#endif
