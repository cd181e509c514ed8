/* Bytes of a stored sample to upright RGB pixels. */
#ifndef NST_IMAGE_DECODE_H
#define NST_IMAGE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/image/entries.h"
#include "libcore/pixel/pixels.h"
#include "libcore/pixel/resize.h"
#include "libcore/util/err.h"

/* Codec state and working memory, one a thread; results never depend on what was decoded before.
 * free(NULL) is fine. */
struct nst_decoder;
struct nst_decoder *nst_decoder_new(struct nst_err *err) NST_MUST_CHECK;
void nst_decoder_free(struct nst_decoder *d);

/* Accept damaged JPEGs, see nst_jpeg_lenient.  Off at first. */
void nst_decoder_lenient(struct nst_decoder *d, int on);

/* A picture as it is stored: the image columns of nst-shard(5) for one row.  Everything is
 * borrowed. */
struct nst_picture {
	int codec;             /* 0: raw pixels (height,width,channels), channels 1 or 3; 1: JPEG */
	const uint8_t *data;
	size_t size;
	uint32_t height, width, channels; /* as stored; must agree with the bytes */
	int orientation;       /* EXIF, 1...8 */
	struct nst_entries entries; /* of a JPEG, if known */
};

/* Decode to upright pixels.  reduce: see nst_jpeg_decode (0 = full size; raw pixels are never
 * reduced).  Returns 0 or an error; out->h, out->w are those of the upright picture. */
int nst_decode(struct nst_decoder *d, const struct nst_picture *p, double reduce,
	       struct nst_pixels *out, struct nst_err *err) NST_MUST_CHECK;

/* The same when only the part of the upright picture is needed that is given in pixels at full size
 * (NULL = everything): what lies outside is undefined. */
int nst_decode_part(struct nst_decoder *d, const struct nst_picture *p, double reduce,
		    const struct nst_box *part, struct nst_pixels *out, struct nst_err *err)
	NST_MUST_CHECK;

/* The same, with the rows handed on as they are decoded, where that can be, and without those of
 * what is undefined there.  After an error those that came are worth nothing. */
int nst_decode_rows(struct nst_decoder *d, const struct nst_picture *p, double reduce,
		    const struct nst_box *part, const struct nst_rows *to, struct nst_err *err)
	NST_MUST_CHECK;

#endif
