/* The little of libhdf5 that reader and writer share.  All calls into libhdf5 come from one thread. */
#ifndef NST_FORMATS_H5_H
#define NST_FORMATS_H5_H

#include <hdf5.h>

#include "formats/input.h"

/* Prepare libhdf5 for the calling thread: no messages of its own, no plugins, our zstd filter.
 * Cheap; comes before every use. */
int nst_h5_begin(struct nst_err *err) NST_MUST_CHECK;

/* File type of a fixed-size element (not NST_STR); shared, not to be closed.  Negative on failure. */
hid_t nst_h5_type(enum nst_type type);

#endif
