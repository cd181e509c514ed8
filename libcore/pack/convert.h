/* From the bytes of an image file to the bytes a shard stores. */
#ifndef NST_PACK_CONVERT_H
#define NST_PACK_CONVERT_H

#include <stdint.h>

#include "formats/sample.h"
#include "libcore/image/sniff.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

struct nst_convert_options {
	uint64_t shortest; /* reduce so that the shorter side has this many pixels; 0 = never */
	int quality;       /* of JPEGs that are written again, 1...100 */
};

/* What a file turned out to be. */
struct nst_converted {
	enum nst_file_type type;
	uint32_t height, width, channels; /* as stored */
	enum nst_codec codec;
	int orientation;                  /* EXIF, 1...8; 1 when the pixels were turned here */
	int reduced;                      /* 1 when options.shortest applied */
};

/* Codecs and working memory, one a thread. */
struct nst_converter;
struct nst_converter *nst_converter_new(struct nst_err *err) NST_MUST_CHECK;
void nst_converter_free(struct nst_converter *c);

/* Check the file in `bytes` by decoding it and, unless it is a JPEG to be kept as it is, replace
 * the bytes: other formats become raw RGB pixels; images with more than `shortest` pixels on their
 * shorter side are reduced (bicubic, antialiased) and stored as JPEG when they were one, raw
 * otherwise.  entries is filled with the entry points of a JPEG (libcore/image/entries.h).  An
 * error's sentence does not name the file. */
int nst_convert(struct nst_converter *c, const struct nst_convert_options *opt,
		struct nst_buf *bytes, struct nst_buf *entries, struct nst_converted *out,
		struct nst_err *err) NST_MUST_CHECK;

#endif
