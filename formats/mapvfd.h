/* An HDF5 virtual file driver over a region of memory.
 *
 * One driver serves mapped files, images read from a pipe, and the writer.  Compared with HDF5's
 * core driver it copies nothing, and it has no names, so no link in a file can lead out of it. */
#ifndef NST_FORMATS_MAPVFD_H
#define NST_FORMATS_MAPVFD_H

#include <hdf5.h>
#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

struct nst_region {
	uint8_t *base;
	size_t size;  /* reading: the file's size; writing: the capacity of base */
	size_t used;  /* writing: the size of the file when it is closed */
	int writable;
};

/* File access property list for a region, which must outlive every file opened with it (the file
 * name is ignored).  The caller closes the list.  Returns a negative id on failure. */
hid_t nst_region_fapl(struct nst_region *region);

#endif
