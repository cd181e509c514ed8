/* The first bytes of an HDF5 file, read without libhdf5: a file image ends where its superblock says,
 * which is what makes images in a pipe separable. */
#ifndef NST_FORMATS_SUPERBLOCK_H
#define NST_FORMATS_SUPERBLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

#define NST_SUPERBLOCK_SIZE 96 /* bytes that always suffice; no complete file is shorter */

/* Size in bytes of the file image that begins with head[0..n).  n may be less than
 * NST_SUPERBLOCK_SIZE only where the input ends.  The sentence on failure continues "cannot read
 * 'x': ".  Returns 0 or NST_EFORMAT. */
int nst_superblock_parse(const uint8_t *head, size_t n, uint64_t *size, struct nst_err *err)
	NST_MUST_CHECK;

/* Bob Jenkins' lookup3 (hashlittle) with initial value 0, HDF5's metadata checksum. */
uint32_t nst_lookup3(const uint8_t *p, size_t n);

#endif
