/* Decoding a sample: whatever is stored, upright RGB comes out.  What the shard states about a
 * picture is held against the picture, since a label of one with the pixels of another would train
 * without complaint. */
#include "libcore/image/decode.h"

#include <stdlib.h>

#include "libcore/image/exif.h"
#include "libcore/image/jpeg.h"
#include "libcore/util/mem.h"

enum { RAW = 0, JPEG = 1 }; /* image/codec of nst-shard(5) */

struct nst_decoder {
	struct nst_jpeg *jpeg;
	struct nst_pixels lying; /* before it is turned upright */
	struct nst_pixels whole; /* before its rows are handed on */
};

struct nst_decoder *nst_decoder_new(struct nst_err *err)
{
	struct nst_decoder *d = nst_zalloc(1, sizeof *d, err);

	if (!d)
		return NULL;
	d->jpeg = nst_jpeg_new(err);
	if (!d->jpeg) {
		free(d);
		return NULL;
	}
	return d;
}

void nst_decoder_free(struct nst_decoder *d)
{
	if (!d)
		return;
	nst_jpeg_free(d->jpeg);
	nst_pixels_release(&d->lying);
	nst_pixels_release(&d->whole);
	free(d);
}

void nst_decoder_lenient(struct nst_decoder *d, int on)
{
	nst_jpeg_lenient(d->jpeg, on);
}

static int decode_raw(const struct nst_picture *p, struct nst_pixels *out, struct nst_err *err)
{
	const size_t h = p->height, w = p->width, c = p->channels;
	size_t bytes;
	int rc;

	if (c != 1 && c != 3)
		return nst_fail(err, NST_EFORMAT, "raw picture has %zu channels, not 1 or 3", c);
	if (!h || !w || nst_mul_size(h, w, &bytes) < 0 || nst_mul_size(bytes, c, &bytes) < 0 ||
	    bytes != p->size)
		return nst_fail(err, NST_EFORMAT, "raw picture of %zu x %zu x %zu has %zu bytes", h,
				w, c, p->size);
	if (c == 3)
		return nst_pixels_copy(out, p->data, h, w, err);
	rc = nst_pixels_shape(out, h, w, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < bytes; i++)
		out->data[3 * i] = out->data[3 * i + 1] = out->data[3 * i + 2] = p->data[i];
	return 0;
}

/* To out, or else to `to`. */
static int decode_jpeg(struct nst_decoder *d, const struct nst_picture *p, double reduce,
		       const struct nst_box *part, struct nst_pixels *out,
		       const struct nst_rows *to, struct nst_err *err)
{
	struct nst_jpeg_info info;
	int rc = out ? nst_jpeg_decode_part(d->jpeg, p->data, p->size, &p->entries, reduce, part,
					    &info, out, err) :
		       nst_jpeg_decode_rows(d->jpeg, p->data, p->size, &p->entries, reduce, part,
					    &info, to, err);

	if (rc == 0 && (info.height != p->height || info.width != p->width))
		return nst_fail(err, NST_EFORMAT,
				"JPEG has %u x %u pixels, but %u x %u are stated", info.width,
				info.height, p->width, p->height);
	return rc;
}

static int is_upright(int orientation)
{
	return orientation <= 1 || orientation > 8;
}

int nst_decode_part(struct nst_decoder *d, const struct nst_picture *p, double reduce,
		    const struct nst_box *part, struct nst_pixels *out, struct nst_err *err)
{
	int upright = is_upright(p->orientation), rc;
	struct nst_pixels *to = upright ? out : &d->lying;

	if (p->codec == RAW)
		rc = decode_raw(p, to, err);
	else if (p->codec == JPEG)
		/* A picture that lies is rare, and turned as a whole. */
		rc = decode_jpeg(d, p, reduce, upright ? part : NULL, to, NULL, err);
	else
		rc = nst_fail(err, NST_EFORMAT, "picture has the unknown codec %d", p->codec);
	if (rc == 0 && !upright)
		rc = nst_orientation_apply(p->orientation, to->data, to->h, to->w, out, err);
	return rc;
}

int nst_decode(struct nst_decoder *d, const struct nst_picture *p, double reduce,
	       struct nst_pixels *out, struct nst_err *err)
{
	return nst_decode_part(d, p, reduce, NULL, out, err);
}

int nst_decode_rows(struct nst_decoder *d, const struct nst_picture *p, double reduce,
		    const struct nst_box *part, const struct nst_rows *to, struct nst_err *err)
{
	const struct nst_pixels *whole = &d->whole;

	if (p->codec == JPEG && is_upright(p->orientation))
		return decode_jpeg(d, p, reduce, part, NULL, to, err);
	if (nst_decode_part(d, p, reduce, part, &d->whole, err) < 0 ||
	    to->begin(to->ctx, whole->h, whole->w, err) < 0)
		return err->code;
	to->take(to->ctx, whole->data, 0, whole->h);
	return 0;
}
