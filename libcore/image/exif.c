/* EXIF orientation.  An EXIF block is a small TIFF file inside a JPEG segment; only the tag 0x0112
 * of its first directory is looked for.  Every offset comes from the file and is checked against
 * the block before it is followed. */
#include "libcore/image/exif.h"

#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define ENTRY_BYTES     12

struct tiff {
	const uint8_t *p;
	size_t n;
	int big; /* most significant byte first */
};

static unsigned get16(const struct tiff *t, size_t at)
{
	const uint8_t *p = t->p + at;

	return t->big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t get32(const struct tiff *t, size_t at)
{
	uint32_t a = get16(t, at), b = get16(t, at + 2);

	return t->big ? a << 16 | b : b << 16 | a;
}

int nst_exif_orientation(const uint8_t *app1, size_t n)
{
	struct tiff t;
	size_t dir, entries;

	if (n < 6 + 8 || memcmp(app1, "Exif\0\0", 6) != 0)
		return 1;
	t.p = app1 + 6;
	t.n = n - 6;
	if (memcmp(t.p, "II*\0", 4) != 0 && memcmp(t.p, "MM\0*", 4) != 0)
		return 1;
	t.big = t.p[0] == 'M';
	dir = get32(&t, 4);
	if (dir < 8 || dir > t.n - 2)
		return 1;
	entries = get16(&t, dir);
	dir += 2;
	if (entries > (t.n - dir) / ENTRY_BYTES)
		entries = (t.n - dir) / ENTRY_BYTES;
	for (size_t i = 0; i < entries; i++, dir += ENTRY_BYTES) {
		unsigned value;

		if (get16(&t, dir) != TAG_ORIENTATION)
			continue;
		value = get16(&t, dir + 8);
		if (get16(&t, dir + 2) != TYPE_SHORT || value < 1 || value > 8)
			return 1;
		return (int)value;
	}
	return 1;
}

int nst_orientation_turns(int orientation)
{
	return orientation >= 5 && orientation <= 8;
}

int nst_orientation_apply(int orientation, const uint8_t *src, size_t h, size_t w,
			  struct nst_pixels *out, struct nst_err *err)
{
	int turns = nst_orientation_turns(orientation);
	/* Output pixel (y,x) is the source's at start + y * down + x * right, in pixels. */
	ptrdiff_t sw = (ptrdiff_t)w, last_row = ((ptrdiff_t)h - 1) * sw, start = 0;
	ptrdiff_t down = turns ? 1 : sw, right = turns ? sw : 1;
	uint8_t *dst;
	int rc;

	if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) {
		start += sw - 1; /* columns from the right */
		if (turns)
			down = -1;
		else
			right = -1;
	}
	if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {
		start += last_row; /* rows from the bottom */
		if (turns)
			right = -sw;
		else
			down = -sw;
	}
	rc = nst_pixels_shape(out, turns ? w : h, turns ? h : w, err);
	if (rc < 0)
		return rc;
	dst = out->data;
	for (size_t y = 0; y < out->h; y++) {
		ptrdiff_t at = start + (ptrdiff_t)y * down;

		for (size_t x = 0; x < out->w; x++, dst += 3, at += right)
			memcpy(dst, src + 3 * at, 3);
	}
	return 0;
}
