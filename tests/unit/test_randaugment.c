/* libcore/augment/ops and randaugment: every operation against a plain twin, strengths against the
 * published table, the option word, and what is drawn.  (tests/peers/image_pillow.py compares pixel
 * for pixel with Pillow.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/augment/ops.h"
#include "libcore/augment/randaugment.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

#define H 21
#define W 26
#define N (3 * H * W)

static struct nst_err err;
static uint8_t in[N], got[N], want[N], tmp[N];

/* Kind 0: noise over everything; 1: few dark values; 2: one value a channel. */
static void fill(int kind)
{
	struct nst_rng rng;

	nst_rng_init(&rng, 1, NST_RNG_TEST, 4, (uint64_t)kind);
	for (size_t i = 0; i < N; i++)
		in[i] = kind == 0 ? (uint8_t)nst_rng_u32(&rng)
		      : kind == 1 ? (uint8_t)(30 + 10 * nst_rng_below(&rng, 7) + i % 3)
				  : (uint8_t)(i % 3 * 100 + 20);
	memcpy(got, in, N);
}

static uint8_t pixel(long y, long x, size_t c)
{
	if (y < 0 || y >= H || x < 0 || x >= W)
		return 128;
	return in[3 * ((size_t)y * W + (size_t)x) + c];
}

static void autocontrast_stretches(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		fill(kind);
		nst_op_autocontrast(got, H, W);
		for (size_t c = 0; c < 3; c++) {
			int lo = 255, hi = 0;

			for (size_t i = c; i < N; i += 3) {
				lo = in[i] < lo ? in[i] : lo;
				hi = in[i] > hi ? in[i] : hi;
			}
			for (size_t i = c; i < N; i += 3) {
				double v = hi > lo ? 255.0 * (in[i] - lo) / (hi - lo) : in[i];

				assert_true(got[i] <= v + 1e-3 && got[i] >= v - 1);
			}
		}
	}
}

static void equalize_follows_the_cumulative_count(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		fill(kind);
		nst_op_equalize(got, H, W);
		for (size_t c = 0; c < 3; c++) {
			size_t most = 0, of_most = 0, step;

			for (size_t i = c; i < N; i += 3)
				most = in[i] > most ? in[i] : most;
			for (size_t i = c; i < N; i += 3)
				of_most += in[i] == most;
			step = (H * W - of_most) / 255;
			for (size_t i = c; i < N; i += 3) {
				size_t below = 0, v;

				for (size_t k = c; k < N; k += 3)
					below += in[k] < in[i];
				v = step ? (below + step / 2) / step : in[i];
				assert_int_equal(got[i], v > 255 ? 255 : v);
			}
		}
	}
}

static void pointwise_twins(void **state)
{
	static const int bits[] = {-3, 0, 1, 4, 7, 8, 11}, add[] = {0, 44, 110, 128, 308};
	static const int from[] = {0, 1, 128, 204, 255, 256};

	(void)state;
	fill(0);
	nst_op_invert(got, H, W);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(got[i], 255 - in[i]);
	for (size_t k = 0; k < 7; k++) {
		int kept = bits[k] < 0 ? 0 : bits[k] > 8 ? 8 : bits[k];

		fill(0);
		nst_op_posterize(got, H, W, bits[k]);
		for (size_t i = 0; i < N; i++)
			assert_int_equal(got[i], in[i] - in[i] % (1 << (8 - kept)));
	}
	for (size_t k = 0; k < 6; k++) {
		fill(0);
		nst_op_solarize(got, H, W, from[k]);
		for (size_t i = 0; i < N; i++)
			assert_int_equal(got[i], in[i] < from[k] ? in[i] : 255 - in[i]);
	}
	for (size_t k = 0; k < 5; k++) {
		fill(0);
		nst_op_solarize_add(got, H, W, add[k]);
		for (size_t i = 0; i < N; i++)
			assert_int_equal(got[i], in[i] >= 128 ? in[i]
					       : in[i] + add[k] > 255 ? 255 : in[i] + add[k]);
	}
}

static uint8_t twin_blend(int from, int to, double factor)
{
	float v = (float)from + (float)factor * (float)(to - from);

	return (uint8_t)fminf(fmaxf(v, 0), 255);
}

static int twin_gray(const uint8_t *p, enum nst_ops_flavour fl)
{
	return fl == NST_OPS_PIL
		       ? (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) / 65536
		       : (int)((0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2]) * 255.5 / 255);
}

static void blends_twins(void **state)
{
	static const double factors[] = {0, 0.1, 0.82, 1, 1.9, 4.96};

	(void)state;
	for (int fl = NST_OPS_TF; fl <= NST_OPS_PIL; fl++)
		for (size_t k = 0; k < 6; k++) {
			double f = factors[k], sum = 0;
			int level;

			fill(0);
			nst_op_color(got, H, W, f, (enum nst_ops_flavour)fl);
			for (size_t i = 0; i < N; i++) {
				int v = twin_blend(
					twin_gray(in + i / 3 * 3, (enum nst_ops_flavour)fl), in[i],
					f);

				/* The grey level may be cut off on the other side of a whole. */
				assert_true(abs(got[i] - v) <=
					    (fl == NST_OPS_TF ? ceil(fabs(1 - f)) : 0));
			}
			for (size_t i = 0; i < N; i += 3)
				sum += twin_gray(in + i, NST_OPS_PIL);
			level = fl == NST_OPS_TF ? H * W / 256 : (int)(sum / (H * W) + 0.5);
			fill(0);
			nst_op_contrast(got, H, W, f, (enum nst_ops_flavour)fl);
			for (size_t i = 0; i < N; i++)
				assert_int_equal(got[i], twin_blend(level, in[i], f));
			fill(0);
			nst_op_brightness(got, H, W, f);
			for (size_t i = 0; i < N; i++)
				assert_int_equal(got[i], twin_blend(0, in[i], f));
			fill(0);
			nst_op_sharpness(got, H, W, f, (enum nst_ops_flavour)fl, tmp);
			for (long y = 0; y < H; y++)
				for (long x = 0; x < W; x++)
					for (size_t c = 0; c < 3; c++) {
						int at = pixel(y, x, c), smooth = 4 * at;
						int edge = !y || !x || y == H - 1 || x == W - 1;

						for (int d = 0; d < 9; d++)
							smooth += pixel(y - 1 + d / 3,
									x - 1 + d % 3, c);
						smooth =
							(smooth + (fl == NST_OPS_PIL ? 6 : 0)) / 13;
						assert_int_equal(got[3 * (y * W + x) + (long)c],
								 edge ? at
								      : twin_blend(smooth, at, f));
					}
		}
}

/* Whole shears and moves, where both flavours and any arithmetic agree. */
static void geometry_twins(void **state)
{
	(void)state;
	for (int fl = NST_OPS_TF; fl <= NST_OPS_PIL; fl++)
		for (int op = 0; op < 4; op++)
			for (int v = -3; v <= 3; v++) {
				enum nst_ops_flavour f = (enum nst_ops_flavour)fl;

				if (op < 2 && fl == NST_OPS_PIL && v)
					continue; /* half a pixel comes in: a test of its own */
				fill(0);
				if (op == 0)
					nst_op_shear_x(got, H, W, v, f, tmp);
				else if (op == 1)
					nst_op_shear_y(got, H, W, v, f, tmp);
				else if (op == 2)
					nst_op_translate_x(got, H, W, v, f, tmp);
				else
					nst_op_translate_y(got, H, W, v, f, tmp);
				for (long y = 0; y < H; y++)
					for (long x = 0; x < W; x++)
						for (size_t c = 0; c < 3; c++)
							assert_int_equal(
								got[3 * (y * W + x) + (long)c],
								pixel(y + (op == 1   ? v * x
									   : op == 3 ? v
										     : 0),
								      x + (op == 0   ? v * y
									   : op == 2 ? v
										     : 0),
								      c));
			}
}

static void shear_measures_from_the_flavours_origin(void **state)
{
	(void)state;
	/* Row 1 of a shear by .5: from centre to centre .5 (to 1, away from zero); from the corner
	 * .5 * 1.5 = .75, which with the half of column 0 is pixel 1. */
	fill(0);
	nst_op_shear_x(got, H, W, 0.5, NST_OPS_TF, tmp);
	assert_int_equal(got[3 * W], pixel(1, 1, 0));
	assert_int_equal(got[0], pixel(0, 0, 0));
	fill(0);
	nst_op_shear_x(got, H, W, 0.5, NST_OPS_PIL, tmp);
	assert_int_equal(got[3 * W], pixel(1, 1, 0));
	/* By .4: centre to centre .4, to 0; from the corner .5 + .6 = 1.1, which is pixel 1. */
	fill(0);
	nst_op_shear_x(got, H, W, 0.4, NST_OPS_TF, tmp);
	assert_int_equal(got[3 * W], pixel(1, 0, 0));
	fill(0);
	nst_op_shear_x(got, H, W, 0.4, NST_OPS_PIL, tmp);
	assert_int_equal(got[3 * W], pixel(1, 1, 0));
}

static void rotation_turns_counter_clockwise(void **state)
{
	uint8_t square[3 * 5 * 5], turned[3 * 5 * 5], room[3 * 5 * 5];

	(void)state;
	for (int fl = NST_OPS_TF; fl <= NST_OPS_PIL; fl++) {
		for (size_t i = 0; i < 75; i++)
			square[i] = turned[i] = (uint8_t)(3 * i);
		nst_op_rotate(turned, 5, 5, 90, (enum nst_ops_flavour)fl, room);
		for (size_t y = 0; y < 5; y++)
			for (size_t x = 0; x < 5; x++)
				assert_memory_equal(turned + 3 * (5 * y + x),
						    square + 3 * (5 * x + 4 - y), 3);
		nst_op_rotate(turned, 5, 5, 270, (enum nst_ops_flavour)fl, room);
		assert_memory_equal(turned, square, 75);
	}
	fill(0);
	nst_op_rotate(got, H, W, 45, NST_OPS_PIL, tmp);
	assert_int_equal(got[0], 128); /* the corners show the fill */
	assert_int_equal(got[N - 1], 128);
}

static void cutout_stays_inside(void **state)
{
	static const size_t at[][3] = {
		{0, 0, 4}, {H - 1, W - 1, 3}, {10, 12, 5}, {3, 3, 0}, {9, 9, 99}};

	(void)state;
	for (size_t k = 0; k < 5; k++) {
		long cy = (long)at[k][0], cx = (long)at[k][1], half = (long)at[k][2];

		fill(0);
		nst_op_cutout(got, H, W, at[k][0], at[k][1], at[k][2]);
		for (long y = 0; y < H; y++)
			for (long x = 0; x < W; x++) {
				int cut = y >= cy - half && y < cy + half && x >= cx - half &&
					  x < cx + half;

				assert_int_equal(got[3 * (y * W + x)], cut ? 128 : pixel(y, x, 0));
			}
	}
}

/* ---- any size, any argument: one pixel at a time, in the arithmetic of ops.h ---- */

/* Where pixel (x,y) of a mapped picture comes from; 0 = from outside. */
static int twin_place(const double m[6], enum nst_ops_flavour fl, size_t h, size_t w, long x,
		      long y, long *sx, long *sy)
{
	if (fl == NST_OPS_TF) {
		*sx = lroundf((float)m[0] * (float)x + (float)m[1] * (float)y + (float)m[2]);
		*sy = lroundf((float)m[3] * (float)x + (float)m[4] * (float)y + (float)m[5]);
	} else {
		long f[6];

		for (int i = 0; i < 6; i++)
			f[i] = lrint(floor((i % 3 < 2 ? m[i] : m[i] + m[i - 2] * 0.5 + m[i - 1] * 0.5) *
					   65536 + 0.5));
		*sx = (f[0] * x + f[1] * y + f[2]) >> 16;
		*sy = (f[3] * x + f[4] * y + f[5]) >> 16;
	}
	return *sx >= 0 && *sx < (long)w && *sy >= 0 && *sy < (long)h;
}

static void twin_map(const double m[6], enum nst_ops_flavour fl, const uint8_t *from, size_t h,
		     size_t w, uint8_t *to)
{
	for (size_t y = 0; y < h; y++)
		for (size_t x = 0; x < w; x++, to += 3) {
			long sx, sy;

			if (twin_place(m, fl, h, w, (long)x, (long)y, &sx, &sy))
				memcpy(to, from + 3 * (sy * (long)w + sx), 3);
			else
				memset(to, 128, 3);
		}
}

static void twin_rotate(double degrees, enum nst_ops_flavour fl, const uint8_t *from, size_t h,
			size_t w, uint8_t *to)
{
	double a = degrees * (M_PI / 180), c = cos(a), s = sin(a);
	double mx = ((double)w - (fl == NST_OPS_TF)) / 2, my = ((double)h - (fl == NST_OPS_TF)) / 2;
	double m[6] = {c, -s, mx - c * mx + s * my, s, c, my - s * mx - c * my};

	twin_map(m, fl, from, h, w, to);
}

static void twin_autocontrast(const uint8_t *from, size_t n, uint8_t *to)
{
	for (size_t c = 0; c < 3; c++) {
		int lo = 255, hi = 0;

		for (size_t i = c; i < 3 * n; i += 3) {
			lo = from[i] < lo ? from[i] : lo;
			hi = from[i] > hi ? from[i] : hi;
		}
		for (size_t i = c; i < 3 * n; i += 3) {
			float scale = hi > lo ? 255.0f / (float)(hi - lo) : 1, v;

			v = (float)from[i] * scale + -(float)(hi > lo ? lo : 0) * scale;
			to[i] = (uint8_t)fminf(fmaxf(v, 0), 255);
		}
	}
}

static void twin_equalize(const uint8_t *from, size_t n, uint8_t *to)
{
	for (size_t c = 0; c < 3; c++) {
		size_t count[256] = {0}, below = 0, last = 255, step;

		for (size_t i = c; i < 3 * n; i += 3)
			count[from[i]]++;
		while (!count[last])
			last--;
		step = (n - count[last]) / 255;
		for (size_t v = 0; v < 256; below += count[v++])
			for (size_t i = c; i < 3 * n; i += 3)
				if (from[i] == v) {
					size_t t = step ? (below + step / 2) / step : v;

					to[i] = t < 255 ? (uint8_t)t : 255;
				}
	}
}

static uint8_t twin_gray_exactly(const uint8_t *p, enum nst_ops_flavour fl)
{
	if (fl == NST_OPS_PIL)
		return (uint8_t)twin_gray(p, fl);
	return (uint8_t)((0.2989f * (float)p[0] + 0.5870f * (float)p[1] + 0.1140f * (float)p[2]) *
			 (255.5f / 255));
}

static uint8_t twin_smooth(const uint8_t *p, size_t w, size_t i, enum nst_ops_flavour fl)
{
	int sum = 4 * p[i] + (fl == NST_OPS_PIL ? 6 : 0);

	for (int dy = -1; dy <= 1; dy++)
		for (int dx = -1; dx <= 1; dx++)
			sum += p[(long)i + 3 * (dy * (long)w + dx)];
	return (uint8_t)(sum / 13);
}

/* The blends. */
static void twin_blends(enum nst_ra_op op, double f, enum nst_ops_flavour fl, const uint8_t *from,
			size_t h, size_t w, uint8_t *to)
{
	double sum = 0;
	int level = h * w / 256 > 255 ? 255 : (int)(h * w / 256);

	for (size_t i = 0; i < 3 * h * w; i += 3)
		sum += twin_gray(from + i, NST_OPS_PIL);
	if (fl == NST_OPS_PIL)
		level = (int)(sum / (double)(h * w) + 0.5);
	for (size_t i = 0; i < 3 * h * w; i++) {
		size_t y = i / 3 / w, x = i / 3 % w;
		int inner = y > 0 && x > 0 && y + 1 < h && x + 1 < w;

		if (op == NST_RA_COLOR)
			to[i] = twin_blend(twin_gray_exactly(from + i / 3 * 3, fl), from[i], f);
		else if (op == NST_RA_SHARPNESS)
			to[i] = inner ? twin_blend(twin_smooth(from, w, i, fl), from[i], f) : from[i];
		else
			to[i] = twin_blend(op == NST_RA_CONTRAST ? level : 0, from[i], f);
	}
}

/* Both ways, with argument s. */
static void both(enum nst_ra_op op, double s, enum nst_ops_flavour fl, size_t h, size_t w,
		 const uint8_t *from, uint8_t *fast, uint8_t *plain, uint8_t *room)
{
	memcpy(fast, from, 3 * h * w);
	memcpy(plain, from, 3 * h * w);
	switch (op) {
	case NST_RA_AUTOCONTRAST:
		nst_op_autocontrast(fast, h, w);
		twin_autocontrast(from, h * w, plain);
		break;
	case NST_RA_EQUALIZE:
		nst_op_equalize(fast, h, w);
		twin_equalize(from, h * w, plain);
		break;
	case NST_RA_ROTATE:
		nst_op_rotate(fast, h, w, 100 * s, fl, room);
		twin_rotate(100 * s, fl, from, h, w, plain);
		break;
	case NST_RA_COLOR:
		nst_op_color(fast, h, w, s, fl);
		twin_blends(op, s, fl, from, h, w, plain);
		break;
	case NST_RA_CONTRAST:
		nst_op_contrast(fast, h, w, s, fl);
		twin_blends(op, s, fl, from, h, w, plain);
		break;
	case NST_RA_BRIGHTNESS:
		nst_op_brightness(fast, h, w, s);
		twin_blends(op, s, fl, from, h, w, plain);
		break;
	case NST_RA_SHARPNESS:
		nst_op_sharpness(fast, h, w, s, fl, room);
		twin_blends(op, s, fl, from, h, w, plain);
		break;
	case NST_RA_SHEAR_X:
		nst_op_shear_x(fast, h, w, s, fl, room);
		twin_map((double[]){1, s, 0, 0, 1, 0}, fl, from, h, w, plain);
		break;
	case NST_RA_SHEAR_Y:
		nst_op_shear_y(fast, h, w, s, fl, room);
		twin_map((double[]){1, 0, 0, s, 1, 0}, fl, from, h, w, plain);
		break;
	case NST_RA_TRANSLATE_X:
		nst_op_translate_x(fast, h, w, 50 * s, fl, room);
		twin_map((double[]){1, 0, 50 * s, 0, 1, 0}, fl, from, h, w, plain);
		break;
	case NST_RA_TRANSLATE_Y:
		nst_op_translate_y(fast, h, w, 50 * s, fl, room);
		twin_map((double[]){1, 0, 0, 0, 1, 50 * s}, fl, from, h, w, plain);
		break;
	default: /* pointwise_twins has them */
		break;
	}
}

/* Sizes below and above what is worked on at a time, strengths small, whole, halves and large. */
static void any_size_and_strength(void **state)
{
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 3, NST_RNG_TEST, 6, 0);
	for (int i = 0; i < 400; i++) {
		size_t h = 1 + nst_rng_below(&rng, 40), w = 1 + nst_rng_below(&rng, i % 3 ? 60 : 600);
		double s = i % 5 == 0 ? 0.5 * nst_rng_below(&rng, 9) : nst_rng_uniform(&rng, 0, 4);
		size_t n = 3 * h * w;
		uint8_t *from = malloc(n), *fast = malloc(n), *plain = malloc(n), *room = malloc(n);

		assert_true(from && fast && plain && room);
		for (size_t k = 0; k < n; k++)
			from[k] = (uint8_t)(20 * (k % 3) + nst_rng_below(&rng, i % 2 ? 216 : 90));
		for (int op = 0; op < NST_RA_OPS; op++)
			for (int fl = NST_OPS_TF; fl <= NST_OPS_PIL; fl++) {
				int minus = op >= NST_RA_SHEAR_X || op == NST_RA_ROTATE ? i & 4 : 0;

				both((enum nst_ra_op)op, minus ? -s : s, (enum nst_ops_flavour)fl, h,
				     w, from, fast, plain, room);
				assert_memory_equal(fast, plain, n);
			}
		free(from);
		free(fast);
		free(plain);
		free(room);
	}
}

/* Pillow's transform with a filter, one pixel and channel at a time. */
static double twin_cubic(const double v[4], double d)
{
	double p2 = -v[0] + v[2], p3 = 2 * (v[0] - v[1]) + v[2] - v[3];
	double p4 = -v[0] + v[1] - v[2] + v[3];

	return v[1] + d * (p2 + d * (p3 + d * p4));
}

static uint8_t twin_at(const uint8_t *from, long h, long w, long y, long x, size_t c)
{
	y = y < 0 ? 0 : y >= h ? h - 1 : y;
	x = x < 0 ? 0 : x >= w ? w - 1 : x;
	return from[3 * (y * w + x) + (long)c];
}

static void twin_transform(const double m[6], enum nst_ops_filter filter, const uint8_t fill[3],
			   const uint8_t *from, size_t h, size_t w, uint8_t *to)
{
	for (size_t i = 0; i < 3 * h * w; i++) {
		double x = (double)(i / 3 % w) + 0.5, y = (double)(i / 3 / w) + 0.5, v;
		double sx = m[0] * x + m[1] * y + m[2], sy = m[3] * x + m[4] * y + m[5];
		long ix = (long)floor(sx - 0.5), iy = (long)floor(sy - 0.5), at = (long)(i % 3);
		double dx = sx - 0.5 - (double)ix, dy = sy - 0.5 - (double)iy, row[4];

		if (sx < 0 || sy < 0 || sx >= (double)w || sy >= (double)h) {
			to[i] = fill[at];
			continue;
		}
		for (long r = 0; r < 4; r++) {
			double p[4];

			for (long k = 0; k < 4; k++)
				p[k] = twin_at(from, (long)h, (long)w, iy + r - 1, ix + k - 1,
					       (size_t)at);
			row[r] = filter == NST_OPS_BICUBIC ? twin_cubic(p, dx)
							   : p[1] + (p[2] - p[1]) * dx;
		}
		v = filter == NST_OPS_BICUBIC ? twin_cubic(row, dy)
					      : row[1] + (row[2] - row[1]) * dy;
		to[i] = (uint8_t)fmin(fmax(v, 0), 255);
	}
}

static void filtered_geometry_has_twins(void **state)
{
	static const uint8_t outside[3] = {124, 116, 104};
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 3, NST_RNG_TEST, 8, 0);
	for (int i = 0; i < 300; i++) {
		size_t h = 1 + nst_rng_below(&rng, 40), w = 1 + nst_rng_below(&rng, 60);
		size_t n = 3 * h * w;
		uint8_t *from = malloc(n), *fast = malloc(n), *plain = malloc(n), *room = malloc(n);
		enum nst_ops_filter filter = i % 2 ? NST_OPS_BICUBIC : NST_OPS_BILINEAR;
		double m[6] = {1, 0, 0, 0, 1, 0};

		assert_true(from && fast && plain && room);
		for (size_t k = 0; k < n; k++)
			from[k] = (uint8_t)nst_rng_u32(&rng);
		m[i % 3 == 0 ? 1 : i % 3 == 1 ? 3 : 2] = nst_rng_uniform(&rng, -3, 3);
		m[5] = i % 4 ? 0 : nst_rng_uniform(&rng, -30, 30);
		memcpy(fast, from, n);
		nst_op_transform(fast, h, w, m, filter, outside, room);
		twin_transform(m, filter, outside, from, h, w, plain);
		assert_memory_equal(fast, plain, n);
		/* A full turn and none leave a picture alone, half a turn reverses it. */
		memcpy(fast, from, n);
		nst_op_turn(fast, h, w, i % 2 ? 0 : -360, filter, outside, room);
		assert_memory_equal(fast, from, n);
		nst_op_turn(fast, h, w, 180, filter, outside, room);
		for (size_t k = 0; k < h * w; k++)
			assert_memory_equal(fast + 3 * k, from + 3 * (h * w - 1 - k), 3);
		free(from);
		free(fast);
		free(plain);
		free(room);
	}
}

/* Turning by any angle is Pillow's matrix about the middle. */
static void turning_is_about_the_middle(void **state)
{
	static const uint8_t outside[3] = {1, 2, 3};

	(void)state;
	for (int d = -170; d <= 170; d += 17) {
		double a = -d * (M_PI / 180), c = cos(a), s = sin(a), mx = W / 2.0, my = H / 2.0;
		double m[6] = {c, s, mx - c * mx - s * my, -s, c, my + s * mx - c * my};
		size_t apart = 0;

		fill(0);
		nst_op_turn(got, H, W, d, NST_OPS_BICUBIC, outside, tmp);
		twin_transform(m, NST_OPS_BICUBIC, outside, in, H, W, want);
		/* The offsets are rounded in another order: a value may be cut off elsewhere. */
		for (size_t i = 0; i < N; i++) {
			assert_true(abs(got[i] - want[i]) <= 1);
			apart += got[i] != want[i];
		}
		assert_true(apart < N / 100);
	}
}

/* One pixel wide or high: nothing to smooth, shear or turn, and nothing outside to read. */
static void tiny_pictures_pass(void **state)
{
	static const size_t sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {2, 2}};
	struct nst_randaugment ra;
	struct nst_rng rng;

	(void)state;
	for (int form = NST_RA_TF; form <= NST_RA_FIXMATCH; form++)
		for (size_t k = 0; k < 4; k++) {
			size_t h = sizes[k][0], w = sizes[k][1];
			uint8_t *p = malloc(3 * h * w), *t = malloc(3 * h * w);

			assert_true(p && t);
			memset(p, 77, 3 * h * w);
			nst_randaugment_init(&ra, 32);
			ra.n = 32;
			ra.m = 27;
			ra.std = 5;
			ra.form = (enum nst_ra_form)form;
			nst_rng_init(&rng, 1, NST_RNG_TEST, 5, k);
			for (int i = 0; i < 50; i++)
				nst_randaugment_apply(&ra, &rng, p, h, w, t);
			free(p);
			free(t);
		}
}

/* Rows of the published table: M, then what the operations get. */
static void tf_strengths_are_the_published_ones(void **state)
{
	static const double table[][9] = {
		/* M  rotate bits from add  factor shear translate cutout */
		{4, 12, 1, 102, 44, 0.82, 0.12, 40, 16},
		{5, 15, 2, 128, 55, 1.00, 0.15, 50, 20},
		{9, 27, 3, 230, 99, 1.72, 0.27, 90, 36},
		{10, 30, 4, 0, 110, 1.90, 0.30, 100, 40},
		{12, 36, 4, 51, 132, 2.26, 0.36, 120, 48},
		{15, 45, 6, 128, 165, 2.80, 0.45, 150, 60},
		{18, 54, 7, 204, 198, 3.34, 0.54, 180, 72},
		{27, 81, 10, 179, 297, 4.96, 0.81, 270, 108},
		{28, 84, 11, 204, 308, 5.14, 0.84, 280, 112},
	};
	static const enum nst_ra_op ops[] = {
		NST_RA_ROTATE, NST_RA_POSTERIZE, NST_RA_SOLARIZE, NST_RA_SOLARIZE_ADD,
		NST_RA_COLOR, NST_RA_SHEAR_X, NST_RA_TRANSLATE_Y, NST_RA_CUTOUT,
	};
	struct nst_randaugment ra, small;

	(void)state;
	nst_randaugment_init(&ra, 224);
	nst_randaugment_init(&small, 32);
	for (size_t r = 0; r < sizeof table / sizeof *table; r++) {
		double m = table[r][0];

		for (size_t c = 0; c < 8; c++)
			assert_true(fabs(nst_ra_strength(&ra, ops[c], m, 1, 224) -
					 table[r][c + 1]) < 1e-9);
		assert_true(fabs(nst_ra_strength(&small, NST_RA_TRANSLATE_X, m, 1, 32) - 0.4 * m) <
			    1e-9);
		assert_true(nst_ra_strength(&small, NST_RA_CUTOUT, m, 1, 32) ==
			    floor(0.4 * m + 1e-9));
	}
}

static void mono_grows_and_stops(void **state)
{
	struct nst_randaugment ra;

	(void)state;
	nst_randaugment_init(&ra, 224);
	ra.form = NST_RA_MONO;
	for (int op = 0; op < NST_RA_OPS; op++)
		for (int sign = -1; sign <= 1; sign += 2) {
			int falls = op == NST_RA_POSTERIZE || op == NST_RA_SOLARIZE ||
				    (sign < 0 && op >= NST_RA_COLOR && op <= NST_RA_SHARPNESS);
			double last = nst_ra_strength(&ra, (enum nst_ra_op)op, 0, sign, 224);

			for (double m = 0.1; m < 60; m += 0.1) {
				double s = nst_ra_strength(&ra, (enum nst_ra_op)op, m, sign, 224);

				assert_true(falls ? s <= last : s >= last);
				last = s;
			}
		}
	assert_true(nst_ra_strength(&ra, NST_RA_POSTERIZE, 0, 1, 224) == 8);
	assert_true(nst_ra_strength(&ra, NST_RA_POSTERIZE, 60, 1, 224) == 2);
	assert_true(nst_ra_strength(&ra, NST_RA_SOLARIZE, 0, 1, 224) == 256);
	assert_true(nst_ra_strength(&ra, NST_RA_TRANSLATE_X, 60, 1, 224) == 0.45 * 224);
	assert_true(nst_ra_strength(&ra, NST_RA_BRIGHTNESS, 0, -1, 224) == 1);
	assert_true(nst_ra_strength(&ra, NST_RA_BRIGHTNESS, 60, -1, 224) == 0.1);
	assert_true(nst_ra_strength(&ra, NST_RA_ROTATE, 60, 1, 224) == 90);
	assert_true(nst_ra_strength(&ra, NST_RA_CUTOUT, 60, 1, 224) == 56);
}

static void option_words_are_read(void **state)
{
	const uint32_t paper = ((1u << NST_RA_OPS) - 1) & ~(1u << NST_RA_IDENTITY);
	struct nst_randaugment ra, back;
	struct nst_buf b = {0}, again = {0};

	(void)state;
	assert_int_equal(nst_randaugment_parse("n2,m9", 224, &ra, &err), 0);
	assert_int_equal(ra.n, 2);
	assert_true(ra.m == 9 && ra.std == 0 && ra.p == 1);
	assert_int_equal(ra.form, NST_RA_TF);
	assert_true(ra.translate == 100 && ra.cutout == 40);
	assert_int_equal(ra.ops, paper);
	assert_int_equal(nst_randaugment_parse("n2,m27", 32, &ra, &err), 0);
	assert_int_equal(ra.form, NST_RA_MONO);
	assert_true(ra.translate == 4 && ra.cutout == 4);
	assert_int_equal(nst_randaugment_parse("n2,m27,form=tf", 32, &ra, &err), 0);
	assert_int_equal(ra.form, NST_RA_TF);
	assert_int_equal(
		nst_randaugment_parse("n1,m5,ops=-cutout-shear-x-solarize-add", 32, &ra, &err), 0);
	assert_int_equal(ra.ops, paper & ~(1u << NST_RA_CUTOUT | 1u << NST_RA_SHEAR_X |
					   1u << NST_RA_SOLARIZE_ADD));
	assert_int_equal(
		nst_randaugment_parse("n3,m7.5,std=0.5,p=.5,translate=10,cutout=6,form=mono,"
				      "ops=shear-x+solarize+invert",
				      32, &ra, &err),
		0);
	assert_int_equal(ra.ops,
			 1u << NST_RA_SHEAR_X | 1u << NST_RA_SOLARIZE | 1u << NST_RA_INVERT);
	assert_int_equal(nst_randaugment_format(&ra, &b, &err), 0);
	assert_int_equal(nst_randaugment_parse((char *)b.data, 224, &back, &err), 0);
	assert_int_equal(nst_randaugment_format(&back, &again, &err), 0);
	assert_string_equal((char *)b.data, (char *)again.data);
	assert_string_equal((char *)b.data, "n3,m7.5,form=mono,std=0.5,p=0.5,translate=10,cutout=6,"
					    "ops=invert+solarize+shear-x");
	assert_int_equal(nst_randaugment_parse("none", 32, &ra, &err), 0);
	assert_int_equal(ra.n, 0);
	nst_buf_release(&b);
	nst_buf_release(&again);
}

static void senseless_words_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"n2",
		"m9,n2",
		"m9",
		"n2,m",
		"n,m9",
		"n-1,m9",
		"n2,m-1",
		"n2,mnan",
		"n99,m9",
		"n2,m9,form=inc",
		"n2,m9,p=2",
		"n2,m9,ops=",
		"n2,m9,ops=twist",
		"n2,m9,ops=rotate,invert",
		"n2,m9,ops=rotate-invert",
		"n2,m9,x=1",
		"n2,m9,std=-1",
		"n2,p=1,m9",
		"rand-",
		"rand-m",
		"rand-m-5",
		"rand-m101",
		"rand-q5",
		"rand-m9,n2",
		"rand-n99",
		"rand-n2.5",
		"rand-p1.5",
		"rand-mstd",
		"rand-mstd-1",
		"rand-inc",
		"rand-inc0",
		"rand-inc2",
		"rand-w0",
		"rand-t3a",
		"rand-tweights-n16",
		"rand-m9-",
		"rand--m9",
		"randm9",
		"fixmatchn=2",
		"fixmatch,m=9",
		"fixmatch,n=-1",
		"fixmatch,p=2",
		"fixmatch,cutout=x",
		"fixmatch,ops=twist",
	};
	struct nst_randaugment ra;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(nst_randaugment_parse(bad[i], 32, &ra, &err), NST_EINVAL);
}

static void check_word(const char *text, const char *full)
{
	struct nst_randaugment ra, back;
	struct nst_buf b = {0}, again = {0};

	assert_int_equal(nst_randaugment_parse(text, 32, &ra, &err), 0);
	assert_int_equal(nst_randaugment_format(&ra, &b, &err), 0);
	assert_string_equal((char *)b.data, full);
	assert_int_equal(nst_randaugment_parse((char *)b.data, 224, &back, &err), 0);
	assert_int_equal(nst_randaugment_format(&back, &again, &err), 0);
	assert_string_equal((char *)again.data, full);
	nst_buf_release(&b);
	nst_buf_release(&again);
}

static void words_of_timm_and_fixmatch_are_read(void **state)
{
	struct nst_randaugment ra;

	(void)state;
	check_word("rand", "rand-m10-n2-p0.5-mstd0-mmax10");
	check_word("rand-m9-n3-mstd0.5-inc1", "rand-m9-n3-p0.5-mstd0.5-mmax10-inc1");
	check_word("rand-inc1-mmax20-p1-m15-n1-mstd101", "rand-m15-n1-p1-mstd101-mmax20-inc1");
	check_word("rand-m9-tweights", "rand-m9-n2-p0.5-mstd0-mmax10-inc1-tweights");
	check_word("rand-p1e-05", "rand-m10-n2-p1.0000000000000001e-05-mstd0-mmax10");
	check_word("rand-n0", "none");
	check_word("fixmatch", "fixmatch,n=2,p=1,cutout=8");
	check_word("fixmatch,cutout=0,n=3,p=0.5,ops=identity+rotate",
		   "fixmatch,n=3,p=0.5,cutout=0,ops=rotate+identity");
	assert_int_equal(nst_randaugment_parse("rand-m9", 32, &ra, &err), 0);
	assert_int_equal(__builtin_popcount(ra.ops), 15);
	assert_false(ra.ops & (1u << NST_RA_CUTOUT | 1u << NST_RA_IDENTITY));
	assert_int_equal(ra.fill[0], 128);
	nst_fill_mean((float[]){.485f, .456f, .406f}, ra.fill);
	assert_true(ra.fill[0] == 124 && ra.fill[1] == 116 && ra.fill[2] == 104);
	assert_int_equal(nst_randaugment_parse("fixmatch", 32, &ra, &err), 0);
	assert_int_equal(__builtin_popcount(ra.ops), 14);
	assert_false(ra.ops &
		     (1u << NST_RA_CUTOUT | 1u << NST_RA_INVERT | 1u << NST_RA_SOLARIZE_ADD));
	assert_int_equal(nst_randaugment_parse("rand-m27", 32, &ra, &err), 0);
	assert_true(nst_randaugment_is_capped(&ra));
	assert_int_equal(nst_randaugment_parse("rand-m27-mmax30", 32, &ra, &err), 0);
	assert_false(nst_randaugment_is_capped(&ra));
	assert_int_equal(nst_randaugment_parse("n2,m27", 32, &ra, &err), 0);
	assert_false(nst_randaugment_is_capped(&ra));
}

/* M and what timm's two sets and, with M drawn, FixMatch's make of it; side 200. */
static void strengths_of_other_forms(void **state)
{
	static const enum nst_ra_op ops[] = {
		NST_RA_ROTATE, NST_RA_POSTERIZE,    NST_RA_SOLARIZE,    NST_RA_SOLARIZE_ADD,
		NST_RA_COLOR,  NST_RA_SHEAR_X,      NST_RA_TRANSLATE_Y, NST_RA_INVERT,
	};
	static const struct {
		enum nst_ra_form form;
		int sign;
		double m, want[8];
	} rows[] = {
		{NST_RA_TIMM, 1, 0, {0, 0, 0, 0, 0.1, 0, 0, 0}},
		{NST_RA_TIMM, -1, 9, {27, 3, 230, 99, 1.72, 0.27, 81, 0}},
		{NST_RA_TIMM, 1, 10, {30, 4, 256, 110, 1.9, 0.3, 90, 0}},
		{NST_RA_TIMM, 1, 15, {45, 6, 256, 128, 2.8, 0.45, 135, 0}},
		{NST_RA_TIMM_INC, 1, 0, {0, 4, 256, 0, 1, 0, 0, 0}},
		{NST_RA_TIMM_INC, 1, 9, {27, 1, 26, 99, 1.81, 0.27, 81, 0}},
		{NST_RA_TIMM_INC, -1, 9, {27, 1, 26, 99, 0.19, 0.27, 81, 0}},
		{NST_RA_TIMM_INC, -1, 10, {30, 0, 0, 110, 0.1, 0.3, 90, 0}},
		{NST_RA_TIMM_INC, -1, 15, {45, -2, 0, 128, 0.1, 0.45, 135, 0}},
		{NST_RA_FIXMATCH, 1, 0, {0, 4, 0, 0, 0.05, 0, 0, 0}},
		{NST_RA_FIXMATCH, -1, 5, {15, 6, 128, 0, 0.5, 0.15, 30, 0}},
		{NST_RA_FIXMATCH, 1, 10, {30, 8, 256, 0, 0.95, 0.3, 60, 0}},
	};
	struct nst_randaugment ra;

	(void)state;
	nst_randaugment_init(&ra, 224);
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		ra.form = rows[r].form;
		for (size_t c = 0; c < 8; c++) {
			double s = nst_ra_strength(&ra, ops[c], rows[r].m, rows[r].sign, 200);

			assert_true(fabs(s - rows[r].want[c]) < 1e-9);
		}
	}
}

/* Brightness of a grey picture shows the factor, and so the magnitude, of one operation. */
static double drawn_factor(const char *word, uint64_t sample)
{
	struct nst_randaugment ra;
	struct nst_rng rng;

	assert_int_equal(nst_randaugment_parse(word, 32, &ra, &err), 0);
	ra.ops = 1u << NST_RA_BRIGHTNESS;
	memset(got, 100, N);
	nst_rng_init(&rng, 9, NST_RNG_AUGMENT, 0, sample);
	nst_randaugment_apply(&ra, &rng, got, H, W, tmp);
	return got[0] / 100.0;
}

static void magnitudes_are_drawn_as_they_say(void **state)
{
	double sum = 0, squares = 0, least = 9, most = 0;
	size_t untouched = 0, high = 0;

	(void)state;
	for (uint64_t i = 0; i < 4000; i++) {
		double f = drawn_factor("rand-n1-m5-mstd0.5-p1", i);

		sum += f;
		squares += f * f;
		/* mmax or 10 limits it: .1 + 1.8, .1 + 1.8 * 1.2. */
		high += drawn_factor("rand-n1-m12-p1", i) > 1.905;
		assert_true(fabs(drawn_factor("rand-n1-m12-mmax12-p1", i) - 2.26) < 0.011);
		f = drawn_factor("rand-n1-m10-mstd101-p1", i);
		least = fmin(least, f);
		most = fmax(most, f);
		untouched += drawn_factor("rand-n1-m0", i) == 1;
	}
	assert_true(fabs(sum / 4000 - 1) < 0.01);
	assert_true(fabs(sqrt(squares / 4000 - sum * sum / 16e6) - 0.09) < 0.01);
	assert_int_equal(high, 0);
	assert_true(least < 0.12 && most > 1.87);
	assert_in_range(untouched, 1860, 2140);
	least = 9;
	most = sum = 0;
	for (uint64_t i = 0; i < 4000; i++) {
		double f = drawn_factor("fixmatch,n=1,cutout=0", i);

		least = fmin(least, f);
		most = fmax(most, f);
		sum += f;
	}
	assert_true(least >= 0.05 && least < 0.06 && most < 0.951 && most > 0.93);
	assert_true(fabs(sum / 4000 - 0.5) < 0.02);
}

/* Weights, and no operation twice: rotate is 60 of 202 at first. */
static void weighted_draws_are_without_replacement(void **state)
{
	struct nst_randaugment ra;
	struct nst_rng rng;
	size_t turned = 0;

	(void)state;
	assert_int_equal(nst_randaugment_parse("rand-m10-n1-p1-tweights", 32, &ra, &err), 0);
	for (uint64_t i = 0; i < 4000; i++) {
		fill(0);
		memcpy(want, in, N);
		nst_rng_init(&rng, 5, NST_RNG_AUGMENT, 0, i);
		nst_randaugment_apply(&ra, &rng, got, H, W, tmp);
		/* Rotation alone moves the middle of all four borders. */
		turned += got[0] == 128 && got[N - 3] == 128 && got[3 * (W - 1)] == 128 &&
			  got[3 * (H - 1) * W] == 128;
	}
	assert_in_range(turned, 1060, 1320);
	/* All fifteen, invert among them once: an odd number of inversions. */
	assert_int_equal(nst_randaugment_parse("rand-m0-n15-p1-tweights", 32, &ra, &err), 0);
	ra.ops = 1u << NST_RA_INVERT | 1u << NST_RA_COLOR;
	ra.n = 2;
	for (uint64_t i = 0; i < 200; i++) {
		fill(0);
		nst_rng_init(&rng, 5, NST_RNG_AUGMENT, 1, i);
		nst_randaugment_apply(&ra, &rng, got, H, W, tmp);
		for (size_t k = 0; k < N; k++)
			assert_int_equal(got[k], 255 - in[k]);
	}
}

static void fixmatch_ends_with_a_cutout(void **state)
{
	struct nst_randaugment ra;

	(void)state;
	assert_int_equal(nst_randaugment_parse("fixmatch,ops=identity,cutout=5", 32, &ra, &err), 0);
	for (uint64_t i = 0; i < 50; i++) {
		struct nst_rng rng, copy;
		size_t cy, cx;

		fill(0);
		memcpy(want, in, N);
		nst_rng_init(&rng, 5, NST_RNG_AUGMENT, 0, i);
		copy = rng;
		nst_randaugment_apply(&ra, &rng, got, H, W, tmp);
		for (int k = 0; k < 2; k++) {
			nst_rng_below(&copy, 1);
			nst_rng_unit(&copy);
		}
		cy = nst_rng_below(&copy, H);
		cx = nst_rng_below(&copy, W);
		nst_op_cutout(want, H, W, cy, cx, 5);
		assert_memory_equal(got, want, N);
	}
}

/* Only what is allowed, about equally often, both signs, and the same for the same stream. */
static void draws_are_fair_and_repeatable(void **state)
{
	struct nst_randaugment ra;
	struct nst_rng rng;
	size_t left = 0, right = 0, inverted = 0, untouched = 0;

	(void)state;
	assert_int_equal(nst_randaugment_parse("n1,m5,p=0.75,ops=translate-x+invert,translate=4",
					       32, &ra, &err),
			 0);
	for (uint64_t s = 0; s < 4000; s++) {
		fill(0);
		nst_rng_init(&rng, 7, NST_RNG_AUGMENT, 0, s);
		nst_randaugment_apply(&ra, &rng, got, H, W, tmp);
		memcpy(want, in, N);
		nst_rng_init(&rng, 7, NST_RNG_AUGMENT, 0, s);
		nst_randaugment_apply(&ra, &rng, want, H, W, tmp);
		assert_memory_equal(got, want, N);
		if (!memcmp(got, in, N))
			untouched++;
		else if (got[0] == 255 - in[0] && got[N - 1] == 255 - in[N - 1])
			inverted++;
		else if (got[0] == pixel(0, 2, 0) && got[N - 1] == 128)
			left++;
		else if (got[0] == 128 && got[N - 1] == pixel(H - 1, W - 3, 2))
			right++;
	}
	assert_int_equal(untouched + inverted + left + right, 4000);
	assert_in_range(untouched, 880, 1120); /* within about four deviations */
	assert_in_range(inverted, 1380, 1620);
	assert_in_range(left, 650, 850);
	assert_in_range(right, 650, 850);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(autocontrast_stretches),
		cmocka_unit_test(equalize_follows_the_cumulative_count),
		cmocka_unit_test(pointwise_twins),
		cmocka_unit_test(blends_twins),
		cmocka_unit_test(geometry_twins),
		cmocka_unit_test(shear_measures_from_the_flavours_origin),
		cmocka_unit_test(rotation_turns_counter_clockwise),
		cmocka_unit_test(cutout_stays_inside),
		cmocka_unit_test(any_size_and_strength),
		cmocka_unit_test(filtered_geometry_has_twins),
		cmocka_unit_test(turning_is_about_the_middle),
		cmocka_unit_test(tiny_pictures_pass),
		cmocka_unit_test(tf_strengths_are_the_published_ones),
		cmocka_unit_test(mono_grows_and_stops),
		cmocka_unit_test(option_words_are_read),
		cmocka_unit_test(senseless_words_are_refused),
		cmocka_unit_test(draws_are_fair_and_repeatable),
		cmocka_unit_test(words_of_timm_and_fixmatch_are_read),
		cmocka_unit_test(strengths_of_other_forms),
		cmocka_unit_test(magnitudes_are_drawn_as_they_say),
		cmocka_unit_test(weighted_draws_are_without_replacement),
		cmocka_unit_test(fixmatch_ends_with_a_cutout),
	};

	return cmocka_run_group_tests_name("randaugment", tests, NULL, NULL);
}
