/* libcore/augment/crop and augment: boxes and their distribution, shifts and flips against plain
 * twins, and views as a whole. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/augment/augment.h"
#include "libcore/augment/crop.h"
#include "libcore/augment/ops.h"
#include "libcore/pixel/resize.h"
#include "libcore/util/rng.h"

static struct nst_err err;

static void noise(uint8_t *p, size_t n)
{
	struct nst_rng rng;

	nst_rng_init(&rng, 1, NST_RNG_TEST, 6, 0);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)nst_rng_u32(&rng);
}

static struct nst_pixels picture(size_t h, size_t w)
{
	struct nst_pixels p = {0};

	assert_int_equal(nst_pixels_shape(&p, h, w, &err), 0);
	noise(p.data, 3 * h * w);
	return p;
}

static void random_boxes_are_as_drawn(void **state)
{
	static const double area[2] = {0.08, 1}, aspect[2] = {0.75, 4.0 / 3};
	struct nst_rng rng;
	double areas = 0, ratios = 0, middle = 0;
	int left = 0, right = 0;

	(void)state;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 7, 0);
	for (int i = 0; i < 20000; i++) {
		struct nst_box b = nst_crop_random(&rng, 400, 500, area, aspect);
		double w = (double)(b.x1 - b.x0), h = (double)(b.y1 - b.y0);

		assert_true(b.x0 >= 0 && b.y0 >= 0 && b.x1 <= 500 && b.y1 <= 400);
		assert_true(w == floor(w) && h == floor(h) && w >= 1 && h >= 1);
		assert_true(w * h >= 0.078 * 200000 && w * h <= 200000);
		assert_true(w / h > 0.74 && w / h < 1.35);
		areas += w * h / 200000;
		ratios += log(w / h);
		middle += (double)(b.x0 + b.x1) / 2;
		left += b.x0 == 0;
		right += b.x1 == 500;
	}
	/* Boxes near the whole picture fit less often: the mean lies below (.08 + 1) / 2. */
	assert_true(areas / 20000 > 0.44 && areas / 20000 < 0.54);
	assert_true(fabs(ratios / 20000) < 0.03);
	assert_true(fabs(middle / 20000 - 250) < 2);
	assert_true(left > 100 && right > 100); /* both ends belong to the range */
}

static void a_box_that_cannot_fit_becomes_the_central_square(void **state)
{
	static const double area[2] = {1, 1}, aspect[2] = {3, 3};
	struct nst_rng rng;
	struct nst_box b;

	(void)state;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 8, 0);
	b = nst_crop_random(&rng, 100, 60, area, aspect);
	assert_true(b.x0 == 0 && b.x1 == 60 && b.y0 == 20 && b.y1 == 80);
	b = nst_crop_random(&rng, 1, 1, area, aspect);
	assert_true(b.x0 == 0 && b.x1 == 1 && b.y0 == 0 && b.y1 == 1);
}

/* Walk to the wanted pixel one step at a time, turning round at the ends. */
static size_t walk(long i, size_t n)
{
	size_t at = 0;
	int up = 1;

	for (long steps = labs(i); steps && n > 1; steps--) {
		if (up && at == n - 1)
			up = 0;
		else if (!up && at == 0)
			up = 1;
		at = up ? at + 1 : at - 1;
	}
	return at;
}

static void shifts_have_twins(void **state)
{
	static const size_t sizes[][2] = {{7, 9}, {1, 1}, {1, 5}, {4, 2}};
	uint8_t src[3 * 63], dst[3 * 63];
	static const uint8_t black[3];

	(void)state;
	noise(src, sizeof src);
	for (size_t k = 0; k < 4; k++)
		for (long dy = -12; dy <= 12; dy += 3)
			for (long dx = -20; dx <= 20; dx += 4)
				for (int border = 0; border < 2; border++) {
					long h = (long)sizes[k][0], w = (long)sizes[k][1];

					nst_shift(src, (size_t)h, (size_t)w, dy, dx,
						  (enum nst_border)border, dst);
					for (long y = 0; y < h; y++)
						for (long x = 0; x < w; x++) {
							long sy = y + dy, sx = x + dx;
							int in = sy >= 0 && sy < h && sx >= 0 &&
								 sx < w;
							const uint8_t *want =
								src + 3 * (walk(sy, sizes[k][0]) *
										   sizes[k][1] +
									   walk(sx, sizes[k][1]));

							if (border == NST_BORDER_ZERO && !in)
								want = black;
							assert_memory_equal(dst + 3 * (y * w + x),
									    want, 3);
						}
				}
}

static void flips_mirror(void **state)
{
	(void)state;
	for (size_t w = 1; w < 6; w++) {
		uint8_t src[3 * 3 * 5], dst[3 * 3 * 5];

		noise(src, sizeof src);
		memcpy(dst, src, sizeof src);
		nst_flip(dst, 3, w);
		for (size_t y = 0; y < 3; y++)
			for (size_t x = 0; x < w; x++)
				assert_memory_equal(dst + 3 * (y * w + x),
						    src + 3 * (y * w + w - 1 - x), 3);
		nst_flip(dst, 3, w);
		assert_memory_equal(src, dst, sizeof src);
	}
}

static void defaults_follow_the_size(void **state)
{
	struct nst_augment a;

	(void)state;
	nst_augment_init(&a, 224);
	assert_int_equal(a.view, NST_VIEW_RESIZED);
	assert_int_equal(nst_augment_check(&a, &err), 0);
	nst_augment_init(&a, 32);
	assert_int_equal(a.view, NST_VIEW_SHIFT);
	assert_int_equal(a.pad, 4);
	assert_int_equal(a.flip, 1);
	assert_int_equal(nst_augment_check(&a, &err), 0);
	a.pad = 33;
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
	nst_augment_init(&a, 224);
	a.area[0] = 0;
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
	nst_augment_init(&a, 224);
	a.aspect[1] = 0.5;
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
	nst_augment_init(&a, 0);
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
}

static void words_have_meanings(void **state)
{
	enum nst_view_kind v;
	enum nst_border b;

	(void)state;
	for (int i = NST_VIEW_PLAIN; i <= NST_VIEW_SHIFT; i++) {
		assert_int_equal(nst_view_parse(nst_view_name((enum nst_view_kind)i), &v), 0);
		assert_int_equal(v, i);
	}
	for (int i = NST_BORDER_REFLECT; i <= NST_BORDER_ZERO; i++) {
		assert_int_equal(nst_border_parse(nst_border_name((enum nst_border)i), &b), 0);
		assert_int_equal(b, i);
	}
	assert_int_equal(nst_view_parse("crop", &v), -1);
	assert_int_equal(nst_border_parse("", &b), -1);
}

static void make(const struct nst_augment *a, uint64_t seed, const struct nst_pixels *in,
		 struct nst_view *v, uint8_t *out)
{
	struct nst_augmenter w = {0};
	struct nst_rng rng;

	nst_rng_init(&rng, seed, NST_RNG_AUGMENT, 3, 4);
	nst_augment_draw(a, &rng, in->h, in->w, v);
	assert_int_equal(nst_augment_apply(a, &rng, v, &w, in, out, &err), 0);
	nst_augmenter_release(&w);
}

/* The small form, step by step: cutout, then shift, then flip. */
static void small_views_are_shifted_and_flipped(void **state)
{
	struct nst_pixels in = picture(32, 32);
	uint8_t out[3072], want[3072], mid[3072];
	size_t flips = 0, shifts[9][9] = {{0}};
	struct nst_augment a;
	struct nst_view v;

	(void)state;
	nst_augment_init(&a, 32);
	for (uint64_t seed = 0; seed < 2000; seed++) {
		struct nst_rng rng;
		size_t cy, cx;

		a.cutout = seed % 3 ? 0 : 8;
		make(&a, seed, &in, &v, out);
		memcpy(mid, in.data, sizeof mid);
		nst_rng_init(&rng, seed, NST_RNG_AUGMENT, 3, 4);
		nst_augment_draw(&a, &rng, 32, 32, &v);
		if (a.cutout) {
			cy = nst_rng_below(&rng, 32);
			cx = nst_rng_below(&rng, 32);
			nst_op_cutout(mid, 32, 32, cy, cx, 8);
		}
		nst_shift(mid, 32, 32, v.dy, v.dx, NST_BORDER_REFLECT, want);
		if (v.flip)
			nst_flip(want, 32, 32);
		assert_memory_equal(out, want, sizeof out);
		flips += (size_t)v.flip;
		assert_in_range(v.dy + 4, 0, 8);
		assert_in_range(v.dx + 4, 0, 8);
		shifts[v.dy + 4][v.dx + 4]++;
	}
	assert_in_range(flips, 910, 1090);
	for (size_t i = 0; i < 81; i++)
		assert_in_range(shifts[i / 9][i % 9], 5, 55); /* 24.7 on average */
	nst_pixels_release(&in);
}

static void large_views_are_cropped_then_flipped(void **state)
{
	struct nst_pixels in = picture(120, 100);
	uint8_t out[3 * 80 * 80], want[3 * 80 * 80];
	struct nst_resizer r = {0};
	struct nst_augment a;
	struct nst_view v;

	(void)state;
	nst_augment_init(&a, 80);
	for (uint64_t seed = 0; seed < 50; seed++) {
		make(&a, seed, &in, &v, out);
		assert_int_equal(
			nst_resize(&r, in.data, 120, 100, &v.box, NST_BICUBIC, want, 80, 80, &err),
			0);
		if (v.flip)
			nst_flip(want, 80, 80);
		assert_memory_equal(out, want, sizeof out);
	}
	nst_resizer_release(&r);
	nst_pixels_release(&in);
}

static void plain_views_do_not_change_what_fits(void **state)
{
	struct nst_pixels in = picture(32, 32);
	uint8_t out[3072];
	struct nst_augment a;
	struct nst_view v;

	(void)state;
	nst_augment_init(&a, 32);
	a.view = NST_VIEW_PLAIN;
	a.flip = 0;
	make(&a, 1, &in, &v, out);
	assert_memory_equal(out, in.data, sizeof out);
	nst_pixels_release(&in);
}

static void views_depend_on_the_stream_alone(void **state)
{
	struct nst_pixels in = picture(90, 70);
	uint8_t one[3 * 70 * 70], two[3 * 70 * 70];
	struct nst_augment a;
	struct nst_view v;
	size_t same = 0;

	(void)state;
	nst_augment_init(&a, 70);
	assert_int_equal(nst_randaugment_parse("n2,m27", 70, &a.ra, &err), 0);
	for (uint64_t seed = 0; seed < 40; seed++) {
		make(&a, seed, &in, &v, one);
		make(&a, seed, &in, &v, two);
		assert_memory_equal(one, two, sizeof one);
		make(&a, seed + 1, &in, &v, two);
		same += !memcmp(one, two, sizeof one);
	}
	assert_int_equal(same, 0);
	nst_pixels_release(&in);
}

/* A view of a picture halved while decoding is nearly that of the full picture. */
static void reduced_pictures_give_nearly_the_same_view(void **state)
{
	struct nst_pixels full = {0}, half = {0};
	uint8_t one[3 * 16 * 16], two[3 * 16 * 16];
	struct nst_augmenter w = {0};
	struct nst_resizer r = {0};
	struct nst_augment a;
	double worst = 0;

	(void)state;
	assert_int_equal(nst_pixels_shape(&full, 201, 163, &err), 0);
	for (size_t y = 0; y < 201; y++)
		for (size_t x = 0; x < 163; x++)
			for (size_t c = 0; c < 3; c++)
				full.data[3 * (y * 163 + x) + c] =
					(uint8_t)(128 + 100 * sin((double)x / 20 + (double)c) *
								cos((double)y / 25));
	assert_int_equal(nst_pixels_shape(&half, 101, 82, &err), 0);
	assert_int_equal(
		nst_resize(&r, full.data, 201, 163, NULL, NST_BOX, half.data, 101, 82, &err), 0);
	nst_augment_init(&a, 16);
	a.view = NST_VIEW_RESIZED;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct nst_rng rng, copy;
		struct nst_view v;

		nst_rng_init(&rng, seed, NST_RNG_AUGMENT, 0, 0);
		nst_augment_draw(&a, &rng, 201, 163, &v);
		assert_true(nst_augment_reduce(&a, &v) ==
			    fmin((double)(v.box.x1 - v.box.x0), (double)(v.box.y1 - v.box.y0)) /
				    16);
		copy = rng;
		assert_int_equal(nst_augment_apply(&a, &rng, &v, &w, &full, one, &err), 0);
		assert_int_equal(nst_augment_apply(&a, &copy, &v, &w, &half, two, &err), 0);
		for (size_t i = 0; i < sizeof one; i++)
			worst = fmax(worst, abs(one[i] - two[i]));
	}
	assert_true(worst <= 6);
	nst_augmenter_release(&w);
	nst_resizer_release(&r);
	nst_pixels_release(&full);
	nst_pixels_release(&half);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_boxes_are_as_drawn),
		cmocka_unit_test(a_box_that_cannot_fit_becomes_the_central_square),
		cmocka_unit_test(shifts_have_twins),
		cmocka_unit_test(flips_mirror),
		cmocka_unit_test(defaults_follow_the_size),
		cmocka_unit_test(words_have_meanings),
		cmocka_unit_test(small_views_are_shifted_and_flipped),
		cmocka_unit_test(large_views_are_cropped_then_flipped),
		cmocka_unit_test(plain_views_do_not_change_what_fits),
		cmocka_unit_test(views_depend_on_the_stream_alone),
		cmocka_unit_test(reduced_pictures_give_nearly_the_same_view),
	};

	return cmocka_run_group_tests_name("augment", tests, NULL, NULL);
}
