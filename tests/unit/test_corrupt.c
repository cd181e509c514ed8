/* libcore/augment/corrupt: constants, formulas against plain twins, and who draws.
 * (tests/peers/image_corrupt.py compares with NumPy, SciPy and Pillow.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/augment/corrupt.h"
#include "libcore/util/rng.h"

#define H 24
#define W 31
#define N (3 * H * W)

static struct nst_err err;
static struct nst_buf scratch;
static uint8_t in[N], got[N];

static void fill(void)
{
	struct nst_rng rng;

	nst_rng_init(&rng, 1, NST_RNG_TEST, 9, 0);
	for (size_t i = 0; i < N; i++)
		in[i] = (uint8_t)nst_rng_u32(&rng);
	memcpy(got, in, N);
}

static int corrupt(enum nst_corruption type, double c, uint64_t seed)
{
	struct nst_rng rng;

	nst_rng_init(&rng, seed, NST_RNG_CORRUPT, 0, 0);
	return nst_corrupt(type, c, &rng, got, H, W, &scratch, NULL, NULL, &err);
}

static void constants_are_the_published_ones(void **state)
{
	(void)state;
	assert_true(nst_corrupt_constant(NST_CORRUPT_GAUSSIAN_NOISE, NST_CORRUPT_CIFAR, 1) == .04);
	assert_true(nst_corrupt_constant(NST_CORRUPT_GAUSSIAN_NOISE, NST_CORRUPT_IMAGENET, 5) ==
		    .38);
	assert_true(nst_corrupt_constant(NST_CORRUPT_GAUSSIAN_BLUR, NST_CORRUPT_CIFAR, 2) == .6);
	assert_true(nst_corrupt_constant(NST_CORRUPT_GAUSSIAN_BLUR, NST_CORRUPT_IMAGENET, 4) == 4);
	assert_true(nst_corrupt_constant(NST_CORRUPT_CONTRAST, NST_CORRUPT_CIFAR, 5) == .15);
	assert_true(nst_corrupt_constant(NST_CORRUPT_CONTRAST, NST_CORRUPT_IMAGENET, 1) == .4);
	assert_true(nst_corrupt_constant(NST_CORRUPT_BRIGHTNESS, NST_CORRUPT_CIFAR, 3) == .15);
	assert_true(nst_corrupt_constant(NST_CORRUPT_BRIGHTNESS, NST_CORRUPT_IMAGENET, 5) == .5);
	assert_true(nst_corrupt_constant(NST_CORRUPT_JPEG_COMPRESSION, NST_CORRUPT_CIFAR, 4) == 50);
	assert_true(nst_corrupt_constant(NST_CORRUPT_JPEG_COMPRESSION, NST_CORRUPT_IMAGENET, 5) ==
		    7);
	assert_int_equal(nst_corrupt_set_for(32, 32), NST_CORRUPT_CIFAR);
	assert_int_equal(nst_corrupt_set_for(64, 64), NST_CORRUPT_CIFAR);
	assert_int_equal(nst_corrupt_set_for(64, 65), NST_CORRUPT_IMAGENET);
}

static void names_come_back(void **state)
{
	enum nst_corruption c;

	(void)state;
	for (int i = 0; i < NST_CORRUPTIONS; i++) {
		assert_int_equal(
			nst_corruption_parse(nst_corruption_name((enum nst_corruption)i), &c), 0);
		assert_int_equal(c, i);
	}
	assert_int_equal(nst_corruption_parse("noise", &c), -1);
}

static void noise_is_repeatable_and_of_its_deviation(void **state)
{
	uint8_t first[N];
	double sum = 0, squares = 0;

	(void)state;
	fill();
	memset(got, 128, N);
	assert_int_equal(corrupt(NST_CORRUPT_GAUSSIAN_NOISE, 0.1, 5), 0);
	memcpy(first, got, N);
	for (size_t i = 0; i < N; i++) {
		sum += got[i] - 127.5; /* half a level is cut off */
		squares += (got[i] - 127.5) * (got[i] - 127.5);
	}
	assert_true(fabs(sum / N) < 2.5);
	assert_true(fabs(sqrt(squares / N) - 25.5) < 1.7);
	memset(got, 128, N);
	assert_int_equal(corrupt(NST_CORRUPT_GAUSSIAN_NOISE, 0.1, 5), 0);
	assert_memory_equal(got, first, N);
	memset(got, 128, N);
	assert_int_equal(corrupt(NST_CORRUPT_GAUSSIAN_NOISE, 0.1, 6), 0);
	assert_memory_not_equal(got, first, N);
}

static void contrast_shrinks_about_each_mean(void **state)
{
	double mean[3] = {0};

	(void)state;
	fill();
	for (size_t i = 0; i < N; i++)
		mean[i % 3] += in[i] / 255.0 / (H * W);
	assert_int_equal(corrupt(NST_CORRUPT_CONTRAST, 0.3, 1), 0);
	for (size_t i = 0; i < N; i++) {
		double v = 255 * (mean[i % 3] + 0.3 * (in[i] / 255.0 - mean[i % 3]));

		assert_true(got[i] <= v + 1e-6 && got[i] > v - 1 - 1e-6);
	}
}

/* Raising the value of HSV multiplies all channels until the greatest is white. */
static void brightness_scales_by_the_greatest_channel(void **state)
{
	(void)state;
	fill();
	in[0] = in[1] = in[2] = got[0] = got[1] = got[2] = 0; /* black becomes grey */
	assert_int_equal(corrupt(NST_CORRUPT_BRIGHTNESS, 0.2, 1), 0);
	assert_in_range(got[0], 50, 51);
	for (size_t i = 3; i < N; i += 3) {
		double most = fmax(in[i], fmax(in[i + 1], in[i + 2])) / 255;
		double gain = fmin(most + 0.2, 1) / most;

		for (size_t c = 0; c < 3 && most > 0; c++) {
			double v = gain * in[i + c];

			assert_true(got[i + c] <= v + 1e-6 && got[i + c] > v - 1 - 1e-6);
		}
	}
}

/* The sum over all pixels of the plane, weights and all, without separating it. */
static void blur_has_a_twin(void **state)
{
	static const double sigmas[] = {0.4, 1, 3};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		double s = sigmas[k];
		long r = (long)(4 * s + 0.5);

		fill();
		assert_int_equal(corrupt(NST_CORRUPT_GAUSSIAN_BLUR, s, 1), 0);
		for (long y = 0; y < H; y += 3)
			for (long x = 0; x < W; x += 2) {
				double sum = 0, total = 0, v;

				for (long dy = -r; dy <= r; dy++)
					for (long dx = -r; dx <= r; dx++) {
						long sy = y + dy < 0    ? 0
							  : y + dy >= H ? H - 1
									: y + dy;
						long sx = x + dx < 0    ? 0
							  : x + dx >= W ? W - 1
									: x + dx;
						double g = exp(-(double)(dx * dx + dy * dy) /
							       (2 * s * s));

						sum += g * in[3 * (sy * W + sx) + 1];
						total += g;
					}
				v = sum / total;
				assert_true(got[3 * (y * W + x) + 1] <= v + 1e-6 &&
					    got[3 * (y * W + x) + 1] > v - 1 - 1e-6);
			}
	}
}

static int record(void *ctx, uint8_t *rgb, size_t h, size_t w, int quality, struct nst_err *e)
{
	(void)e;
	assert_int_equal(h, H);
	assert_int_equal(w, W);
	rgb[0] = 99;
	*(int *)ctx = quality;
	return 0;
}

static int refuse(void *ctx, uint8_t *rgb, size_t h, size_t w, int quality, struct nst_err *e)
{
	(void)ctx, (void)rgb, (void)h, (void)w, (void)quality;
	return nst_fail(e, NST_EFORMAT, "no");
}

static void jpeg_is_the_callers(void **state)
{
	int quality = 0;

	(void)state;
	fill();
	assert_int_equal(nst_corrupt(NST_CORRUPT_JPEG_COMPRESSION, 58, NULL, got, H, W, &scratch,
				     record, &quality, &err),
			 0);
	assert_int_equal(quality, 58);
	assert_int_equal(got[0], 99);
	assert_int_equal(nst_corrupt(NST_CORRUPT_JPEG_COMPRESSION, 58, NULL, got, H, W, &scratch,
				     refuse, NULL, &err),
			 NST_EFORMAT);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	assert_int_equal(
		nst_corrupt(NST_CORRUPT_CONTRAST, 1, NULL, got, 0, W, &scratch, NULL, NULL, &err),
		NST_EINVAL);
	assert_int_equal(
		nst_corrupt(NST_CORRUPTIONS, 1, NULL, got, H, W, &scratch, NULL, NULL, &err),
		NST_EINVAL);
}

static int stop(void **state)
{
	(void)state;
	nst_buf_release(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants_are_the_published_ones),
		cmocka_unit_test(names_come_back),
		cmocka_unit_test(noise_is_repeatable_and_of_its_deviation),
		cmocka_unit_test(contrast_shrinks_about_each_mean),
		cmocka_unit_test(brightness_scales_by_the_greatest_channel),
		cmocka_unit_test(blur_has_a_twin),
		cmocka_unit_test(jpeg_is_the_callers),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("corrupt", tests, NULL, stop);
}
