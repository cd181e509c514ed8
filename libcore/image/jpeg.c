/* JPEG.  A picture passes two readers: a walk over its markers, which is ours and decides what is
 * accepted at all, and libjpeg-turbo, which decodes.
 *
 * The walk exists because the library cannot say what we must know.  It invents an end marker when
 * the data stop, mentioning it in a warning.  So the walk looks for the end marker itself, counts
 * scans before any of them costs time, and names what is not supported.
 *
 * Every picture gets a decoder instance of its own (0.1 us).  One that is used again keeps the
 * tables of the pictures before, for those that come without, and after an error even half a
 * header: what a picture decodes to would depend on its predecessors.
 *
 * Decoding goes by the library's older interface, since only that can leave out rows and columns;
 * encoding by TurboJPEG, of which the calls of version 2 are used (version 3 still has them).
 * Leaving out saves the transform and the colours of a place.  The entropy code is read from the
 * beginning as far as the wanted part goes down, unless entry points are known: then the part is cut
 * out first.  What lies outside is not looked at: who packs pictures reads them to their
 * end, and a checksum tells when they have changed since. */
#include "libcore/image/jpeg.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h declares functions of FILE */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <turbojpeg.h>

#include "libcore/image/cut.h"
#include "libcore/image/exif.h"

enum {
	TEM = 0x01,
	SOF0 = 0xc0, /* baseline */
	SOF1 = 0xc1, /* extended sequential */
	SOF2 = 0xc2, /* progressive */
	DHT = 0xc4,
	JPG = 0xc8,
	DAC = 0xcc,
	SOF15 = 0xcf,
	RST0 = 0xd0,
	RST7 = 0xd7,
	SOI = 0xd8,
	EOI = 0xd9,
	SOS = 0xda,
	APP0 = 0xe0,
	APP1 = 0xe1,
	APP14 = 0xee,
};

/* Rows that are handed on at a time: as many as the second-level cache holds of usual pictures, and a
 * few times the 16 that resizing takes together. */
enum { BAND = 64 };

struct nst_jpeg {
	tjhandle writer; /* made when first needed; sets its tables anew for every picture */
	int lenient;
	uint64_t limit;
	struct nst_pixels band; /* rows on their way on */
	struct nst_pixels cmyk; /* a band of (w,4) in a buffer of pixels */
	struct nst_buf cut;     /* JPEG of a part */
	struct nst_buf packed;  /* of nst_jpeg_recompress */
	struct nst_pixels unpacked;
};

/* What the walk remembers besides the result. */
struct walk {
	const uint8_t *p;
	size_t n, at;
	int jfif, adobe; /* adobe: transform code, -1 = no such segment */
	uint8_t id[3];   /* names of the first components */
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The next marker from w->at on, skipping what is not one; -1 at the end of the bytes. */
static int next_marker(struct walk *w)
{
	while (w->at < w->n) {
		const uint8_t *ff = memchr(w->p + w->at, 0xff, w->n - w->at);

		if (!ff)
			break;
		w->at = (size_t)(ff - w->p);
		while (w->at < w->n && w->p[w->at] == 0xff)
			w->at++;
		if (w->at == w->n)
			break;
		if (w->p[w->at++] != 0)
			return w->p[w->at - 1];
	}
	w->at = w->n;
	return -1;
}

/* Which process a frame header announces; NULL when it is one of the three that we decode. */
static const char *unsupported(int sof)
{
	if (sof <= SOF2)
		return NULL;
	if (sof > JPG)
		return "uses arithmetic coding";
	return (sof & 3) == 3 && sof < 0xc5 ? "is lossless" : "is hierarchical";
}

static enum nst_jpeg_sampling sampling_of(const uint8_t *factor, int components)
{
	static const struct {
		uint8_t luma;
		enum nst_jpeg_sampling sampling;
	} known[] = {
		{0x11, NST_JPEG_444}, {0x21, NST_JPEG_422}, {0x22, NST_JPEG_420},
		{0x12, NST_JPEG_440}, {0x41, NST_JPEG_411},
	};

	if (components == 1)
		return NST_JPEG_444;
	if (factor[1] != 0x11 || factor[2] != 0x11 || (components == 4 && factor[3] != factor[0]))
		return NST_JPEG_OTHER;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (factor[0] == known[i].luma)
			return known[i].sampling;
	return NST_JPEG_OTHER;
}

/* Frame header: seg has len bytes behind the length field. */
static int frame(struct walk *w, int sof, const uint8_t *seg, size_t len, uint64_t limit,
		 struct nst_jpeg_info *info, struct nst_err *err)
{
	const char *why = unsupported(sof);
	uint8_t factor[4] = {0};

	if (why)
		return nst_fail(err, NST_EFORMAT, "JPEG %s, which is not supported", why);
	if (len < 6 || len < 6 + 3 * (size_t)seg[5])
		return nst_fail(err, NST_EFORMAT, "JPEG has a damaged frame header");
	if (info->components)
		return nst_fail(err, NST_EFORMAT, "JPEG has two frame headers");
	if (seg[0] != 8)
		return nst_fail(err, NST_EFORMAT,
				"JPEG has %u bits a sample, only 8 are supported", seg[0]);
	info->height = get16(seg + 1);
	info->width = get16(seg + 3);
	info->components = seg[5];
	info->progressive = sof == SOF2;
	if (!info->width || !info->height)
		return nst_fail(err, NST_EFORMAT, "JPEG states a size of %u x %u pixels",
				info->width, info->height);
	if (info->components != 1 && info->components != 3 && info->components != 4)
		return nst_fail(err, NST_EFORMAT, "JPEG has %d components, not 1, 3 or 4",
				info->components);
	if ((uint64_t)info->width * info->height > limit)
		return nst_fail(err, NST_ELIMIT,
				"JPEG has %u x %u pixels, more than the limit of %llu", info->width,
				info->height, (unsigned long long)limit);
	for (int i = 0; i < info->components; i++) {
		if (i < 3)
			w->id[i] = seg[6 + 3 * i];
		factor[i] = seg[7 + 3 * i];
		if (!(factor[i] >> 4) || !(factor[i] & 15))
			return nst_fail(err, NST_EFORMAT, "JPEG has a damaged frame header");
	}
	info->sampling = sampling_of(factor, info->components);
	for (int i = 0; i < info->components; i++) {
		const unsigned down = 8u * (factor[i] & 15), across = 8u * (factor[i] >> 4);

		info->mcu_h = down > info->mcu_h ? down : info->mcu_h;
		info->mcu_w = across > info->mcu_w ? across : info->mcu_w;
	}
	return 0;
}

static void application(struct walk *w, int marker, const uint8_t *seg, size_t len,
			struct nst_jpeg_info *info)
{
	if (marker == APP0 && len >= 5 && !memcmp(seg, "JFIF", 5))
		w->jfif = 1;
	else if (marker == APP14 && len >= 12 && !memcmp(seg, "Adobe", 5))
		w->adobe = seg[11];
	else if (marker == APP1 && info->orientation == 1)
		info->orientation = nst_exif_orientation(seg, len);
}

/* The library's rules for what the components mean. */
static enum nst_jpeg_space space_of(const struct walk *w, int components)
{
	if (components == 1)
		return NST_JPEG_GRAY;
	if (components == 4)
		return w->adobe == 2 ? NST_JPEG_YCCK : NST_JPEG_CMYK;
	if (w->jfif)
		return NST_JPEG_YCC;
	if (w->adobe >= 0)
		return w->adobe == 0 ? NST_JPEG_RGB : NST_JPEG_YCC;
	return memcmp(w->id, "RGB", 3) != 0 ? NST_JPEG_YCC : NST_JPEG_RGB;
}

int nst_jpeg_info(const uint8_t *data, size_t n, uint64_t max_pixels, struct nst_jpeg_info *info,
		  struct nst_err *err)
{
	struct walk w = {.p = data, .n = n, .at = 2, .adobe = -1};

	*info = (struct nst_jpeg_info){.orientation = 1};
	if (!n)
		return nst_fail(err, NST_EFORMAT, "JPEG is empty");
	if (n < 2 || data[0] != 0xff || data[1] != SOI)
		return nst_fail(err, NST_EFORMAT, "not a JPEG");
	while (info->scans <= NST_JPEG_SCANS) {
		int marker = next_marker(&w), rc;
		size_t len;

		if (marker < 0)
			break;
		if (marker == EOI) {
			info->complete = 1;
			break;
		}
		if (marker == TEM || (marker >= RST0 && marker <= RST7))
			continue;
		if (marker == SOI)
			return nst_fail(err, NST_EFORMAT, "JPEG begins anew inside itself");
		if (n - w.at < 2)
			break;
		len = get16(data + w.at);
		if (len < 2)
			return nst_fail(err, NST_EFORMAT, "JPEG has a segment of %zu bytes", len);
		if (len > n - w.at)
			break;
		if (marker == SOS) {
			if (!info->components)
				return nst_fail(err, NST_EFORMAT, "JPEG has no frame header");
			info->scans++;
		} else if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG &&
			   marker != DAC) {
			rc = frame(&w, marker, data + w.at + 2, len - 2,
				   max_pixels ? max_pixels : NST_IMAGE_PIXELS, info, err);
			if (rc < 0)
				return rc;
		} else {
			application(&w, marker, data + w.at + 2, len - 2, info);
		}
		w.at += len;
	}
	if (!info->scans && info->complete)
		return nst_fail(err, NST_EFORMAT, "JPEG has no picture in it");
	if (!info->scans)
		return nst_fail(err, NST_EFORMAT, "JPEG ends early");
	info->space = space_of(&w, info->components);
	return 0;
}

struct nst_jpeg *nst_jpeg_new(struct nst_err *err)
{
	struct nst_jpeg *j = nst_zalloc(1, sizeof *j, err);

	if (j)
		j->limit = NST_IMAGE_PIXELS;
	return j;
}

void nst_jpeg_free(struct nst_jpeg *j)
{
	if (!j)
		return;
	if (j->writer)
		tjDestroy(j->writer);
	nst_pixels_release(&j->band);
	nst_pixels_release(&j->cmyk);
	nst_pixels_release(&j->unpacked);
	nst_buf_release(&j->packed);
	nst_buf_release(&j->cut);
	free(j);
}

void nst_jpeg_lenient(struct nst_jpeg *j, int on)
{
	j->lenient = on;
}

void nst_jpeg_limit(struct nst_jpeg *j, uint64_t max_pixels)
{
	j->limit = max_pixels ? max_pixels : NST_IMAGE_PIXELS;
}

/* Warnings after which part of the picture is made up.  All others are about form. */
static int is_damage(const char *warning)
{
	static const char *const damage[] = {
		"remature end of", /* of the file, of a data segment */
		"bad Huffman code",
		"instead of RST",
	};

	for (size_t i = 0; i < sizeof damage / sizeof *damage; i++)
		if (strstr(warning, damage[i]))
			return 1;
	return 0;
}

/* A picture on its way through the library, which calls back with what it has to say; errors leave
 * it by a jump. */
struct decoding {
	struct jpeg_error_mgr report; /* the first: callbacks find the rest by it */
	struct jpeg_progress_mgr progress;
	struct jpeg_decompress_struct c;
	jmp_buf leave;
	int lenient;
	struct nst_err *err;
};

static void on_error(j_common_ptr c)
{
	struct decoding *d = (void *)c->err;
	char text[JMSG_LENGTH_MAX];

	d->report.format_message(c, text);
	(void)!nst_fail(d->err, NST_EFORMAT, "JPEG is damaged: %s", text);
	longjmp(d->leave, 1);
}

/* level -1 is a warning, 0 and above are of interest to nobody. */
static void on_message(j_common_ptr c, int level)
{
	struct decoding *d = (void *)c->err;
	char text[JMSG_LENGTH_MAX];

	if (level >= 0 || d->lenient)
		return;
	d->report.format_message(c, text);
	if (is_damage(text))
		on_error(c);
}

/* Should the library count other scans than the walk. */
static void on_progress(j_common_ptr c)
{
	struct decoding *d = (void *)c->err;

	if (d->c.input_scan_number <= NST_JPEG_SCANS)
		return;
	(void)!nst_fail(d->err, NST_ELIMIT, "JPEG has more than %d scans", NST_JPEG_SCANS);
	longjmp(d->leave, 1);
}

static unsigned reduction(const struct nst_jpeg_info *info, double reduce)
{
	for (unsigned s = 8; s > 1; s /= 2) {
		double w = (info->width + s - 1) / s, h = (info->height + s - 1) / s;

		if (w * reduce >= info->width && h * reduce >= info->height)
			return s;
	}
	return 1;
}

/* a * b / 255, rounded. */
static int times255(int a, int b)
{
	int t = a * b + 128;

	return (t + (t >> 8)) >> 8;
}

static void rgb_from_cmyk(const uint8_t *cmyk, size_t n, uint8_t *rgb)
{
	for (size_t i = 0; i < n; i++, cmyk += 4, rgb += 3)
		for (int c = 0; c < 3; c++)
			rgb[c] = (uint8_t)(cmyk[3] - times255(255 - cmyk[c], cmyk[3]));
}

/* What is decoded, in pixels of the picture as it comes out. */
struct window {
	unsigned eighths; /* scale of the picture */
	unsigned h, w;    /* all of it */
	unsigned y0, y1;  /* rows that are decoded */
	unsigned x0, x1;  /* columns */
};

/* n pixels, reduced to k eighths. */
static unsigned scaled(unsigned n, unsigned k)
{
	return (unsigned)(((uint64_t)n * k + 7) / 8);
}

static struct window whole(const struct nst_jpeg_info *info, double reduce)
{
	unsigned s = reduction(info, reduce), k = 8 / s;
	unsigned h = scaled(info->height, k), w = scaled(info->width, k);

	/* Of very small pictures, the largest scale that comes to that size. */
	while (k < 8 && scaled(info->height, k + 1) == h && scaled(info->width, k + 1) == w)
		k++;
	return (struct window){k, h, w, 0, h, 0, w};
}

/* Blocks of `block` pixels, from one boundary to another, that hold lo to hi and `margin` pixels more
 * on either side. */
static void cover(double lo, double hi, unsigned block, unsigned margin, unsigned side,
		  unsigned *begin, unsigned *end)
{
	double first = floor((lo - margin) / block), last = ceil((hi + margin) / block);

	*begin = first > 0 ? (unsigned)first * block : 0;
	*end = last * block < side ? (unsigned)last * block : side;
}

/* Narrow it down to a part of the picture.  Three columns and a row more on either side have the
 * neighbours that colours are smoothed with.  Only of the usual files: what is made of
 * scans that refine one another can depend on blocks further away. */
static void narrow(const struct nst_jpeg_info *info, const struct nst_box *part, struct window *win)
{
	double sy = (double)win->h / info->height, sx = (double)win->w / info->width;

	if (info->scans > 1 || info->progressive || info->components == 4 ||
	    info->sampling == NST_JPEG_OTHER)
		return;
	cover((double)part->y0 * sy, (double)part->y1 * sy, win->eighths * info->mcu_h / 8, 2, win->h,
	      &win->y0, &win->y1);
	cover((double)part->x0 * sx, (double)part->x1 * sx, win->eighths * info->mcu_w / 8, 2, win->w,
	      &win->x0, &win->x1);
}

/* What the library gets to read: the picture, or what was cut out of it. */
struct source {
	const uint8_t *data;
	size_t n;
	unsigned height, width; /* as stated there */
	unsigned y, x;          /* its place in the picture as it comes out */
};

/* Cut the window out, if there are entry points to do it by and it is worth it. */
static int cut_out(struct nst_jpeg *j, const struct nst_jpeg_info *info,
		   const struct nst_entries *entries, const struct window *win, struct source *from,
		   struct nst_err *err)
{
	const unsigned h = win->eighths * info->mcu_h / 8, w = win->eighths * info->mcu_w / 8;
	const struct nst_units part = {win->y0 / h, (win->y1 + h - 1) / h, win->x0 / w,
				       (win->x1 + w - 1) / w};
	struct nst_cut cut;
	int rc = nst_cut(from->data, from->n, entries, &part, &j->cut, &cut, err);

	if (rc > 0)
		*from = (struct source){j->cut.data, j->cut.len, cut.height, cut.width, cut.row * h,
					cut.column * w};
	return rc < 0 ? rc : 0;
}

/* Decode the rows of the window, into `cmyk` first if that is how they come.  They go to their places
 * in a picture `out`, or `out` has room for a band of them, from which they go on to `to`. */
static void read_rows(struct jpeg_decompress_struct *c, const struct window *win, uint8_t *cmyk,
		      uint8_t *out, const struct nst_rows *to)
{
	const size_t bytes = cmyk ? 4 : 3, line = win->w * bytes;

	for (unsigned y = win->y0, n; y < win->y1; y += n) {
		uint8_t *place = to ? out : out + (size_t)3 * win->w * y;
		uint8_t *first = cmyk ? cmyk : place;
		unsigned at = 0;

		n = win->y1 - y < BAND ? win->y1 - y : BAND;
		while (at < n) {
			JSAMPROW row[16];

			for (unsigned i = 0; i < 16 && at + i < n; i++)
				row[i] = first + line * (at + i) + win->x0 * bytes;
			at += jpeg_read_scanlines(c, row, n - at < 16 ? n - at : 16);
		}
		if (cmyk)
			rgb_from_cmyk(cmyk, (size_t)n * win->w, place);
		if (to)
			to->take(to->ctx, place, y, n);
	}
}

/* Where the window reaches the last row, what follows that is read, too. */
static void read_window(struct jpeg_decompress_struct *c, const struct source *from,
			const struct window *win, uint8_t *cmyk, uint8_t *out,
			const struct nst_rows *to)
{
	unsigned x = win->x0 - from->x, wide = win->x1 - win->x0;

	if (wide < c->output_width)
		jpeg_crop_scanline(c, &x, &wide);
	if (win->y0 > from->y)
		jpeg_skip_scanlines(c, win->y0 - from->y);
	read_rows(c, win, cmyk, out, to);
	if (win->y1 == win->h)
		jpeg_finish_decompress(c);
}

/* What is wanted of a picture, and where it goes: out, or `to` by way of a band. */
struct wanted {
	double reduce;
	const struct nst_box *part;
	const struct nst_entries *entries;
	struct nst_pixels *out;
	const struct nst_rows *to;
};

static int decode(struct nst_jpeg *j, struct decoding *d, const struct source *from,
		  const struct window *win, const struct wanted *want)
{
	const int cmyk = d->c.num_components == 4;
	struct nst_pixels *out = want->to ? &j->band : want->out;
	int rc;

	if (d->c.image_width != from->width || d->c.image_height != from->height)
		return nst_fail(d->err, NST_EFORMAT, "JPEG is damaged: ambiguous size");
	rc = nst_pixels_shape(out, want->to ? BAND : win->h, win->w, d->err);
	/* Four bytes a pixel in rows of three. */
	if (rc == 0 && cmyk)
		rc = nst_pixels_shape(&j->cmyk, (BAND * 4 + 2) / 3, win->w, d->err);
	if (rc == 0 && want->to)
		rc = want->to->begin(want->to->ctx, win->h, win->w, d->err);
	if (rc < 0)
		return rc;
	d->c.scale_num = win->eighths;
	d->c.scale_denom = 8;
	d->c.out_color_space = cmyk ? JCS_CMYK : JCS_EXT_RGB;
	jpeg_start_decompress(&d->c);
	if (d->c.output_width != scaled(from->width, win->eighths) ||
	    d->c.output_height != scaled(from->height, win->eighths))
		return nst_fail(d->err, NST_EFORMAT, "JPEG is damaged: ambiguous size");
	read_window(&d->c, from, win, cmyk ? j->cmyk.data : NULL, out->data, want->to);
	return 0;
}

/* What jumps, jumps to here; *d is the caller's, so that it is whole then. */
static int decode_guarded(struct nst_jpeg *j, struct decoding *d, const struct source *from,
			  const struct window *win, const struct wanted *want)
{
	if (setjmp(d->leave))
		return d->err->code;
	jpeg_create_decompress(&d->c);
	d->c.progress = &d->progress;
	jpeg_mem_src(&d->c, from->data, (unsigned long)from->n);
	jpeg_read_header(&d->c, TRUE);
	return decode(j, d, from, win, want);
}

static int decode_wanted(struct nst_jpeg *j, const uint8_t *data, size_t n,
			 const struct wanted *want, struct nst_jpeg_info *info, struct nst_err *err)
{
	struct decoding d = {.lenient = j->lenient, .err = err};
	struct source from = {.data = data, .n = n};
	struct window win;
	int rc = nst_jpeg_info(data, n, j->limit, info, err);

	if (rc < 0)
		return rc;
	if (info->scans > NST_JPEG_SCANS)
		return nst_fail(err, NST_ELIMIT, "JPEG has more than %d scans", NST_JPEG_SCANS);
	if (!info->complete && !j->lenient)
		return nst_fail(err, NST_EFORMAT, "JPEG ends early");
	from.height = info->height;
	from.width = info->width;
	win = whole(info, want->reduce);
	if (want->part)
		narrow(info, want->part, &win);
	if (want->part && want->entries && want->entries->count &&
	    cut_out(j, info, want->entries, &win, &from, err) < 0)
		return err->code;
	d.c.err = jpeg_std_error(&d.report);
	d.report.error_exit = on_error;
	d.report.emit_message = on_message;
	d.progress.progress_monitor = on_progress;
	rc = decode_guarded(j, &d, &from, &win, want);
	jpeg_destroy_decompress(&d.c);
	return rc;
}

int nst_jpeg_decode_part(struct nst_jpeg *j, const uint8_t *data, size_t n,
			 const struct nst_entries *entries, double reduce,
			 const struct nst_box *part, struct nst_jpeg_info *info,
			 struct nst_pixels *out, struct nst_err *err)
{
	const struct wanted want = {reduce, part, entries, out, NULL};

	return decode_wanted(j, data, n, &want, info, err);
}

int nst_jpeg_decode_rows(struct nst_jpeg *j, const uint8_t *data, size_t n,
			 const struct nst_entries *entries, double reduce,
			 const struct nst_box *part, struct nst_jpeg_info *info,
			 const struct nst_rows *to, struct nst_err *err)
{
	const struct wanted want = {reduce, part, entries, NULL, to};

	return decode_wanted(j, data, n, &want, info, err);
}

int nst_jpeg_decode(struct nst_jpeg *j, const uint8_t *data, size_t n, double reduce,
		    struct nst_jpeg_info *info, struct nst_pixels *out, struct nst_err *err)
{
	return nst_jpeg_decode_part(j, data, n, NULL, reduce, NULL, info, out, err);
}

int nst_jpeg_encode(struct nst_jpeg *j, const uint8_t *rgb, size_t h, size_t w, int quality,
		    enum nst_jpeg_sampling sampling, struct nst_buf *out, struct nst_err *err)
{
	static const int samp[] = {
		[NST_JPEG_444] = TJSAMP_444, [NST_JPEG_422] = TJSAMP_422,
		[NST_JPEG_420] = TJSAMP_420, [NST_JPEG_440] = TJSAMP_440,
		[NST_JPEG_411] = TJSAMP_411,
	};
	unsigned long size;
	unsigned char *to;
	int rc;

	if (!h || !w || h > 65500 || w > 65500)
		return nst_fail(err, NST_EINVAL, "a JPEG cannot have %zu x %zu pixels", w, h);
	if (quality < 1 || quality > 100 || sampling >= NST_JPEG_OTHER)
		return nst_fail(err, NST_EINVAL, "JPEG quality must be 1 to 100, not %d", quality);
	size = tjBufSize((int)w, (int)h, samp[sampling]);
	rc = nst_buf_reserve(out, size, err);
	if (rc < 0)
		return rc;
	if (!j->writer && !(j->writer = tjInitCompress()))
		return nst_fail(err, NST_ENOMEM, "no memory for the JPEG encoder");
	to = out->data + out->len;
	rc = tjCompress2(j->writer, rgb, (int)w, 0, (int)h, TJPF_RGB, &to, &size, samp[sampling],
			 quality, TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
	if (rc < 0)
		return nst_fail(err, NST_EFORMAT, "cannot encode a JPEG: %s",
				tjGetErrorStr2(j->writer));
	out->len += size;
	return 0;
}

int nst_jpeg_recompress(void *ctx, uint8_t *rgb, size_t h, size_t w, int quality,
			struct nst_err *err)
{
	struct nst_jpeg *j = ctx;
	struct nst_jpeg_info info;
	int rc;

	j->packed.len = 0;
	rc = nst_jpeg_encode(j, rgb, h, w, quality, NST_JPEG_420, &j->packed, err);
	if (rc == 0)
		rc = nst_jpeg_decode(j, j->packed.data, j->packed.len, 0, &info,
				     &j->unpacked, err);
	if (rc == 0)
		memcpy(rgb, j->unpacked.data, 3 * h * w);
	return rc;
}
