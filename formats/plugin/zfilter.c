/* HDF5 filter 32015 (zstd).
 *
 * HDF5 hands over malloc'ed memory and expects malloc'ed memory back.  Nothing of libhdf5 is called,
 * so the plugin works in every program whatever copy of libhdf5 that program carries.  A chunk comes
 * from a file: its claim about its size is compared with a limit before any memory is spent on it,
 * every result of zstd is checked, and bytes behind the frame are refused. */
#include "formats/plugin/zfilter.h"

#include <stdlib.h>
#include <zstd.h>
#ifdef NST_PLUGIN
#include <H5PLextern.h>
#endif

enum { LEVEL = 1, FIRST_GUESS = 256 * 1024 };

static void *compress(const void *in, size_t n, int level, size_t *out_size)
{
	size_t bound = ZSTD_compressBound(n), r;
	void *out;

	if (ZSTD_isError(bound))
		return NULL;
	out = malloc(bound);
	if (!out)
		return NULL;
	r = ZSTD_compress(out, bound, in, n, level);
	if (ZSTD_isError(r)) {
		free(out);
		return NULL;
	}
	*out_size = r;
	return out;
}

static void *expand_known(const void *in, size_t n, size_t size, size_t *out_size)
{
	void *out = malloc(size ? size : 1);
	size_t r;

	if (!out)
		return NULL;
	r = ZSTD_decompress(out, size, in, n);
	if (ZSTD_isError(r) || r != size || r == 0) {
		free(out);
		return NULL;
	}
	*out_size = r;
	return out;
}

/* A frame that does not say how large it is: other writers stream. */
static void *expand_unknown(const void *in, size_t n, size_t limit, size_t *out_size)
{
	size_t cap = limit < FIRST_GUESS ? limit : FIRST_GUESS, r = 1;
	ZSTD_inBuffer src = {in, n, 0};
	ZSTD_outBuffer dst = {malloc(cap), cap, 0};
	ZSTD_DStream *d = ZSTD_createDStream();

	while (d && dst.dst) {
		r = ZSTD_decompressStream(d, &dst, &src);
		if (ZSTD_isError(r) || r == 0)
			break;
		if (dst.pos < dst.size) /* room left and still not done: the frame is cut short */
			break;
		if (dst.size == limit)
			break;
		cap = dst.size > limit / 2 ? limit : dst.size * 2;
		void *more = realloc(dst.dst, cap);
		if (!more)
			break;
		dst.dst = more;
		dst.size = cap;
	}
	ZSTD_freeDStream(d);
	if (r != 0 || dst.pos == 0) {
		free(dst.dst);
		return NULL;
	}
	*out_size = dst.pos;
	return dst.dst;
}

static void *expand(const void *in, size_t n, size_t limit, size_t *out_size)
{
	unsigned long long size = ZSTD_getFrameContentSize(in, n);
	size_t frame = ZSTD_findFrameCompressedSize(in, n);

	if (size == ZSTD_CONTENTSIZE_ERROR || ZSTD_isError(frame) || frame != n)
		return NULL;
	if (size == ZSTD_CONTENTSIZE_UNKNOWN)
		return expand_unknown(in, n, limit, out_size);
	if (size > limit)
		return NULL;
	return expand_known(in, n, (size_t)size, out_size);
}

size_t nst_zfilter(unsigned flags, size_t ncd, const unsigned cd[], size_t nbytes, size_t *buf_size,
		   void **buf)
{
	int level = ncd > 0 ? (int)cd[0] : LEVEL;
	size_t limit = ncd > 1 && cd[1] ? cd[1] : NST_ZFILTER_LIMIT, size = 0;
	void *out = flags & H5Z_FLAG_REVERSE ? expand(*buf, nbytes, limit, &size)
					     : compress(*buf, nbytes, level, &size);

	if (!out)
		return 0;
	free(*buf);
	*buf = out;
	*buf_size = size;
	return size;
}

const H5Z_class2_t nst_zfilter_class = {
	.version = H5Z_CLASS_T_VERS,
	.id = (H5Z_filter_t)NST_ZFILTER_ID,
	.encoder_present = 1,
	.decoder_present = 1,
	.name = "zstd",
	.filter = nst_zfilter,
};

#ifdef NST_PLUGIN
H5PL_type_t H5PLget_plugin_type(void)
{
	return H5PL_TYPE_FILTER;
}

const void *H5PLget_plugin_info(void)
{
	return &nst_zfilter_class;
}
#endif
