/* The operations of RandAugment.  Pointwise ones are loops over bytes without a branch, which the
 * compiler makes vectors of: faster than looking up 256 entries one by one, which is left to
 * equalize.  Geometry becomes six numbers; from these the place in the picture of every pixel of a
 * line is computed, again in vectors, and then the pixels are copied.
 *
 * Where a value is cut off to 8 bits the arithmetic is single precision, as in the TensorFlow
 * original: that decides which way x.9999997 goes. */
#include "libcore/augment/ops.h"

#include <math.h>
#include <string.h>

#include "libcore/util/clones.h"

#define PI    3.14159265358979323846
#define PIECE 256 /* pixels that are worked on at a time */
#define LANES 96  /* bytes that are compared at a time: whole pixels and whole vectors */

typedef uint8_t table[256];

/* Of `left` pixels, how many are worked on now. */
static size_t piece(size_t left)
{
	return left < PIECE ? left : PIECE;
}

/* To 8 bits, fractions cut off.  Without a branch, so that loops of it become vectors, and limited
 * as an integer, which they do in fewer steps than with floats. */
static inline uint8_t cut(float v)
{
	int whole = (int)v;

	whole = whole > 0 ? whole : 0;
	whole = whole < 255 ? whole : 255;
	return (uint8_t)whole;
}

/* Four pixels are read before the first is written: a store would make the loads behind it wait. */
static void look_up(uint8_t *img, size_t n, const table t[3])
{
	for (; n >= 4; n -= 4, img += 12) {
		uint8_t four[12];

		for (size_t k = 0; k < 12; k++)
			four[k] = t[k % 3][img[k]];
		memcpy(img, four, 12);
	}
	for (size_t k = 0; k < 3 * n; k++)
		img[k] = t[k % 3][img[k]];
}

/* Odd pixels count apart, so that neighbours of one colour do not wait for each other. */
static void histogram(const uint8_t *img, size_t n, size_t count[3][256])
{
	uint32_t half[2][3][256] = {{{0}}};
	size_t i = 0;

	for (; i + 4 <= n; i += 4, img += 12)
		for (size_t k = 0; k < 12; k++)
			half[k / 3 % 2][k % 3][img[k]]++;
	for (; i < n; i++, img += 3)
		for (size_t k = 0; k < 3; k++)
			half[0][k][img[k]]++;
	for (size_t c = 0; c < 3; c++)
		for (size_t v = 0; v < 256; v++)
			count[c][v] = (size_t)half[0][c][v] + half[1][c][v];
}

/* Least and greatest value of every channel. */
NST_CLONES
static void extremes(const uint8_t *img, size_t n, uint8_t lo[3], uint8_t hi[3])
{
	uint8_t least[LANES], most[LANES];
	size_t i = 0;

	memset(least, 255, sizeof least);
	memset(most, 0, sizeof most);
	for (; i + LANES <= 3 * n; i += LANES, img += LANES)
		for (size_t k = 0; k < LANES; k++) {
			least[k] = img[k] < least[k] ? img[k] : least[k];
			most[k] = img[k] > most[k] ? img[k] : most[k];
		}
	for (size_t k = 0; i < 3 * n; i++, k++) {
		least[k] = img[k] < least[k] ? img[k] : least[k];
		most[k] = img[k] > most[k] ? img[k] : most[k];
	}
	memcpy(lo, least, 3);
	memcpy(hi, most, 3);
	for (size_t k = 3; k < LANES; k++) {
		lo[k % 3] = least[k] < lo[k % 3] ? least[k] : lo[k % 3];
		hi[k % 3] = most[k] > hi[k % 3] ? most[k] : hi[k % 3];
	}
}

/* img[i] * scale[i] + offset[i], cut off. */
NST_CLONES
static void stretch_line(uint8_t *img, size_t bytes, const float *scale, const float *offset)
{
	for (size_t i = 0; i < bytes; i++)
		img[i] = cut((float)img[i] * scale[i] + offset[i]);
}

void nst_op_autocontrast(uint8_t *img, size_t h, size_t w)
{
	float scale[3 * PIECE], offset[3 * PIECE];
	uint8_t lo[3], hi[3];

	extremes(img, h * w, lo, hi);
	for (size_t i = 0; i < 3 * PIECE; i++) {
		int least = lo[i % 3], range = hi[i % 3] - least;

		scale[i] = 255.0f / (float)(range ? range : 255);
		offset[i] = -(float)(range ? least : 0) * scale[i];
	}
	for (size_t i = 0; i < h * w; i += PIECE)
		stretch_line(img + 3 * i, 3 * piece(h * w - i), scale, offset);
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
	look_up(img, h * w, (const table *)t);
}

void nst_op_invert(uint8_t *img, size_t h, size_t w)
{
	for (size_t i = 0; i < 3 * h * w; i++)
		img[i] = (uint8_t)~img[i];
}

void nst_op_posterize(uint8_t *img, size_t h, size_t w, int bits)
{
	int drop = bits < 0 ? 8 : bits > 8 ? 0 : 8 - bits;
	uint8_t keep = (uint8_t)(0xff << drop);

	for (size_t i = 0; i < 3 * h * w; i++)
		img[i] &= keep;
}

void nst_op_solarize(uint8_t *img, size_t h, size_t w, int threshold)
{
	uint8_t from = threshold < 0 ? 0 : (uint8_t)threshold;

	if (threshold > 255)
		return;
	for (size_t i = 0; i < 3 * h * w; i++)
		img[i] = img[i] >= from ? (uint8_t)~img[i] : img[i];
}

void nst_op_solarize_add(uint8_t *img, size_t h, size_t w, int add)
{
	/* More than the whole range changes nothing, but would not fit. */
	int16_t more = (int16_t)(add < -255 ? -255 : add > 255 ? 255 : add);

	for (size_t i = 0; i < 3 * h * w; i++) {
		int16_t sum = (int16_t)(img[i] + more);

		sum = sum > 0 ? sum : 0;
		sum = sum < 255 ? sum : 255;
		img[i] = img[i] < 128 ? (uint8_t)sum : img[i];
	}
}

/* from + factor * (to - from), cut off. */
static inline uint8_t blend(int from, int to, float factor)
{
	return cut((float)from + factor * (float)(to - from));
}

NST_CLONES
static void blend_line(uint8_t *to, const uint8_t *from, size_t bytes, float factor)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = blend(from[i], to[i], factor);
}

static inline uint8_t gray_tf(const uint8_t *p)
{
	return (uint8_t)(int)((0.2989f * (float)p[0] + 0.5870f * (float)p[1] +
			       0.1140f * (float)p[2]) * (255.5f / 255));
}

static inline uint8_t gray_pil(const uint8_t *p)
{
	return (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
}

/* The grey level of n pixels, at most PIECE of them. */
NST_CLONES
static void gray_line(const uint8_t *img, size_t n, enum nst_ops_flavour fl, uint8_t *gray)
{
	if (fl == NST_OPS_TF)
		for (size_t i = 0; i < n; i++)
			gray[i] = gray_tf(img + 3 * i);
	else
		for (size_t i = 0; i < n; i++)
			gray[i] = gray_pil(img + 3 * i);
}

NST_CLONES
static void spread_line(const uint8_t *gray, size_t n, uint8_t *rgb)
{
	for (size_t i = 0; i < n; i++)
		rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = gray[i];
}

void nst_op_color(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl)
{
	uint8_t gray[PIECE], rgb[3 * PIECE];

	for (size_t i = 0; i < h * w; i += PIECE) {
		size_t n = piece(h * w - i);

		gray_line(img + 3 * i, n, fl, gray);
		spread_line(gray, n, rgb);
		blend_line(img + 3 * i, rgb, 3 * n, (float)factor);
	}
}

static void blend_with_level(uint8_t *img, size_t n, int level, double factor)
{
	uint8_t rgb[3 * PIECE];

	memset(rgb, level, sizeof rgb);
	for (size_t i = 0; i < n; i += PIECE)
		blend_line(img + 3 * i, rgb, 3 * piece(n - i), (float)factor);
}

/* The mean grey level, rounded. */
static int mean_level(const uint8_t *img, size_t n)
{
	uint8_t gray[PIECE];
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i += PIECE) {
		size_t some = piece(n - i);

		gray_line(img + 3 * i, some, NST_OPS_PIL, gray);
		for (size_t k = 0; k < some; k++)
			sum += gray[k];
	}
	return (int)((double)sum / (double)n + 0.5);
}

void nst_op_contrast(uint8_t *img, size_t h, size_t w, double factor, enum nst_ops_flavour fl)
{
	size_t n = h * w;
	int level = n / 256 > 255 ? 255 : (int)(n / 256);

	blend_with_level(img, n, fl == NST_OPS_TF ? level : mean_level(img, n), factor);
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

/* Whether n places lie side by side in the picture. */
NST_CLONES
static int side_by_side(const int32_t *from, size_t n)
{
	int32_t apart = 0;

	for (size_t x = 0; x < n; x++)
		apart |= from[x] - from[0] - 3 * (int32_t)x;
	return !apart;
}

/* Copy n pixels of a line of the result: pixel x is at byte from[x] of the picture, or outside of
 * it (below 0), where grey is shown.  What is inside is one stretch: a straight line crosses it. */
static void copy_places(const uint8_t *src, const int32_t *from, size_t n, uint8_t *dst)
{
	size_t begin = 0, end = n;

	while (begin < n && from[begin] < 0)
		begin++;
	while (end > begin && from[end - 1] < 0)
		end--;
	memset(dst, NST_OPS_FILL, 3 * begin);
	memset(dst + 3 * end, NST_OPS_FILL, 3 * (n - end));
	if (begin < end && side_by_side(from + begin, end - begin))
		memcpy(dst + 3 * begin, src + from[begin], 3 * (end - begin));
	else
		for (size_t x = begin; x < end; x++)
			memcpy(dst + 3 * x, src + from[x], 3);
}

static inline float within(float v, float lo, float hi)
{
	v = v > lo ? v : lo;
	return v < hi ? v : hi;
}

/* roundf() of v >= 0, without the call: the difference is exact. */
static inline int32_t nearest(float v)
{
	int32_t whole = (int32_t)v;

	return whole + (v - (float)whole >= 0.5f);
}

/* Where n pixels of line y from column `first` on come from, measured between pixel centres, in
 * single precision: the nearest pixel.  Outside, too, a place inside is computed: a vector has no
 * branches. */
NST_CLONES
static void places_tf(const struct map *m, int32_t first, int32_t y, int32_t n, int32_t h,
		      int32_t w, int32_t *from)
{
	const float ax = (float)m->ax, bx = (float)m->bx, cx = (float)m->cx;
	const float ay = (float)m->ay, by = (float)m->by, cy = (float)m->cy;
	const float line = (float)y, right = (float)w - 0.5f, bottom = (float)h - 0.5f;

	for (int32_t x = 0; x < n; x++) {
		float column = (float)(first + x);
		float vx = ax * column + bx * line + cx, vy = ay * column + by * line + cy;
		int32_t sx = nearest(within(vx, 0, (float)(w - 1)));
		int32_t sy = nearest(within(vy, 0, (float)(h - 1)));
		int32_t inside = (vx > -0.5f) & (vx < right) & (vy > -0.5f) & (vy < bottom);

		from[x] = 3 * (sy * w + sx) | (inside - 1);
	}
}

static void warp_tf(const struct map *m, const uint8_t *src, size_t h, size_t w, uint8_t *dst)
{
	int32_t from[PIECE];

	for (size_t y = 0; y < h; y++)
		for (size_t x = 0; x < w; x += PIECE) {
			size_t n = piece(w - x);

			places_tf(m, (int32_t)x, (int32_t)y, (int32_t)n, (int32_t)h, (int32_t)w,
				  from);
			copy_places(src, from, n, dst + 3 * (y * w + x));
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
	int32_t from[PIECE];

	for (size_t y = 0; y < h; y++, row_x += bx, row_y += by) {
		int64_t at_x = row_x, at_y = row_y;

		for (size_t first = 0; first < w; first += PIECE) {
			size_t n = piece(w - first);

			for (size_t x = 0; x < n; x++, at_x += ax, at_y += ay) {
				int64_t sx = at_x >> 16, sy = at_y >> 16;
				int inside = sx >= 0 && sx < (int64_t)w && sy >= 0 && sy < (int64_t)h;

				from[x] = inside ? (int32_t)(3 * (sy * (int64_t)w + sx)) : -1;
			}
			copy_places(src, from, n, dst + 3 * (y * w + first));
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

/* A place inside a picture: the pixel that the filter's window begins with, and how far behind the
 * centre of its middle it lies. */
struct spot {
	long x, y;
	double dx, dy;
};

/* `before`: pixels of the window left of and above the one that holds the place. */
static inline struct spot spot_at(double vx, double vy, long before)
{
	double fx = floor(vx - 0.5), fy = floor(vy - 0.5);

	return (struct spot){(long)fx - before, (long)fy - before, vx - 0.5 - fx, vy - 0.5 - fy};
}

static inline size_t keep(long i, size_t n)
{
	return i < 0 ? 0 : (size_t)i < n ? (size_t)i : n - 1;
}

/* The side x side pixels of a window, tap by tap across: out[tap][3 * row + channel]. */
static inline void window(const uint8_t *src, size_t h, size_t w, const struct spot *s, size_t side,
			  int32_t out[4][12])
{
	size_t column[4];

	for (size_t k = 0; k < side; k++)
		column[k] = 3 * keep(s->x + (long)k, w);
	for (size_t r = 0; r < side; r++) {
		const uint8_t *row = src + 3 * w * keep(s->y + (long)r, h);

		for (size_t k = 0; k < side; k++)
			for (size_t c = 0; c < 3; c++)
				out[k][3 * r + c] = row[column[k] + c];
	}
}

static inline double linear(double a, double b, double d)
{
	return a + (b - a) * d;
}

static inline double cubic(double a, double b, double c, double e, double d)
{
	return b + d * (-a + c + d * (2 * (a - b) + c - e + d * (-a + b - c + e)));
}

static inline void bilinear_at(const uint8_t *src, size_t h, size_t w, double vx, double vy,
			       uint8_t *to)
{
	struct spot s = spot_at(vx, vy, 0);
	int32_t in[4][12];
	double row[6];

	window(src, h, w, &s, 2, in);
	for (size_t k = 0; k < 6; k++)
		row[k] = linear(in[0][k], in[1][k], s.dx);
	for (size_t c = 0; c < 3; c++)
		to[c] = (uint8_t)linear(row[c], row[3 + c], s.dy);
}

static inline void bicubic_at(const uint8_t *src, size_t h, size_t w, double vx, double vy,
			      uint8_t *to)
{
	struct spot s = spot_at(vx, vy, 1);
	int32_t in[4][12];
	double row[12];

	window(src, h, w, &s, 4, in);
	for (size_t k = 0; k < 12; k++)
		row[k] = cubic(in[0][k], in[1][k], in[2][k], in[3][k], s.dx);
	for (size_t c = 0; c < 3; c++) {
		double v = cubic(row[c], row[3 + c], row[6 + c], row[9 + c], s.dy);

		to[c] = (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v);
	}
}

NST_CLONES
static void filter_line(const double m[6], enum nst_ops_filter filter, const uint8_t *src, size_t h,
			size_t w, double y, const uint8_t fill[3], uint8_t *dst)
{
	for (size_t x = 0; x < w; x++, dst += 3) {
		double vx = m[0] * ((double)x + 0.5) + m[1] * y + m[2];
		double vy = m[3] * ((double)x + 0.5) + m[4] * y + m[5];

		if (!(vx >= 0 && vx < (double)w && vy >= 0 && vy < (double)h))
			memcpy(dst, fill, 3);
		else if (filter == NST_OPS_BILINEAR)
			bilinear_at(src, h, w, vx, vy, dst);
		else
			bicubic_at(src, h, w, vx, vy, dst);
	}
}

void nst_op_transform(uint8_t *img, size_t h, size_t w, const double m[6],
		      enum nst_ops_filter filter, const uint8_t fill[3], uint8_t *tmp)
{
	memcpy(tmp, img, 3 * h * w);
	for (size_t y = 0; y < h; y++)
		filter_line(m, filter, tmp, h, w, (double)y + 0.5, fill, img + 3 * w * y);
}

/* v to 15 decimals, halves to the even side, as Python's round(v, 15) for |v| <= 1: the product's
 * own rounding error is known and decides where it came to lie on a half. */
static double fifteen_decimals(double v)
{
	double p = v * 1e15, lost = fma(v, 1e15, -p), below = floor(p), over = p - below + lost;

	if (over > 0.5 || (over == 0.5 && fmod(below, 2) != 0))
		below += 1;
	return below / 1e15;
}

void nst_op_turn(uint8_t *img, size_t h, size_t w, double degrees, enum nst_ops_filter filter,
		 const uint8_t fill[3], uint8_t *tmp)
{
	double angle = fmod(degrees, 360), a, c, s, mx = (double)w / 2, my = (double)h / 2;

	if (angle < 0)
		angle += 360;
	if (angle == 0)
		return;
	if (angle == 180 || (w == h && (angle == 90 || angle == 270))) {
		nst_op_rotate(img, h, w, angle, NST_OPS_PIL, tmp);
		return;
	}
	a = -(angle * (PI / 180));
	c = fifteen_decimals(cos(a));
	s = fifteen_decimals(sin(a));
	nst_op_transform(img, h, w,
			 (double[6]){c, s, c * -mx + s * -my + mx, -s, c, -s * -mx + c * -my + my},
			 filter, fill, tmp);
}

void nst_op_cutout(uint8_t *img, size_t h, size_t w, size_t cy, size_t cx, size_t half)
{
	size_t y0 = cy > half ? cy - half : 0, x0 = cx > half ? cx - half : 0;
	size_t y1 = half < h - cy ? cy + half : h, x1 = half < w - cx ? cx + half : w;

	for (size_t y = y0; y < y1; y++)
		memset(img + 3 * (y * w + x0), NST_OPS_FILL, 3 * (x1 - x0));
}
