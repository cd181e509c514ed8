/* HDF5 filter 32015, Zstandard, for columns of probabilities and counts.
 *
 * The same source is linked into the library (nst_zfilter_class) and, compiled with NST_PLUGIN, is
 * the plugin that lets h5dump and h5py read the same files. */
#ifndef NST_FORMATS_PLUGIN_ZFILTER_H
#define NST_FORMATS_PLUGIN_ZFILTER_H

#include <hdf5.h>
#include <stddef.h>

#define NST_ZFILTER_ID    32015      /* registered with The HDF Group for zstd */
#define NST_ZFILTER_LIMIT (1u << 30) /* bytes of an expanded chunk that does not state its size */

/* For H5Zregister. */
extern const H5Z_class2_t nst_zfilter_class;

/* The filter function.  cd[0] is the level (absent: 1); cd[1], if present and not 0, the size of an
 * expanded chunk, which is then the most that is accepted.  Returns the new size, 0 on failure (and
 * *buf is as before). */
size_t nst_zfilter(unsigned flags, size_t ncd, const unsigned cd[], size_t nbytes, size_t *buf_size,
		   void **buf);

#endif
