/* libcore/augment/autoaugment and erase: the tables as they are published, what is drawn, and views
 * made step by step.  (tests/peers/image_pillow.py compares with Pillow and torchvision.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/augment/augment.h"
#include "libcore/augment/autoaugment.h"
#include "libcore/augment/erase.h"
#include "libcore/augment/ops.h"
#include "libcore/util/mem.h"

enum { SIDE = 24, N = 3 * SIDE * SIDE };

static struct nst_err err;
static uint8_t in[N], got[N], want[N], tmp[N];

static void noise(uint64_t sample)
{
	struct nst_rng rng;

	nst_rng_init(&rng, 2, NST_RNG_TEST, 0, sample);
	for (size_t i = 0; i < N; i++)
		in[i] = (uint8_t)nst_rng_u32(&rng);
	memcpy(got, in, N);
	memcpy(want, in, N);
}

/* A step as text: the operation, ten times the probability, the magnitude. */
static const char *const v0[] = {
	"equalize 8 1, shear-y 8 4",    "color 4 9, equalize 6 3",
	"color 4 1, rotate 6 8",        "solarize 8 3, equalize 4 7",
	"solarize 4 2, solarize 6 2",   "color 2 0, equalize 8 8",
	"equalize 4 8, solarize-add 8 3", "shear-x 2 9, rotate 6 8",
	"color 6 1, equalize 10 2",     "invert 4 9, rotate 6 0",
	"equalize 10 9, shear-y 6 3",   "color 4 7, equalize 6 0",
	"posterize 4 6, autocontrast 4 7", "solarize 6 8, color 6 9",
	"solarize 2 4, rotate 8 9",     "rotate 10 7, translate-y 8 9",
	"shear-x 0 0, solarize 8 4",    "shear-y 8 0, color 6 4",
	"color 10 0, rotate 6 2",       "equalize 8 4, equalize 0 8",
	"equalize 10 4, autocontrast 6 2", "shear-y 4 7, solarize-add 6 7",
	"posterize 8 2, solarize 6 10", "solarize 6 8, equalize 6 1",
	"color 8 6, rotate 4 5",
};

static const char *const original[] = {
	"posterize 4 8, rotate 6 9",    "solarize 6 5, autocontrast 6 5",
	"equalize 8 8, equalize 6 3",   "posterize 6 7, posterize 6 6",
	"equalize 4 7, solarize 2 4",   "equalize 4 4, rotate 8 8",
	"solarize 6 3, equalize 6 7",   "posterize 8 5, equalize 10 2",
	"rotate 2 3, solarize 6 8",     "equalize 6 8, posterize 4 6",
	"rotate 8 8, color 4 0",        "rotate 4 9, equalize 6 2",
	"equalize 0 7, equalize 8 8",   "invert 6 4, equalize 10 8",
	"color 6 4, contrast 10 8",     "rotate 8 8, color 10 2",
	"color 8 8, solarize 8 7",      "sharpness 4 7, invert 6 8",
	"shear-x 6 5, equalize 10 9",   "color 4 0, equalize 6 3",
	"equalize 4 7, solarize 2 4",   "solarize 6 5, autocontrast 6 5",
	"invert 6 4, equalize 10 8",    "color 6 4, contrast 10 8",
	"equalize 8 8, equalize 6 3",
};

static void tables_are_the_published_ones(void **state)
{
	(void)state;
	for (int policy = NST_AA_V0; policy <= NST_AA_ORIGINALR; policy++)
		for (size_t i = 0; i < NST_AA_PAIRS; i++) {
			const struct nst_aa_step *s = nst_aa_pair((enum nst_aa_policy)policy, i);
			struct nst_buf text = {0};

			for (size_t k = 0; k < 2; k++)
				assert_int_equal(nst_buf_printf(&text, &err, "%s%s %g %g",
								k ? ", " : "",
								nst_ra_op_name(s[k].op),
								10 * s[k].p, s[k].m),
						 0);
			assert_string_equal((char *)text.data,
					    (policy <= NST_AA_V0R ? v0 : original)[i]);
			nst_buf_release(&text);
		}
}

static void posterize_has_three_meanings(void **state)
{
	static const int bits[][5] = {
		/* m, v0, v0r, original, originalr */
		{0, 0, 4, 4, 4}, {2, 0, 4, 4, 4}, {5, 2, 2, 6, 2},
		{6, 2, 2, 6, 2}, {8, 3, 1, 7, 1}, {10, 4, 0, 8, 0},
	};

	(void)state;
	for (size_t i = 0; i < 6; i++)
		for (int p = NST_AA_V0; p <= NST_AA_ORIGINALR; p++)
			assert_int_equal(nst_aa_posterize_bits((enum nst_aa_policy)p, bits[i][0]),
					 bits[i][p]);
}

static void words_are_read(void **state)
{
	static const char *const good[] = {"none", "v0-mstd0", "v0r-mstd0.5",
					   "original-mstd1.0000000000000001e-05",
					   "originalr-mstd0"};
	static const char *const bad[] = {"",          "v1",         "V0",       "v0-",
					  "v0-m5",     "v0-mstd",    "v0-mstd-1", "v0-mstd101",
					  "v0-mstdx",  "none-mstd1", "rand-m9",  "original,mstd1"};
	struct nst_autoaugment aa;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct nst_buf b = {0};

		assert_int_equal(nst_autoaugment_parse(good[i], &aa, &err), 0);
		assert_int_equal(aa.policy, i);
		assert_int_equal(aa.fill[1], NST_OPS_FILL);
		assert_int_equal(nst_autoaugment_format(&aa, &b, &err), 0);
		assert_string_equal((char *)b.data, good[i]);
		nst_buf_release(&b);
	}
	assert_int_equal(nst_autoaugment_parse("v0", &aa, &err), 0);
	assert_true(aa.std == 0 && aa.policy == NST_AA_V0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(nst_autoaugment_parse(bad[i], &aa, &err), NST_EINVAL);
}

/* The header's list of draws, read aloud. */
static void by_hand(const struct nst_autoaugment *aa, struct nst_rng *rng,
		    size_t count[NST_AA_PAIRS])
{
	size_t pair = nst_rng_below(rng, NST_AA_PAIRS);
	const struct nst_aa_step *s = nst_aa_pair(aa->policy, pair);
	struct nst_randaugment ra;

	nst_randaugment_init(&ra, 224);
	ra.form = NST_RA_TIMM;
	memcpy(ra.fill, aa->fill, 3);
	count[pair]++;
	for (size_t k = 0; k < 2; k++) {
		double m = s[k].m;

		if (s[k].p < 1 && nst_rng_unit(rng) >= s[k].p)
			continue;
		if (aa->std > 0)
			m = fmin(fmax(m + aa->std * nst_rng_normal(rng), 0), 10);
		if (s[k].op == NST_RA_POSTERIZE)
			nst_op_posterize(want, SIDE, SIDE, nst_aa_posterize_bits(aa->policy, m));
		else
			nst_ra_apply(&ra, s[k].op, m, rng, want, SIDE, SIDE, tmp);
	}
}

static void one_pair_in_twenty_five_is_applied(void **state)
{
	struct nst_autoaugment aa;
	size_t changed = 0, noisy = 0;

	(void)state;
	for (int policy = NST_AA_V0; policy <= NST_AA_ORIGINALR; policy++) {
		size_t count[NST_AA_PAIRS] = {0};

		for (uint64_t i = 0; i < 5000; i++) {
			struct nst_rng rng, copy;

			noise(i);
			aa = (struct nst_autoaugment){(enum nst_aa_policy)policy, i % 2 ? 0.5 : 0,
						      {124, 116, 104}};
			nst_rng_init(&rng, 4, NST_RNG_AUGMENT, 0, i);
			copy = rng;
			nst_autoaugment_apply(&aa, &rng, got, SIDE, SIDE, tmp);
			by_hand(&aa, &copy, count);
			assert_memory_equal(got, want, N);
			assert_int_equal(nst_rng_u32(&rng), nst_rng_u32(&copy));
			changed += memcmp(got, in, N) != 0;
			noisy += i % 2;
		}
		for (size_t i = 0; i < NST_AA_PAIRS; i++)
			assert_in_range(count[i], 145, 255); /* four deviations about 200 */
	}
	assert_true(changed > 14000 && changed < 20000 && noisy == 10000);
}

/* ---- random erasing ---- */

static void patches_are_as_drawn(void **state)
{
	struct nst_rng rng;
	double area = 0, aspect = 0;

	(void)state;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, 0);
	for (unsigned count = 1; count <= 3; count++) {
		area = aspect = 0;
		for (int i = 0; i < 10000; i++) {
			struct nst_patch p;

			if (!nst_erasing_patch(&rng, 200, 300, count, &p))
				fail();
			assert_true(p.h < 200 && p.top + p.h <= 200);
			assert_true(p.w < 300 && p.left + p.w <= 300);
			assert_true((double)(p.h * p.w) > 0.018 * 60000 / count &&
				    (double)(p.h * p.w) < 0.35 * 60000 / count);
			assert_true((double)p.h / (double)p.w > 0.28 &&
				    (double)p.h / (double)p.w < 3.5);
			area += (double)(p.h * p.w) / 60000 * count;
			aspect += log((double)p.h / (double)p.w);
		}
		/* Tall large ones do not fit into 200 lines, so means lie a little below. */
		assert_true(area / 10000 > 0.165 && area / 10000 < 0.18);
		assert_true(aspect / 10000 > -0.12 && aspect / 10000 < 0.03);
	}
}

static void fill_twin(const struct nst_erasing *e, const struct nst_patch *p, struct nst_rng *rng,
		      const float colour[3], float *twin)
{
	for (size_t y = p->top; y < p->top + p->h; y++)
		for (size_t x = p->left; x < p->left + p->w; x++)
			for (size_t c = 0; c < 3; c++)
				twin[3 * (y * SIDE + x) + c] = e->mode == NST_ERASING_PIXEL
								       ? (float)nst_rng_normal(rng)
								       : colour[c];
}

static void erasing_fills_what_was_drawn(void **state)
{
	static float image[N], before[N];
	size_t erased = 0, pieces[4] = {0};

	(void)state;
	for (size_t i = 0; i < N; i++)
		before[i] = 100 + (float)i;
	for (uint64_t i = 0; i < 6000; i++) {
		const struct nst_erasing e = {0.25, (enum nst_erasing_mode)(i % 3), i % 2 ? 3 : 1};
		struct nst_rng rng, copy;
		static float twin[N];
		unsigned count = 1;

		memcpy(image, before, sizeof image);
		memcpy(twin, before, sizeof twin);
		nst_rng_init(&rng, 3, NST_RNG_AUGMENT, 0, i);
		copy = rng;
		nst_erase(&e, &rng, image, SIDE, SIDE);
		if (nst_rng_unit(&copy) < 0.25) {
			erased++;
			if (e.count > 1)
				count = 1 + nst_rng_below(&copy, e.count);
			pieces[count] += e.count > 1;
			for (unsigned k = 0; k < count; k++) {
				float colour[3] = {0};
				struct nst_patch p;

				if (!nst_erasing_patch(&copy, SIDE, SIDE, count, &p))
					continue;
				if (e.mode == NST_ERASING_RAND)
					for (size_t c = 0; c < 3; c++)
						colour[c] = (float)nst_rng_normal(&copy);
				fill_twin(&e, &p, &copy, colour, twin);
			}
		}
		assert_memory_equal(image, twin, sizeof image);
		assert_int_equal(nst_rng_u32(&rng), nst_rng_u32(&copy));
	}
	assert_in_range(erased, 1360, 1640);
	for (size_t k = 1; k <= 3; k++)
		assert_in_range(pieces[k], 180, 320); /* a third of 750 */
}

static void nothing_is_erased_unless_asked(void **state)
{
	const struct nst_erasing e = {0, NST_ERASING_PIXEL, 1};
	float image[N] = {0};
	struct nst_rng rng, copy;

	(void)state;
	nst_rng_init(&rng, 3, NST_RNG_AUGMENT, 0, 1);
	copy = rng;
	nst_erase(&e, &rng, image, SIDE, SIDE);
	assert_int_equal(nst_rng_u32(&rng), nst_rng_u32(&copy)); /* and nothing drawn */
	for (size_t i = 0; i < N; i++)
		assert_true(image[i] == 0);
	/* A picture that is too small for any rectangle is left alone. */
	for (uint64_t i = 0; i < 100; i++) {
		const struct nst_erasing always = {1, NST_ERASING_PIXEL, 2};

		nst_rng_init(&rng, 3, NST_RNG_AUGMENT, 0, i);
		nst_erase(&always, &rng, image, 1, 1);
		assert_true(image[3] == 0);
	}
}

/* ---- views ---- */

static void combinations_are_refused(void **state)
{
	struct nst_augment a;

	(void)state;
	nst_augment_init(&a, SIDE);
	a.aa.policy = NST_AA_V0;
	assert_int_equal(nst_augment_check(&a, &err), 0);
	a.ra.n = 1;
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
	nst_augment_weaken(&a);
	assert_int_equal(nst_augment_check(&a, &err), 0);
	assert_true(!a.ra.n && !a.aa.policy && !a.cutout && a.erasing.p == 0 && a.flip);
	assert_int_equal(nst_randaugment_parse("fixmatch", SIDE, &a.ra, &err), 0);
	assert_int_equal(nst_augment_check(&a, &err), 0);
	a.cutout = 3;
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
	nst_augment_init(&a, SIDE);
	a.erasing.p = 1.5;
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
	a.erasing = (struct nst_erasing){.p = 1};
	assert_int_equal(nst_augment_check(&a, &err), NST_EINVAL);
}

/* AutoAugment stands where RandAugment does, and the filter of crops is drawn after the flip. */
static void views_have_them(void **state)
{
	struct nst_pixels picture = {0};
	struct nst_augmenter work = {0};
	struct nst_resizer resizer = {0};
	size_t cubic = 0;

	(void)state;
	assert_int_equal(nst_pixels_shape(&picture, 50, 60, &err), 0);
	for (size_t i = 0; i < 3 * 50 * 60; i++)
		picture.data[i] = (uint8_t)(i * i >> 3);
	for (uint64_t i = 0; i < 400; i++) {
		struct nst_rng rng, copy;
		struct nst_augment a;
		struct nst_view v;
		enum nst_filter filter;

		nst_augment_init(&a, SIDE);
		a.view = NST_VIEW_RESIZED;
		a.aa = (struct nst_autoaugment){NST_AA_V0, 0, {9, 8, 7}};
		a.random_filter = 1;
		nst_rng_init(&rng, 3, NST_RNG_AUGMENT, 0, i);
		copy = rng;
		nst_augment_draw(&a, &rng, 50, 60, &v);
		assert_int_equal(nst_augment_apply(&a, &rng, &v, &work, &picture, got, &err), 0);

		nst_crop_random(&copy, 50, 60, a.area, a.aspect);
		assert_int_equal(v.flip, nst_rng_below(&copy, 2));
		filter = nst_rng_below(&copy, 2) ? NST_BICUBIC : NST_BILINEAR;
		cubic += filter == NST_BICUBIC;
		assert_int_equal(nst_resize(&resizer, picture.data, 50, 60, &v.box, filter, want,
					    SIDE, SIDE, &err),
				 0);
		if (v.flip)
			nst_flip(want, SIDE, SIDE);
		nst_autoaugment_apply(&a.aa, &copy, want, SIDE, SIDE, tmp);
		assert_memory_equal(got, want, N);
	}
	assert_in_range(cubic, 160, 240);
	nst_pixels_release(&picture);
	nst_augmenter_release(&work);
	nst_resizer_release(&resizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_the_published_ones),
		cmocka_unit_test(posterize_has_three_meanings),
		cmocka_unit_test(words_are_read),
		cmocka_unit_test(one_pair_in_twenty_five_is_applied),
		cmocka_unit_test(patches_are_as_drawn),
		cmocka_unit_test(erasing_fills_what_was_drawn),
		cmocka_unit_test(nothing_is_erased_unless_asked),
		cmocka_unit_test(combinations_are_refused),
		cmocka_unit_test(views_have_them),
	};

	return cmocka_run_group_tests_name("autoaugment", tests, NULL, NULL);
}
