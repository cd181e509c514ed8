/* The operations of RandAugment.  Pointwise ones become a table of 256 entries a channel; geometry
 * becomes six numbers and one loop that looks up the nearest pixel.
 *
 * Where a value is cut off to 8 bits the arithmetic is single precision, as in the TensorFlow
 * original: that decides which way x.9999997 goes. */
#include "libcore/augment/ops.h"

#include <math.h>
#include <string.h>

#include "libcore/util/clones.h"

#define PI    3.14159265358979323846
#define PIECE 256 /* pixels that are worked on at a time */

typedef uint8_t table[256];

static uint8_t clip(int v)
{
	return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* One table for all channels, or three. */
static void look_up(uint8_t *img, size_t n, const table t)
{
	for (size_t i = 0; i < 3 * n; i++)
		img[i] = t[img[i]];
}

static void look_up3(uint8_t *img, size_t n, table t[3])
{
	for (size_t i = 0; i < n; i++, img += 3) {
		img[0] = t[0][img[0]];
		img[1] = t[1][img[1]];
		img[2] = t[2][img[2]];
	}
}

/* Odd pixels count apart, so that neighbours of one colour do not wait for each other. */
static void histogram(const uint8_t *img, size_t n, size_t count[3][256])
{
	uint32_t half[2][3][256] = {{{0}}};

	for (size_t i = 0; i < n; i++, img += 3) {
		half[i % 2][0][img[0]]++;
		half[i % 2][1][img[1]]++;
		half[i % 2][2][img[2]]++;
	}
	for (size_t c = 0; c < 3; c++)
		for (size_t v = 0; v < 256; v++)
			count[c][v] = (size_t)half[0][c][v] + half[1][c][v];
}

void nst_op_autocontrast(uint8_t *img, size_t h, size_t w)
{
	size_t count[3][256];
	table t[3];

	histogram(img, h * w, count);
	for (int c = 0; c < 3; c++) {
		int lo = 0, hi = 255;

		while (lo < 255 && !count[c][lo])
			lo++;
		while (hi > lo && !count[c][hi])
			hi--;
		for (int v = 0; v < 256; v++) {
			float scale = 255.0f / (float)(hi > lo ? hi - lo : 255);
			float offset = -(float)(hi > lo ? lo : 0) * scale;

			t[c][v] = clip((int)((float)v * scale + offset));
		}
	}
	look_up3(img, h * w, t);
}

void nst_op_equalize(uint8_t *img, size_t h, size_t w)
{
	size_t count[3][256];
	table t[3];

	histogram(img, h * w, count);
	for (int c = 0; c < 3; c++) {
		size_t last = 255, step, sum;

		while (last && !count[c][last])
			last--;
		step = (h * w - count[c][last]) / 255;
		sum = step / 2;
		for (size_t v = 0; v < 256; v++) {
			size_t to = step ? sum / step : v;

			t[c][v] = to > 255 ? 255 : (uint8_t)to;
			sum += count[c][v];
		}
	}
	look_up3(img, h * w, t);
}

void nst_op_invert(uint8_t *img, size_t h, size_t w)
{
	for (size_t i = 0; i < 3 * h * w; i++)
		img[i] = (uint8_t)~img[i];
}

void nst_op_posterize(uint8_t *img, size_t h, size_t w, int bits)
{
	int drop = bits < 0 ? 8 : bits > 8 ? 0 : 8 - bits;

	for (size_t i = 0; i < 3 * h * w; i++)
		img[i] = (uint8_t)(img[i] >> drop << drop);
}

void nst_op_solarize(uint8_t *img, size_t h, size_t w, int threshold)
{
	for (size_t i = 0; i < 3 * h * w; i++)
		if (img[i] >= threshold)
			img[i] = (uint8_t)~img[i];
}

void nst_op_solarize_add(uint8_t *img, size_t h, size_t w, int add)
{
	table t;

	for (int v = 0; v < 256; v++)
		t[v] = v < 128 ? clip(v + add) : (uint8_t)v;
	look_up(img, h * w, t);
}

/* from + factor * (to - from), cut off.  Without a branch, so that loops of it become vectors. */
static inline uint8_t blend(int from, int to, float factor)
{
	float v = (float)from + factor * (float)(to - from);

	v = v > 0 ? v : 0;
	v = v < 255 ? v : 255;
	return (uint8_t)(int)v;
}

NST_CLONES
static void blend_line(uint8_t *to, const uint8_t *from, size_t bytes, float factor)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = blend(from[i], to[i], factor);
}

static uint8_t gray(const uint8_t *p, enum nst_ops_flavour fl)
{
	if (fl == NST_OPS_TF)
		return (uint8_t)((0.2989f * (float)p[0] + 0.5870f * (float)p[1] +
				  0.1140f * (float)p[2]) * (255.5f / 255));
	return (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
}

void nst_op_color(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl)
{
	uint8_t level[3 * PIECE];

	for (size_t i = 0; i < h * w; i += PIECE) {
		size_t n = h * w - i < PIECE ? h * w - i : PIECE;

		for (size_t j = 0; j < n; j++)
			level[3 * j] = level[3 * j + 1] = level[3 * j + 2] =
				gray(img + 3 * (i + j), fl);
		blend_line(img + 3 * i, level, 3 * n, (float)factor);
	}
}

static void blend_with_level(uint8_t *img, size_t n, int level, double factor)
{
	table t;

	for (int v = 0; v < 256; v++)
		t[v] = blend(level, v, (float)factor);
	look_up(img, n, t);
}

void nst_op_contrast(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl)
{
	size_t n = h * w;
	uint64_t sum = 0;

	if (fl == NST_OPS_TF) {
		blend_with_level(img, n, n / 256 > 255 ? 255 : (int)(n / 256), factor);
		return;
	}
	for (size_t i = 0; i < n; i++)
		sum += gray(img + 3 * i, fl);
	blend_with_level(img, n, (int)((double)sum / (double)n + 0.5), factor);
}

void nst_op_brightness(uint8_t *img, size_t h, size_t w, double factor)
{
	blend_with_level(img, h * w, 0, factor);
}

/* v / 13 for v up to 13 * 255 + 6: the error of 5042 / 2^16 adds up to less than a thirteenth. */
static inline uint8_t thirteenth(uint16_t v)
{
	return (uint8_t)((uint32_t)v * 5042 >> 16);
}

NST_CLONES
static void smooth_line(const uint8_t *up, const uint8_t *at, const uint8_t *down, size_t n, int half,
			uint8_t *to)
{
	for (size_t x = 0; x < n; x++)
		to[x] = thirteenth((uint16_t)(up[x] + up[x + 3] + up[x + 6] + at[x] +
					      5 * at[x + 3] + at[x + 6] + down[x] + down[x + 3] +
					      down[x + 6] + half));
}

void nst_op_sharpness(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl,
		      uint8_t *tmp)
{
	size_t line = 3 * w;
	int half = fl == NST_OPS_TF ? 0 : 6; /* of 13: cut off or round */

	if (h < 3 || w < 3)
		return; /* nothing but borders */
	memcpy(tmp, img, line * h);
	for (size_t y = 1; y + 1 < h; y++) {
		for (size_t from = 3; from < line - 3; from += 3 * PIECE) {
			const uint8_t *at = tmp + y * line + from - 3;
			size_t n = line - 3 - from < 3 * PIECE ? line - 3 - from : 3 * PIECE;
			uint8_t smooth[3 * PIECE];

			smooth_line(at - line, at, at + line, n, half, smooth);
			blend_line(img + y * line + from, smooth, n, (float)factor);
		}
	}
}

/* Pixel (x,y) of the result is the one of the picture at (ax x + bx y + cx, ay x + by y + cy). */
struct map {
	double ax, bx, cx, ay, by, cy;
};

/* Copy one line of the result: its pixel x from column sx[x] of line sy[x], or grey where that is
 * outside (-1 in sx). */
static void warp_line(const uint8_t *src, size_t w, size_t n, const int32_t *sx, const int32_t *sy,
		      uint8_t *dst)
{
	for (size_t x = 0; x < n; x++, dst += 3) {
		if (sx[x] >= 0)
			memcpy(dst, src + 3 * ((size_t)sy[x] * w + (size_t)sx[x]), 3);
		else
			memset(dst, NST_OPS_FILL, 3);
	}
}

/* roundf() of v > -0.5, without the call: the difference is exact. */
static inline int32_t nearest(float v)
{
	int32_t whole = (int32_t)v;

	return whole + (v - (float)whole >= 0.5f);
}

/* Where n pixels of line y from column `from` on come from, measured between pixel centres, in
 * single precision. */
NST_CLONES
static void places_tf(const struct map *m, int32_t from, size_t y, size_t n, size_t h, size_t w,
		      int32_t *sx, int32_t *sy)
{
	const float ax = (float)m->ax, bx = (float)m->bx, cx = (float)m->cx;
	const float ay = (float)m->ay, by = (float)m->by, cy = (float)m->cy;
	const float line = (float)y, right = (float)w - 0.5f, bottom = (float)h - 0.5f;

	for (size_t x = 0; x < n; x++) {
		float column = (float)(from + (int32_t)x);
		float vx = ax * column + bx * line + cx, vy = ay * column + by * line + cy;
		int inside = (vx > -0.5f) & (vx < right) & (vy > -0.5f) & (vy < bottom);

		/* Numbers that are converted whatever comes of it: a vector has no branches. */
		vx = inside ? vx : 0;
		vy = inside ? vy : 0;
		sx[x] = inside ? nearest(vx) : -1;
		sy[x] = inside ? nearest(vy) : -1;
	}
}

/* Nearest pixel. */
static void warp_tf(const struct map *m, const uint8_t *src, size_t h, size_t w, uint8_t *dst)
{
	int32_t sx[PIECE], sy[PIECE];

	for (size_t y = 0; y < h; y++) {
		for (size_t from = 0, n; from < w; from += n, dst += 3 * n) {
			n = w - from < PIECE ? w - from : PIECE;

			places_tf(m, (int32_t)from, y, n, h, w, sx, sy);
			warp_line(src, w, n, sx, sy, dst);
		}
	}
}

/* 16.16 fixed point, kept in 64 bits so that no picture and no shear overflows. */
static int64_t fixed(double v)
{
	return (int64_t)floor(v * 65536 + 0.5);
}

static void warp_pil(const struct map *m, const uint8_t *src, size_t h, size_t w, uint8_t *dst)
{
	int64_t ax = fixed(m->ax), bx = fixed(m->bx), ay = fixed(m->ay), by = fixed(m->by);
	int64_t row_x = fixed(m->cx + m->ax * 0.5 + m->bx * 0.5);
	int64_t row_y = fixed(m->cy + m->ay * 0.5 + m->by * 0.5);

	for (size_t y = 0; y < h; y++, row_x += bx, row_y += by) {
		int64_t at_x = row_x, at_y = row_y;

		for (size_t x = 0; x < w; x++, dst += 3, at_x += ax, at_y += ay) {
			int64_t sx = at_x >> 16, sy = at_y >> 16;

			if (sx >= 0 && sx < (int64_t)w && sy >= 0 && sy < (int64_t)h)
				memcpy(dst, src + 3 * ((size_t)sy * w + (size_t)sx), 3);
			else
				memset(dst, NST_OPS_FILL, 3);
		}
	}
}

static void warp(const struct map *m, uint8_t *img, size_t h, size_t w, enum nst_ops_flavour fl,
		 uint8_t *tmp)
{
	memcpy(tmp, img, 3 * h * w);
	if (fl == NST_OPS_TF)
		warp_tf(m, tmp, h, w, img);
	else
		warp_pil(m, tmp, h, w, img);
}

void nst_op_rotate(uint8_t *img, size_t h, size_t w, double degrees, enum nst_ops_flavour fl,
		   uint8_t *tmp)
{
	double a = degrees * (PI / 180), c = cos(a), s = sin(a);
	/* The middle, in the flavour's own count of pixels. */
	double mx = ((double)w - (fl == NST_OPS_TF)) / 2, my = ((double)h - (fl == NST_OPS_TF)) / 2;
	struct map m = {c, -s, mx - c * mx + s * my, s, c, my - s * mx - c * my};

	warp(&m, img, h, w, fl, tmp);
}

void nst_op_shear_x(uint8_t *img, size_t h, size_t w, double shear, enum nst_ops_flavour fl,
		    uint8_t *tmp)
{
	warp(&(struct map){1, shear, 0, 0, 1, 0}, img, h, w, fl, tmp);
}

void nst_op_shear_y(uint8_t *img, size_t h, size_t w, double shear, enum nst_ops_flavour fl,
		    uint8_t *tmp)
{
	warp(&(struct map){1, 0, 0, shear, 1, 0}, img, h, w, fl, tmp);
}

void nst_op_translate_x(uint8_t *img, size_t h, size_t w, double pixels, enum nst_ops_flavour fl,
			uint8_t *tmp)
{
	warp(&(struct map){1, 0, pixels, 0, 1, 0}, img, h, w, fl, tmp);
}

void nst_op_translate_y(uint8_t *img, size_t h, size_t w, double pixels, enum nst_ops_flavour fl,
			uint8_t *tmp)
{
	warp(&(struct map){1, 0, 0, 0, 1, pixels}, img, h, w, fl, tmp);
}

void nst_op_cutout(uint8_t *img, size_t h, size_t w, size_t cy, size_t cx, size_t half)
{
	size_t y0 = cy > half ? cy - half : 0, x0 = cx > half ? cx - half : 0;
	size_t y1 = half < h - cy ? cy + half : h, x1 = half < w - cx ? cx + half : w;

	for (size_t y = y0; y < y1; y++)
		memset(img + 3 * (y * w + x0), NST_OPS_FILL, 3 * (x1 - x0));
}
