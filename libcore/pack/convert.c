/* The content decides: a file's name has no say in how it is read.
 *
 * A JPEG is stored byte for byte, but only after its code was read to its end, so that a damaged one
 * is found while the directory it came from is still at hand, not in the third epoch.  Finding
 * entry points does that; where there are none, decoding at 1/8 size: every bit of the code is
 * read, most of the arithmetic is not done. */
#include "libcore/pack/convert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/image/entries.h"
#include "libcore/image/exif.h"
#include "libcore/image/jpeg.h"
#include "libcore/image/pixbuf.h"
#include "libcore/pixel/pixels.h"
#include "libcore/pixel/resize.h"

struct nst_converter {
	struct nst_jpeg *jpeg;
	struct nst_resizer resizer;
	struct nst_pixels decoded, upright;
	struct nst_buf scratch;
};

struct nst_converter *nst_converter_new(struct nst_err *err)
{
	struct nst_converter *c = nst_zalloc(1, sizeof *c, err);

	if (c && !(c->jpeg = nst_jpeg_new(err))) {
		free(c);
		return NULL;
	}
	return c;
}

void nst_converter_free(struct nst_converter *c)
{
	if (!c)
		return;
	nst_jpeg_free(c->jpeg);
	nst_resizer_release(&c->resizer);
	nst_pixels_release(&c->decoded);
	nst_pixels_release(&c->upright);
	nst_buf_release(&c->scratch);
	free(c);
}

static void describe(struct nst_converted *out, size_t h, size_t w, uint32_t channels,
		     enum nst_codec codec)
{
	out->height = (uint32_t)h;
	out->width = (uint32_t)w;
	out->channels = channels;
	out->codec = codec;
	out->orientation = 1;
}

static size_t shorter(size_t h, size_t w)
{
	return h < w ? h : w;
}

static size_t scaled_side(size_t side, double scale)
{
	double s = floor((double)side * scale + .5);

	return s < 1 ? 1 : (size_t)s;
}

/* Replace p by its reduction to `shortest`; the result is in c->decoded. */
static int reduce(struct nst_converter *c, struct nst_pixels *p, uint64_t shortest,
		  struct nst_err *err)
{
	double scale = (double)shortest / (double)shorter(p->h, p->w);
	size_t h = scaled_side(p->h, scale), w = scaled_side(p->w, scale);
	struct nst_pixels small = {0};
	int r = nst_pixels_shape(&small, h, w, err);

	if (r == 0)
		r = nst_resize(&c->resizer, p->data, p->h, p->w, NULL, NST_BICUBIC, small.data, h,
			       w, err);
	if (r == 0)
		nst_pixels_swap(&small, &c->decoded);
	nst_pixels_release(&small);
	return r;
}

/* Find the entry points of a JPEG and see whether it can be decoded. */
static int check_jpeg(struct nst_converter *c, const struct nst_buf *bytes, struct nst_buf *entries,
		      struct nst_err *err)
{
	static const struct nst_box corner = {0, 0, 1, 1};
	struct nst_jpeg_info info;
	struct nst_entries e;

	if (nst_entries_find(bytes->data, bytes->len, &c->scratch, entries, err) < 0)
		return err->code;
	e = (struct nst_entries){(const uint64_t *)(void *)entries->data,
				 entries->len / sizeof(uint64_t)};
	return nst_jpeg_decode_part(c->jpeg, bytes->data, bytes->len, &e, 8, e.count ? &corner : NULL,
				    &info, &c->decoded, err);
}

static int convert_jpeg(struct nst_converter *c, const struct nst_convert_options *opt,
			struct nst_buf *bytes, struct nst_buf *entries, struct nst_converted *out,
			struct nst_err *err)
{
	struct nst_jpeg_info info;
	enum nst_jpeg_sampling sampling;
	uint64_t shorter_side;

	if (nst_jpeg_info(bytes->data, bytes->len, 0, &info, err) < 0)
		return err->code;
	shorter_side = shorter(info.height, info.width);
	if (opt->shortest == 0 || shorter_side <= opt->shortest) {
		describe(out, info.height, info.width, (uint32_t)info.components, NST_CODEC_JPEG);
		out->orientation = info.orientation;
		return check_jpeg(c, bytes, entries, err);
	}
	/* Twice the wanted size is left to the resampler, whose filter is better than the codec's. */
	if (nst_jpeg_decode(c->jpeg, bytes->data, bytes->len,
			    (double)shorter_side / (2 * (double)opt->shortest), &info, &c->decoded,
			    err) < 0 ||
	    nst_orientation_apply(info.orientation, c->decoded.data, c->decoded.h, c->decoded.w,
				  &c->upright, err) < 0 ||
	    reduce(c, &c->upright, opt->shortest, err) < 0)
		return err->code;
	out->reduced = 1;
	sampling = info.sampling == NST_JPEG_444 ? NST_JPEG_444 : NST_JPEG_420;
	describe(out, c->decoded.h, c->decoded.w, 3, NST_CODEC_JPEG);
	bytes->len = 0;
	if (nst_jpeg_encode(c->jpeg, c->decoded.data, c->decoded.h, c->decoded.w, opt->quality,
			    sampling, bytes, err) < 0)
		return err->code;
	return nst_entries_find(bytes->data, bytes->len, &c->scratch, entries, err);
}

static int convert_other(struct nst_converter *c, const struct nst_convert_options *opt,
			 struct nst_buf *bytes, struct nst_converted *out, struct nst_err *err)
{
	if (nst_pixbuf_decode(bytes->data, bytes->len, out->type, 0, &c->decoded, err) < 0)
		return err->code;
	if (opt->shortest > 0 && shorter(c->decoded.h, c->decoded.w) > opt->shortest) {
		if (reduce(c, &c->decoded, opt->shortest, err) < 0)
			return err->code;
		out->reduced = 1;
	}
	describe(out, c->decoded.h, c->decoded.w, 3, NST_CODEC_RAW);
	bytes->len = 0;
	return nst_buf_append(bytes, c->decoded.data, 3 * c->decoded.h * c->decoded.w, err);
}

int nst_convert(struct nst_converter *c, const struct nst_convert_options *opt,
		struct nst_buf *bytes, struct nst_buf *entries, struct nst_converted *out,
		struct nst_err *err)
{
	memset(out, 0, sizeof *out);
	entries->len = 0;
	out->type = nst_sniff(bytes->data, bytes->len);
	switch (out->type) {
	case NST_FILE_EMPTY:
		return nst_fail(err, NST_EFORMAT, "the file is empty");
	case NST_FILE_UNKNOWN:
		return nst_fail(err, NST_EFORMAT, "not an image");
	case NST_FILE_JPEG:
		return convert_jpeg(c, opt, bytes, entries, out, err);
	default:
		return convert_other(c, opt, bytes, out, err);
	}
}
