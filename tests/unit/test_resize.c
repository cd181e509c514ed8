/* libcore/pixel/resize and libcore/image/preprocess: against a plain twin in double, one level
 * apart at most, and the sizes and offsets of the two ways to crop.  (tests/peers/image_pillow.py
 * compares pixel for pixel with Pillow.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/image/preprocess.h"
#include "libcore/pixel/normalise.h"
#include "libcore/pixel/pixels.h"
#include "libcore/pixel/resize.h"
#include "libcore/util/rng.h"
#include "libcore/util/simd.h"

static struct nst_err err;
static struct nst_resizer resizer;

static uint8_t *noise(size_t n, uint64_t seed)
{
	struct nst_rng rng;
	uint8_t *p = malloc(n);

	assert_non_null(p);
	nst_rng_init(&rng, seed, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)nst_rng_u32(&rng);
	return p;
}

static double twin_kernel(enum nst_filter f, double x)
{
	double a = fabs(x);

	switch (f) {
	case NST_BOX:
		return x > -0.5 && x <= 0.5;
	case NST_BILINEAR:
		return a < 1 ? 1 - a : 0;
	case NST_BICUBIC:
		if (a < 1)
			return 1.5 * a * a * a - 2.5 * a * a + 1;
		return a < 2 ? -0.5 * a * a * a + 2.5 * a * a - 4 * a + 2 : 0;
	case NST_LANCZOS:
		if (a < 1e-12)
			return 1;
		return a < 3 ? 3 * sin(M_PI * a) * sin(M_PI * a / 3) / (M_PI * M_PI * a * a) : 0;
	}
	return 0;
}

/* Resize one line of doubles to another, looking at every input for every output. */
static void twin_line(enum nst_filter f, const double *in, size_t n, double from, double to,
		      double *out, size_t m)
{
	static const double support[] = {0.5, 1, 2, 3};
	double scale = (to - from) / (double)m, wide = scale > 1 ? scale : 1;

	for (size_t i = 0; i < m; i++) {
		double centre = from + ((double)i + 0.5) * scale, sum = 0, total = 0;

		for (size_t x = 0; x < n; x++) {
			double d = (double)x + 0.5 - centre, k = 0;

			/* Windows are whole pixels whose middle lies within the support. */
			if (d >= -support[f] * wide - 1e-9 && d <= support[f] * wide + 1e-9)
				k = twin_kernel(f, d / wide);
			sum += k * in[x];
			total += k;
		}
		out[i] = sum / total;
	}
}

/* Across, to 8 bits, down, to 8 bits: as defined, in floating point. */
static void twin(const uint8_t *src, size_t h, size_t w, const struct nst_box *b, enum nst_filter f,
		 uint8_t *dst, size_t oh, size_t ow)
{
	double *half = malloc(h * ow * sizeof *half), line[256], result[256];

	assert_non_null(half);
	for (size_t c = 0; c < 3; c++) {
		for (size_t y = 0; y < h; y++) {
			for (size_t x = 0; x < w; x++)
				line[x] = src[3 * (y * w + x) + c];
			twin_line(f, line, w, (double)b->x0, (double)b->x1, half + y * ow, ow);
			for (size_t x = 0; x < ow; x++)
				half[y * ow + x] =
					fmin(fmax(floor(half[y * ow + x] + 0.5), 0), 255);
		}
		for (size_t x = 0; x < ow; x++) {
			for (size_t y = 0; y < h; y++)
				line[y] = half[y * ow + x];
			twin_line(f, line, h, (double)b->y0, (double)b->y1, result, oh);
			for (size_t y = 0; y < oh; y++)
				dst[3 * (y * ow + x) + c] =
					(uint8_t)fmin(fmax(floor(result[y] + 0.5), 0), 255);
		}
	}
	free(half);
}

static void agrees_with_the_twin(void **state)
{
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 1, 0);
	for (int i = 0; i < 120; i++) {
		enum nst_filter f = (enum nst_filter)(i % 4);
		size_t h = 1 + nst_rng_below(&rng, 60), w = 1 + nst_rng_below(&rng, 60);
		size_t oh = 1 + nst_rng_below(&rng, 80), ow = 1 + nst_rng_below(&rng, 80);
		uint32_t x = nst_rng_below(&rng, (uint32_t)w), y = nst_rng_below(&rng, (uint32_t)h);
		struct nst_box b = {0, 0, (float)w, (float)h};
		uint8_t *src = noise(3 * h * w, (uint64_t)i), *got = malloc(3 * oh * ow);
		uint8_t *want = malloc(3 * oh * ow);

		assert_true(got && want);
		if (i & 4)
			b = (struct nst_box){(float)x, (float)y,
					     (float)(x + 1 + nst_rng_below(&rng, (uint32_t)w - x)),
					     (float)(y + 1 + nst_rng_below(&rng, (uint32_t)h - y))};
		assert_int_equal(nst_resize(&resizer, src, h, w, &b, f, got, oh, ow, &err), 0);
		twin(src, h, w, &b, f, want, oh, ow);
		for (size_t k = 0; k < 3 * oh * ow; k++)
			assert_true(abs(got[k] - want[k]) <= 1);
		free(src);
		free(got);
		free(want);
	}
}

/* twin_kernel() as it is rounded there: the last bit can decide about a weight. */
static double exact_kernel(enum nst_filter f, double x)
{
	double a = fabs(x), pi = M_PI * x, third = M_PI * (x / 3);

	if (f == NST_BOX)
		return x > -0.5 && x <= 0.5 ? 1 : 0;
	if (f == NST_BILINEAR)
		return a < 1 ? 1 - a : 0;
	if (f == NST_BICUBIC)
		return a < 1   ? ((-0.5 + 2) * a - (-0.5 + 3)) * a * a + 1
		       : a < 2 ? (((a - 5) * a + 8) * a - 4) * -0.5
			       : 0;
	if (x == 0)
		return 1;
	return x >= -3 && x < 3 ? sin(pi) / pi * (sin(third) / third) : 0;
}

/* One pass over one line of 3-byte pixels, `step` bytes apart, in the arithmetic of resize.h:
 * weights of 22 fractional bits, one rounding. */
static void exact_line(enum nst_filter f, const uint8_t *in, size_t n, size_t step, double from,
		       double to, uint8_t *out, size_t m, size_t out_step)
{
	static const double support[] = {0.5, 1, 2, 3};
	double scale = (to - from) / (double)m, wide = scale > 1 ? scale : 1;

	for (size_t i = 0; i < m; i++) {
		double centre = from + ((double)i + 0.5) * scale, total = 0, weight[1024];
		double lo = trunc(centre - support[f] * wide + 0.5);
		double hi = trunc(centre + support[f] * wide + 0.5);
		size_t first = lo < 0 ? 0 : (size_t)lo, end = hi > (double)n ? n : (size_t)hi;

		for (size_t x = first; x < end; x++)
			total += weight[x] = exact_kernel(f, ((double)x - centre + 0.5) * (1 / wide));
		for (size_t c = 0; c < 3; c++) {
			int64_t sum = 1 << 21;

			for (size_t x = first; x < end; x++) {
				double v = weight[x] / total;

				sum += in[x * step + c] *
				       (int64_t)((v < 0 ? -0.5 : 0.5) + v * (1 << 22));
			}
			sum >>= 22;
			out[i * out_step + c] = sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
		}
	}
}

/* Sizes around what is worked on at a time: rows, and bytes of a line.  With vectors of every kind. */
static void agrees_exactly_with_plain_loops(void **state)
{
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 2, NST_RNG_TEST, 1, 0);
	for (int i = 0; i < 240; i++) {
		enum nst_filter f = (enum nst_filter)(i % 4);
		size_t h = 1 + nst_rng_below(&rng, 150), w = 1 + nst_rng_below(&rng, i % 3 ? 60 : 400);
		size_t oh = 1 + nst_rng_below(&rng, 90), ow = 1 + nst_rng_below(&rng, 90);
		uint32_t x = nst_rng_below(&rng, (uint32_t)w), y = nst_rng_below(&rng, (uint32_t)h);
		struct nst_box b = {(float)x, (float)y,
				    (float)(x + 1 + nst_rng_below(&rng, (uint32_t)w - x)),
				    (float)(y + 1 + nst_rng_below(&rng, (uint32_t)h - y))};
		int across = i % 7 != 5, down = i % 7 != 6; /* or that side stays as it is */
		uint8_t *src = noise(3 * h * w, (uint64_t)i), *half, *got, *want;

		if (!across) {
			b.x0 = 0;
			b.x1 = (float)(ow = w);
		}
		if (!down) {
			b.y0 = 0;
			b.y1 = (float)(oh = h);
		}
		half = malloc(3 * h * ow);
		got = malloc(3 * oh * ow);
		want = malloc(3 * oh * ow);
		assert_true(half && got && want);
		for (size_t r = 0; across && r < h; r++)
			exact_line(f, src + 3 * w * r, w, 3, (double)b.x0, (double)b.x1,
				   half + 3 * ow * r, ow, 3);
		if (!across)
			memcpy(half, src, 3 * h * w);
		if (!down)
			memcpy(want, half, 3 * h * ow);
		for (size_t c = 0; down && c < ow; c++)
			exact_line(f, half + 3 * c, h, 3 * ow, (double)b.y0, (double)b.y1,
				   want + 3 * c, oh, 3 * ow);
		for (enum nst_simd k = NST_SIMD_PLAIN; k < NST_SIMD_KINDS; k++) {
			if (!nst_simd_runs(k))
				continue;
			setenv("NST_SIMD", nst_simd_name(k), 1);
			nst_resizer_release(&resizer); /* which chooses anew then */
			memset(got, 1, 3 * oh * ow);
			assert_int_equal(nst_resize(&resizer, src, h, w, &b, f, got, oh, ow, &err), 0);
			assert_memory_equal(got, want, 3 * oh * ow);
		}
		unsetenv("NST_SIMD");
		nst_resizer_release(&resizer);
		free(src);
		free(half);
		free(got);
		free(want);
	}
}

/* Outputs of a resizing by rows, in their places. */
struct outputs {
	uint8_t *data;
	size_t w, next;
};

static void put(void *ctx, const uint8_t *rows, size_t y, size_t n)
{
	struct outputs *o = ctx;

	assert_int_equal(y, o->next);
	memcpy(o->data + 3 * o->w * y, rows, 3 * o->w * n);
	o->next = y + n;
}

/* In portions of any size, from anywhere before the first row that is looked at. */
static void rows_come_out_as_of_the_whole(void **state)
{
	struct nst_rng rng;
	struct nst_resizer by_rows = {0};

	(void)state;
	nst_rng_init(&rng, 3, NST_RNG_TEST, 1, 0);
	for (int i = 0; i < 300; i++) {
		enum nst_filter f = (enum nst_filter)(i % 4);
		size_t h = 1 + nst_rng_below(&rng, 250), w = 1 + nst_rng_below(&rng, 90);
		size_t oh = i % 10 ? 1 + nst_rng_below(&rng, 90) : h;
		size_t ow = i % 20 ? 1 + nst_rng_below(&rng, 90) : w;
		uint32_t x = nst_rng_below(&rng, (uint32_t)w), y = nst_rng_below(&rng, (uint32_t)h);
		struct nst_box b = {(float)x, (float)y,
				    (float)(x + 1 + nst_rng_below(&rng, (uint32_t)w - x)),
				    (float)(y + 1 + nst_rng_below(&rng, (uint32_t)h - y))};
		const struct nst_box *box = i % 5 ? &b : NULL;
		struct nst_box part = {0, 0, (float)w, (float)h};
		uint8_t *src = noise(3 * h * w, (uint64_t)i), *want = malloc(3 * oh * ow);
		struct outputs got = {malloc(3 * oh * ow), ow, 0};
		const struct nst_rows to = {.take = put, .ctx = &got};
		uint32_t most = 1 + nst_rng_below(&rng, 80);

		assert_true(want && got.data);
		if (box)
			part = nst_resize_part(h, w, box, f, oh, ow);
		assert_int_equal(nst_resize(&resizer, src, h, w, box, f, want, oh, ow, &err), 0);
		assert_int_equal(nst_resize_begin(&by_rows, h, w, box, f, oh, ow, NULL, &to, &err), 0);
		for (size_t at = (size_t)part.y0, n; at < (size_t)ceilf(part.y1); at += n) {
			n = 1 + nst_rng_below(&rng, most);
			n = n < h - at ? n : h - at;
			nst_resize_take(&by_rows, src + 3 * w * at, at, n);
		}
		assert_int_equal(got.next, oh);
		assert_memory_equal(got.data, want, 3 * oh * ow);
		free(src);
		free(want);
		free(got.data);
	}
	nst_resizer_release(&by_rows);
}

/* Some of the outputs are what they are among all, and need no more than the rows they look at. */
static void outputs_are_those_of_all(void **state)
{
	struct nst_resizer by_rows = {0};
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 4, NST_RNG_TEST, 1, 0);
	for (int i = 0; i < 300; i++) {
		enum nst_filter f = (enum nst_filter)(i % 4);
		size_t h = 1 + nst_rng_below(&rng, 250), w = 1 + nst_rng_below(&rng, 90);
		size_t oh = i % 10 ? 1 + nst_rng_below(&rng, 90) : h;
		size_t ow = i % 10 ? 1 + nst_rng_below(&rng, 90) : w;
		struct nst_outputs only = {nst_rng_below(&rng, (uint32_t)oh),
					   nst_rng_below(&rng, (uint32_t)ow), 0, 0};
		const double down = (double)h / (double)oh, across = (double)w / (double)ow;
		uint8_t *src = noise(3 * h * w, (uint64_t)i), *want = malloc(3 * oh * ow);
		struct outputs got = {NULL, 0, 0};
		const struct nst_rows to = {.take = put, .ctx = &got};
		struct nst_box part;

		only.h = 1 + nst_rng_below(&rng, (uint32_t)(oh - only.y));
		only.w = 1 + nst_rng_below(&rng, (uint32_t)(ow - only.x));
		part = (struct nst_box){
			(float)((double)only.x * across), (float)((double)only.y * down),
			fminf((float)((double)(only.x + only.w) * across), (float)w),
			fminf((float)((double)(only.y + only.h) * down), (float)h)};
		part = nst_resize_part(h, w, &part, f, only.h, only.w);
		got.data = malloc(3 * only.h * only.w);
		got.w = only.w;
		assert_true(want && got.data);
		assert_int_equal(nst_resize(&resizer, src, h, w, NULL, f, want, oh, ow, &err), 0);
		assert_int_equal(
			nst_resize_begin(&by_rows, h, w, NULL, f, oh, ow, &only, &to, &err), 0);
		for (size_t at = (size_t)part.y0, n; at < (size_t)ceilf(part.y1); at += n) {
			n = 1 + nst_rng_below(&rng, 40);
			n = n < h - at ? n : h - at;
			nst_resize_take(&by_rows, src + 3 * w * at, at, n);
		}
		assert_int_equal(got.next, only.h);
		for (size_t y = 0; y < only.h; y++)
			assert_memory_equal(got.data + 3 * only.w * y,
					    want + 3 * (ow * (only.y + y) + only.x), 3 * only.w);
		only.h = oh - only.y + 1;
		assert_int_equal(nst_resize_begin(&by_rows, h, w, NULL, f, oh, ow, &only, &to, &err),
				 NST_EINVAL);
		only.h = 0;
		assert_int_equal(nst_resize_begin(&by_rows, h, w, NULL, f, oh, ow, &only, &to, &err),
				 NST_EINVAL);
		free(src);
		free(want);
		free(got.data);
	}
	nst_resizer_release(&by_rows);
}

/* A resizer that has done others, alike and not, does the same as a new one. */
static void what_was_before_does_not_matter(void **state)
{
	static const struct {
		size_t h, w, oh, ow;
		struct nst_box box;
		enum nst_filter filter;
	} done[] = {
		{70, 90, 200, 200, {0, 0, 90, 70}, NST_LANCZOS}, /* the most memory */
		{70, 90, 40, 30, {3, 4, 80, 60}, NST_BICUBIC},  /* one of them changes at a time */
		{70, 90, 40, 30, {3, 4, 80, 60}, NST_BICUBIC},
		{70, 90, 40, 30, {4, 4, 80, 60}, NST_BICUBIC},
		{70, 90, 40, 30, {4, 5, 80, 60}, NST_BICUBIC},
		{70, 90, 40, 30, {4, 5, 79, 60}, NST_BICUBIC},
		{70, 90, 40, 30, {4, 5, 79, 61}, NST_BICUBIC},
		{70, 90, 40, 30, {4, 5, 79, 61}, NST_LANCZOS},
		{70, 90, 40, 31, {4, 5, 79, 61}, NST_LANCZOS},
		{70, 90, 41, 31, {4, 5, 79, 61}, NST_LANCZOS},
		{61, 90, 41, 31, {4, 5, 79, 61}, NST_LANCZOS},
		{61, 80, 41, 31, {4, 5, 79, 61}, NST_LANCZOS},
		{61, 80, 61, 80, {0, 0, 80, 61}, NST_LANCZOS},  /* stays as it is */
		{61, 80, 41, 31, {4, 5, 79, 61}, NST_LANCZOS},
	};
	static uint8_t got[3 * 200 * 200], want[3 * 200 * 200];
	struct nst_resizer used = {0};
	uint8_t *src = noise(3 * 70 * 90, 6);

	(void)state;
	for (size_t i = 0; i < sizeof(done) / sizeof(*done); i++) {
		const size_t h = done[i].h, w = done[i].w, oh = done[i].oh, ow = done[i].ow;
		struct nst_resizer fresh = {0};

		assert_int_equal(nst_resize(&used, src, h, w, &done[i].box, done[i].filter, got, oh, ow,
					    &err), 0);
		assert_int_equal(nst_resize(&fresh, src, h, w, &done[i].box, done[i].filter, want, oh, ow,
					    &err), 0);
		assert_memory_equal(got, want, 3 * oh * ow);
		if (i % 3 == 0) /* nor does a refusal */
			assert_int_equal(nst_resize(&used, src, h, w, &done[i].box, done[i].filter, got, 0,
						    ow, &err), NST_EINVAL);
		nst_resizer_release(&fresh);
	}
	nst_resizer_release(&used);
	free(src);
}

/* A row that is not there does not become one of something else. */
static void missing_rows_end_it(void **state)
{
	uint8_t *src = noise(3 * 60 * 30, 5), dst[3 * 20 * 10];
	struct outputs got = {dst, 10, 0};
	const struct nst_rows to = {.take = put, .ctx = &got};
	struct nst_resizer by_rows = {0};
	size_t before;

	(void)state;
	assert_int_equal(nst_resize_begin(&by_rows, 60, 30, NULL, NST_BOX, 0, 10, NULL, &to, &err),
			 NST_EINVAL);
	nst_resize_take(&by_rows, src, 0, 60);
	assert_int_equal(got.next, 0);
	assert_int_equal(nst_resize_begin(&by_rows, 60, 30, NULL, NST_BOX, 20, 10, NULL, &to, &err), 0);
	nst_resize_take(&by_rows, src, 0, 20);
	before = got.next;
	nst_resize_take(&by_rows, src + 3 * 30 * 21, 21, 39);
	assert_int_equal(got.next, before);
	nst_resize_take(&by_rows, src + 3 * 30 * 20, 20, 40);
	assert_int_equal(got.next, 20);
	free(src);
	nst_resizer_release(&by_rows);
}

static void same_size_is_a_copy(void **state)
{
	uint8_t *src = noise(3 * 20 * 30, 3), *dst = malloc(3 * 20 * 30);

	(void)state;
	assert_non_null(dst);
	for (int f = NST_BOX; f <= NST_LANCZOS; f++) {
		assert_int_equal(nst_resize(&resizer, src, 20, 30, NULL, (enum nst_filter)f, dst,
					    20, 30, &err),
				 0);
		assert_memory_equal(src, dst, 3 * 20 * 30);
	}
	free(src);
	free(dst);
}

static void a_whole_box_of_its_size_is_a_crop(void **state)
{
	uint8_t *src = noise(3 * 20 * 30, 4), dst[3 * 5 * 7];
	struct nst_box b = {11, 2, 18, 7};

	(void)state;
	assert_int_equal(nst_resize(&resizer, src, 20, 30, &b, NST_BICUBIC, dst, 5, 7, &err), 0);
	for (size_t y = 0; y < 5; y++)
		assert_memory_equal(dst + 3 * 7 * y, src + 3 * (30 * (2 + y) + 11), 3 * 7);
	free(src);
}

static void nonsense_is_refused(void **state)
{
	uint8_t src[3 * 4 * 4] = {0}, dst[3 * 4 * 4];
	static const struct nst_box bad[] = {{0, 0, 5, 4}, {-1, 0, 4, 4}, {2, 0, 2, 4},
					     {0, 3, 4, 1}, {0, 0, NAN, 4}, {0, 0, 4, INFINITY}};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(nst_resize(&resizer, src, 4, 4, &bad[i], NST_BOX, dst, 4, 4, &err),
				 NST_EINVAL);
	assert_int_equal(nst_resize(&resizer, src, 0, 4, NULL, NST_BOX, dst, 4, 4, &err),
			 NST_EINVAL);
	assert_int_equal(nst_resize(&resizer, src, 4, 4, NULL, NST_BOX, dst, 4, 0, &err),
			 NST_EINVAL);
	assert_int_equal(
		nst_resize(&resizer, src, 4, 4, NULL, NST_BOX, dst, 4, (size_t)1 << 40, &err),
		NST_ELIMIT);
}

static void filters_have_names(void **state)
{
	enum nst_filter f;

	(void)state;
	for (int i = NST_BOX; i <= NST_LANCZOS; i++) {
		assert_int_equal(nst_filter_parse(nst_filter_name((enum nst_filter)i), &f), 0);
		assert_int_equal(f, i);
	}
	assert_int_equal(nst_filter_parse("cubic", &f), -1);
}

static void pixels_grow_and_swap(void **state)
{
	struct nst_pixels a = {0}, b = {0};

	(void)state;
	assert_int_equal(nst_pixels_shape(&a, 10, 10, &err), 0);
	a.data[299] = 7;
	nst_pixels_swap(&a, &b);
	assert_null(a.data);
	assert_int_equal(b.data[299], 7);
	assert_int_equal(nst_pixels_shape(&a, SIZE_MAX / 2, 3, &err), NST_ELIMIT);
	nst_pixels_release(&b);
	assert_null(b.data);
	nst_pixels_release(&b);
}

/* ---- preprocessing ---- */

/* A picture as 8 bits a channel, of (v / 255 - 0) / 1; its rows come in two portions. */
static void preprocess(const struct nst_preprocess *settings, const struct nst_pixels *in,
		       uint8_t *out)
{
	struct nst_preprocess p = *settings;
	struct nst_preprocessor work = {0};
	const size_t n = 3 * p.size * p.size, first = (in->h + 1) / 2;
	float *values = malloc(n * sizeof(*values));

	assert_non_null(values);
	for (int c = 0; c < 3; c++) {
		p.mean[c] = 0;
		p.std[c] = 1;
	}
	assert_int_equal(nst_preprocess_begin(&p, &work, in->h, in->w, values, &err), 0);
	nst_preprocess_take(&work, in->data, 0, first);
	nst_preprocess_take(&work, in->data + 3 * in->w * first, first, in->h - first);
	for (size_t i = 0; i < n; i++) {
		out[i] = (uint8_t)lrintf(255 * values[i]);
		assert_true(values[i] == (float)out[i] / 255);
	}
	nst_preprocessor_release(&work);
	free(values);
}

static void central_box_is_the_papers(void **state)
{
	static const struct {
		size_t h, w;
		double fraction;
		float x0, y0, side;
	} cases[] = {
		{256, 256, 224.0 / 256, 16, 16, 224},
		{300, 401, 224.0 / 256, 70, 19, 262}, /* (401 - 262 + 1) / 2, (300 - 262 + 1) / 2 */
		{412, 500, 380.0 / 412, 60, 16, 380},
		{32, 32, 1, 0, 0, 32},
		{1, 5, 0.5, 2, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct nst_box b = nst_box_central(cases[i].h, cases[i].w, cases[i].fraction);

		assert_true(b.x0 == cases[i].x0 && b.y0 == cases[i].y0);
		assert_true(b.x1 == b.x0 + cases[i].side && b.y1 == b.y0 + cases[i].side);
	}
}

static void small_pictures_pass_unchanged(void **state)
{
	struct nst_preprocess p;
	struct nst_pixels in = {noise(3 * 32 * 32, 9), 32, 32, 0};
	uint8_t out[3 * 32 * 32];

	(void)state;
	nst_preprocess_init(&p, 32);
	preprocess(&p, &in, out);
	assert_memory_equal(in.data, out, sizeof out);
	nst_pixels_release(&in);
}

static void croppings_take_what_they_say(void **state)
{
	struct nst_preprocess p;
	struct nst_pixels in = {noise(3 * 50 * 90, 10), 50, 90, 0};
	uint8_t out[3 * 20 * 20], want[3 * 20 * 20], mid[3 * 40 * 72];
	struct nst_box box = {25, 5, 65, 45}; /* .8 of 50 is 40 */

	(void)state;
	nst_preprocess_init(&p, 20);
	p.crop = 0.8;
	preprocess(&p, &in, out);
	assert_int_equal(
		nst_resize(&resizer, in.data, 50, 90, &box, NST_BICUBIC, want, 20, 20, &err), 0);
	assert_memory_equal(out, want, sizeof out);

	p.cropping = NST_CROP_SHORTEST;
	p.crop = 0.5; /* to 40 x 72, then the middle 20 x 20 */
	preprocess(&p, &in, out);
	assert_int_equal(
		nst_resize(&resizer, in.data, 50, 90, NULL, NST_BICUBIC, mid, 40, 72, &err), 0);
	for (size_t y = 0; y < 20; y++)
		assert_memory_equal(out + 60 * y, mid + 3 * ((10 + y) * 72 + 26), 60);

	p.cropping = NST_CROP_WHOLE;
	preprocess(&p, &in, out);
	assert_int_equal(
		nst_resize(&resizer, in.data, 50, 90, NULL, NST_BICUBIC, want, 20, 20, &err), 0);
	assert_memory_equal(out, want, sizeof out);
	nst_pixels_release(&in);
}

/* The two ways of naming a crop, and timm's floor(size / fraction) in its own arithmetic. */
static void crops_are_named_in_two_ways(void **state)
{
	static const struct {
		size_t size;
		double fraction;
		size_t side;
	} cases[] = {
		{224, 0.875, 256}, {240, 0.882, 272}, {300, 0.904, 331}, {380, 0.922, 412},
		{600, 0.949, 632}, {600, 0.96, 625},  {475, 0.936, 507}, {33, 1, 33},
	};
	struct nst_preprocess p;

	(void)state;
	nst_preprocess_init(&p, 224);
	assert_int_equal(nst_preprocess_padding(&p), 32);
	for (size_t padding = 0; padding < 300; padding++) {
		nst_preprocess_crop_padding(&p, padding);
		assert_int_equal(p.cropping, NST_CROP_CENTRAL);
		assert_true(p.crop == 224.0 / (double)(224 + padding));
		assert_int_equal(nst_preprocess_padding(&p), padding);
	}
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t side = cases[i].side, size = cases[i].size, at = (side - size) / 2;
		struct nst_pixels in = {noise(3 * side * side, 11), side, side, 0};
		uint8_t *out = malloc(3 * size * size);

		assert_non_null(out);
		nst_preprocess_init(&p, size);
		nst_preprocess_crop_fraction(&p, cases[i].fraction);
		assert_int_equal(nst_preprocess_padding(&p), -1);
		/* A picture that has the side already is only cropped; an odd rest goes to the even
		 * half, as Python rounds. */
		if ((side - size) % 4 == 3)
			at++;
		preprocess(&p, &in, out);
		for (size_t y = 0; y < size; y++)
			assert_memory_equal(out + 3 * size * y,
					    in.data + 3 * ((at + y) * side + at), 3 * size);
		nst_pixels_release(&in);
		free(out);
	}
}

static void reduction_never_enlarges(void **state)
{
	struct nst_preprocess p;

	(void)state;
	nst_preprocess_init(&p, 224);
	assert_float_equal(nst_preprocess_reduce(&p, 512, 1024), 2, 1e-9); /* 448 of 512 to 224 */
	p.cropping = NST_CROP_WHOLE;
	assert_float_equal(nst_preprocess_reduce(&p, 448, 1024), 2, 1e-9);
}

/* To the bit what the three operations make of it one after the other. */
static void normalises(const float mean[3], const float std[3], size_t pixels, const uint8_t *in)
{
	struct nst_normaliser n;
	float *out = malloc(3 * pixels * sizeof(*out));

	assert_non_null(out);
	nst_normaliser_init(&n, mean, std);
	nst_normalise(&n, in, pixels, out);
	for (size_t i = 0; i < 3 * pixels; i++) {
		const float unit = (float)in[i] / 255, want = (unit - mean[i % 3]) / std[i % 3];

		assert_memory_equal(&out[i], &want, sizeof(want));
	}
	free(out);
}

/* What is done without divisions is what they lead to, to the last bit. */
static void normalising_is_the_formula(void **state)
{
	enum { PIXELS = 256 * 3 + 5 };
	static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
	uint8_t in[3 * PIXELS];
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 2, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)(i / 3);
	normalises(mean, std, PIXELS, in);
	normalises(mean, std, 1, in);
	normalises((float[3]){0, 0.5f, 1}, (float[3]){1, NST_NORMALISER_LEAST, NST_NORMALISER_MOST},
		   PIXELS, in);
	normalises((float[3]){NST_NORMALISER_MOST, -NST_NORMALISER_MOST, 1e-6f},
		   (float[3]){NST_NORMALISER_LEAST, NST_NORMALISER_MOST, 0.5f}, PIXELS, in);
	for (int i = 0; i < 300; i++) {
		const uint32_t most = i % 2 ? 3 : 19; /* magnitudes */
		float m[3], s[3];

		for (size_t c = 0; c < 3; c++) {
			const int binary = (int)nst_rng_below(&rng, 2 * most) - (int)most;

			m[c] = (float)nst_rng_uniform(&rng, 0, 1);
			s[c] = (float)ldexp(nst_rng_uniform(&rng, 1, 2), binary);
		}
		normalises(m, s, PIXELS, in);
	}
}

static void preprocessing_normalises(void **state)
{
	struct nst_preprocess p;
	uint8_t black[3] = {0};
	float out[3];

	(void)state;
	nst_preprocess_init(&p, 224);
	nst_preprocess_normalise(&p, black, 1, out);
	/* As everybody's red channel has it. */
	assert_true(fabs((double)out[0] + 2.1179) < 1e-4);
}

static void words_come_back(void **state)
{
	struct nst_preprocess p, q;
	struct nst_buf b = {0};
	static const char *const bad[] = {
		"",
		"crop=1",
		"input=32x32",
		"input=32x16x3",
		"input=0x0x3",
		"input=32x32x3 crop=0",
		"input=32x32x3 crop=1.1",
		"input=32x32x3 crop=nan",
		"input=32x32x3 mean=1,2",
		"input=32x32x3 std=0,1,1",
		"input=32x32x3 std=1,1,1e-7",
		"input=32x32x3 mean=0,inf,0",
		"input=32x32x3 mean=1,2,3,4",
		"input=32x32x3 shape=1",
		"input=32x32x3 crop=1 crop=1",
		"input=32x32x3 interpolation=best",
		"input=32x32x3 x",
		"input=32x32x3 input=32x32x3",
		"input=99999x99999x3",
	};

	(void)state;
	nst_preprocess_init(&p, 380);
	p.cropping = NST_CROP_SHORTEST;
	p.filter = NST_BILINEAR;
	p.mean[1] = 0.1f;
	p.std[2] = 1.0f / 3;
	assert_int_equal(nst_preprocess_format(&p, &b, &err), 0);
	assert_int_equal(nst_preprocess_parse((char *)b.data, &q, &err), 0);
	assert_int_equal(q.size, 380);
	assert_int_equal(q.cropping, p.cropping);
	assert_int_equal(q.filter, p.filter);
	assert_true(q.crop == p.crop);
	assert_memory_equal(p.mean, q.mean, sizeof p.mean);
	assert_memory_equal(p.std, q.std, sizeof p.std);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(nst_preprocess_parse(bad[i], &q, &err), NST_EINVAL);
	nst_buf_release(&b);
}

static int stop(void **state)
{
	(void)state;
	nst_resizer_release(&resizer);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_twin),
		cmocka_unit_test(agrees_exactly_with_plain_loops),
		cmocka_unit_test(rows_come_out_as_of_the_whole),
		cmocka_unit_test(outputs_are_those_of_all),
		cmocka_unit_test(what_was_before_does_not_matter),
		cmocka_unit_test(missing_rows_end_it),
		cmocka_unit_test(same_size_is_a_copy),
		cmocka_unit_test(a_whole_box_of_its_size_is_a_crop),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(filters_have_names),
		cmocka_unit_test(pixels_grow_and_swap),
		cmocka_unit_test(central_box_is_the_papers),
		cmocka_unit_test(small_pictures_pass_unchanged),
		cmocka_unit_test(croppings_take_what_they_say),
		cmocka_unit_test(crops_are_named_in_two_ways),
		cmocka_unit_test(reduction_never_enlarges),
		cmocka_unit_test(normalising_is_the_formula),
		cmocka_unit_test(preprocessing_normalises),
		cmocka_unit_test(words_come_back),
	};

	return cmocka_run_group_tests_name("resize", tests, NULL, stop);
}
