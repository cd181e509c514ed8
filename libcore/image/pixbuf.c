/* Other formats, through gdk-pixbuf: the library that desktops decode untrusted pictures with.
 *
 * The loader is chosen by the type that was sniffed, never by the library's own guess, so that its
 * rarer loaders (icons, cursors, drawings that may refer to other files) are out of reach.  It
 * calls back once it knows the size; there a picture that is too large is stopped, before memory
 * is taken for it. */
#include "libcore/image/pixbuf.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>

#include "libcore/image/exif.h"
#include "libcore/image/jpeg.h"

#define PIECE 65536 /* bytes handed over at once: a refused picture costs no more than that */

struct limit {
	uint64_t pixels;
	int w, h; /* of a picture above the limit, else 0 */
};

static const char *loader_name(enum nst_file_type type)
{
	switch (type) {
	case NST_FILE_PNG:
		return "png";
	case NST_FILE_GIF:
		return "gif";
	case NST_FILE_BMP:
		return "bmp";
	case NST_FILE_TIFF:
		return "tiff";
	case NST_FILE_WEBP:
		return "webp";
	case NST_FILE_PNM:
		return "pnm";
	case NST_FILE_TGA:
		return "tga";
	default:
		return NULL;
	}
}

static int installed(const char *name)
{
	GSList *all = gdk_pixbuf_get_formats();
	int found = 0;

	for (GSList *l = all; l && !found; l = l->next) {
		char *s = gdk_pixbuf_format_get_name(l->data);

		found = !strcmp(s, name);
		g_free(s);
	}
	g_slist_free(all);
	return found;
}

static void size_known(GdkPixbufLoader *loader, int w, int h, gpointer user)
{
	struct limit *l = user;

	if (w > 0 && h > 0 && (uint64_t)w * (uint64_t)h > l->pixels) {
		l->w = w;
		l->h = h;
		gdk_pixbuf_loader_set_size(loader, 0, 0); /* "only the size was wanted" */
	}
}

/* The orientation the loader found, 1...8. */
static int orientation_of(GdkPixbuf *pb)
{
	const char *s = gdk_pixbuf_get_option(pb, "orientation");

	return s && s[0] >= '1' && s[0] <= '8' && !s[1] ? s[0] - '0' : 1;
}

/* Copy the colours out, row by row and without the fourth channel. */
static int take(GdkPixbuf *pb, struct nst_pixels *out, struct nst_err *err)
{
	size_t h = (size_t)gdk_pixbuf_get_height(pb), w = (size_t)gdk_pixbuf_get_width(pb);
	size_t channels = (size_t)gdk_pixbuf_get_n_channels(pb);
	size_t line = (size_t)gdk_pixbuf_get_rowstride(pb);
	const guint8 *src = gdk_pixbuf_read_pixels(pb);
	int orientation = orientation_of(pb), rc;
	struct nst_pixels lying = {0};
	uint8_t *dst;

	rc = nst_pixels_shape(out, h, w, err);
	if (rc < 0)
		return rc;
	dst = out->data;
	for (size_t y = 0; y < h; y++, src += line)
		for (size_t x = 0; x < w; x++, dst += 3)
			memcpy(dst, src + x * channels, 3);
	if (orientation == 1)
		return 0;
	nst_pixels_swap(out, &lying);
	rc = nst_orientation_apply(orientation, lying.data, h, w, out, err);
	nst_pixels_release(&lying);
	return rc;
}

/* What a header states: the size, and the bytes that the file must have at least. */
struct extent {
	uint64_t w, h, bytes;
};

static uint32_t big32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* The whole file up to its end chunk. */
static void png_extent(const uint8_t *data, size_t n, struct extent *e)
{
	size_t at = 8;

	while (n - at >= 12) {
		size_t len = big32(data + at);

		if (!memcmp(data + at + 4, "IEND", 4) || len > n - at - 12)
			break;
		at += 12 + len;
	}
	e->bytes = (uint64_t)at + 12;
	if (n - at >= 12 && memcmp(data + at + 4, "IEND", 4) != 0)
		e->bytes += big32(data + at);
}

/* Uncompressed bitmaps: their rows, padded to four bytes. */
static void bmp_extent(const uint8_t *data, size_t n, struct extent *e)
{
	uint64_t bits;

	if (n < 34 || little32(data + 14) < 40 ||
	    (little32(data + 30) != 0 && little32(data + 30) != 3))
		return;
	e->w = little32(data + 18);
	e->h = little32(data + 22);
	if (e->h > INT32_MAX)
		e->h = (uint32_t)-e->h; /* stored from the top */
	bits = e->w * (data[28] | (unsigned)data[29] << 8);
	if (e->w <= INT32_MAX)
		e->bytes = little32(data + 10) + (bits + 31) / 32 * 4 * e->h;
}

/* The next number of a PNM header, behind white space and comments; 0 when there is none. */
static uint64_t pnm_number(const uint8_t *data, size_t n, size_t *at)
{
	uint64_t v = 0;

	while (*at < n && (data[*at] == ' ' || data[*at] == '#' ||
			   (data[*at] >= '\t' && data[*at] <= '\r')))
		if (data[(*at)++] == '#')
			while (*at < n && data[*at] != '\n')
				++*at;
	while (*at < n && data[*at] >= '0' && data[*at] <= '9' && v < 100000000)
		v = 10 * v + data[(*at)++] - '0';
	return v;
}

/* Binary forms have bits, bytes or pairs of them, text forms a digit and a blank each at least. */
static void pnm_extent(const uint8_t *data, size_t n, struct extent *e)
{
	int kind = data[1] - '0';
	size_t at = 2;
	uint64_t most, values;

	e->w = pnm_number(data, n, &at);
	e->h = pnm_number(data, n, &at);
	most = kind == 1 || kind == 4 ? 1 : pnm_number(data, n, &at);
	values = e->w * e->h * (kind == 3 || kind == 6 ? 3 : 1);
	if (kind == 4)
		values = (e->w + 7) / 8 * e->h;
	else if (kind == 2 || kind == 3)
		values = values ? 2 * values - 1 : 0;
	else if (kind > 4 && most > 255)
		values *= 2;
	e->bytes = at + 1 + values;
}

/* The library shows as much of a truncated PNG, BMP or PNM as there is, and of a refused PNM
 * complains on standard error: their headers are read here first.  The other loaders mind. */
static int check_extent(const uint8_t *data, size_t n, enum nst_file_type type, uint64_t limit,
			struct nst_err *err)
{
	struct extent e = {0};
	const char *shown = nst_file_type_name(type);

	if (type == NST_FILE_PNG)
		png_extent(data, n, &e);
	else if (type == NST_FILE_BMP)
		bmp_extent(data, n, &e);
	else if (type == NST_FILE_PNM)
		pnm_extent(data, n, &e);
	if (e.w && e.h > limit / e.w)
		return nst_fail(err, NST_ELIMIT,
				"%s has %llu x %llu pixels, more than the limit of %llu", shown,
				(unsigned long long)e.w, (unsigned long long)e.h,
				(unsigned long long)limit);
	if (e.bytes > n)
		return nst_fail(err, NST_EFORMAT, "%s ends early", shown);
	return 0;
}

static int fail(const char *type, const struct limit *l, GError *e, struct nst_err *err)
{
	int rc;

	if (l->w)
		rc = nst_fail(err, NST_ELIMIT, "%s has %d x %d pixels, more than the limit of %llu",
			      type, l->w, l->h, (unsigned long long)l->pixels);
	else
		rc = nst_fail(err, NST_EFORMAT, "%s cannot be decoded: %s", type,
			      e ? e->message : "no picture in it");
	g_clear_error(&e);
	return rc;
}

int nst_pixbuf_decode(const uint8_t *data, size_t n, enum nst_file_type type, uint64_t max_pixels,
		      struct nst_pixels *out, struct nst_err *err)
{
	const char *name = loader_name(type), *shown = nst_file_type_name(type);
	struct limit l = {.pixels = max_pixels ? max_pixels : NST_IMAGE_PIXELS};
	GdkPixbufLoader *loader;
	GdkPixbuf *pb;
	GError *e = NULL;
	int ok = 1, rc;

	if (!name)
		return nst_fail(err, NST_EFORMAT, "not a picture in a known format");
	if (!installed(name))
		return nst_fail(err, NST_EFORMAT, "gdk-pixbuf has no loader for %s installed",
				shown);
	rc = check_extent(data, n, type, l.pixels, err);
	if (rc < 0)
		return rc;
	loader = gdk_pixbuf_loader_new_with_type(name, &e);
	if (!loader)
		return fail(shown, &l, e, err);
	g_signal_connect(loader, "size-prepared", G_CALLBACK(size_known), &l);
	for (size_t at = 0; ok && !l.w && at < n; at += PIECE)
		ok = gdk_pixbuf_loader_write(loader, data + at, n - at < PIECE ? n - at : PIECE,
					     &e);
	/* Always closed; an error before is the one that is told. */
	if (!gdk_pixbuf_loader_close(loader, ok ? &e : NULL))
		ok = 0;
	pb = ok && !l.w ? gdk_pixbuf_loader_get_pixbuf(loader) : NULL;
	rc = pb ? take(pb, out, err) : fail(shown, &l, e, err);
	g_object_unref(loader);
	return rc;
}

struct sink {
	struct nst_buf *out;
	struct nst_err *err;
	int rc;
};

static gboolean append(const gchar *p, gsize n, GError **e, gpointer user)
{
	struct sink *s = user;

	s->rc = nst_buf_append(s->out, p, n, s->err);
	if (s->rc < 0)
		g_set_error_literal(e, GDK_PIXBUF_ERROR, GDK_PIXBUF_ERROR_INSUFFICIENT_MEMORY,
				    "no memory");
	return s->rc == 0;
}

int nst_pixbuf_encode_png(const uint8_t *rgb, size_t h, size_t w, struct nst_buf *out,
			  struct nst_err *err)
{
	struct sink s = {out, err, 0};
	size_t before = out->len;
	GdkPixbuf *pb;
	GError *e = NULL;
	gboolean ok;

	if (!h || !w || h > G_MAXINT / 3 || w > G_MAXINT / 3)
		return nst_fail(err, NST_EINVAL, "a PNG cannot have %zu x %zu pixels", w, h);
	pb = gdk_pixbuf_new_from_data(rgb, GDK_COLORSPACE_RGB, FALSE, 8, (int)w, (int)h,
				      (int)(3 * w), NULL, NULL);
	ok = gdk_pixbuf_save_to_callbackv(pb, append, &s, "png", NULL, NULL, &e);
	g_object_unref(pb);
	if (ok)
		return 0;
	out->len = before;
	if (s.rc == 0)
		s.rc = nst_fail(err, NST_EFORMAT, "cannot encode a PNG: %s", e->message);
	g_clear_error(&e);
	return s.rc;
}
