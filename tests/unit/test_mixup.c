/* Mixup and cutmix: who is mixed with whom, how much, and what comes of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "libcore/nn/mixup.h"
#include "libcore/util/rng.h"

enum { SIZE = 24, DRAWS = 20000 };

static struct nst_mixup both_on(double mixup, double cutmix)
{
	return (struct nst_mixup){ mixup, cutmix, 1, 0.5, { 1, 1 } };
}

/* Beta(a,a) has mean 1/2 and variance 1 / (4 (2a+1)). */
static void test_lambda_is_beta(void **state)
{
	const double alpha[] = { 0.1, 0.2, 1, 4 };

	(void)state;
	for (size_t a = 0; a < 4; a++) {
		struct nst_mixup m = both_on(alpha[a], 0);
		double sum = 0, squares = 0, variance = 1 / (4 * (2 * alpha[a] + 1));

		for (uint64_t i = 0; i < DRAWS; i++) {
			struct nst_blend b;

			nst_blend_draw(&m, 5, 0, i, SIZE, &b);
			assert_true(!b.cut && b.lambda >= 0 && b.lambda <= 1);
			sum += b.lambda;
			squares += ((double)b.lambda - 0.5) * ((double)b.lambda - 0.5);
		}
		assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(variance / DRAWS));
		assert_true(fabs(squares / DRAWS - variance) < 0.05 * variance);
	}
}

static void test_boxes(void **state)
{
	struct nst_mixup m = both_on(0, 1);
	size_t empty = 0, cut_off = 0;
	double sum = 0;

	(void)state;
	for (uint64_t i = 0; i < DRAWS; i++) {
		struct nst_blend b;
		double area;

		nst_blend_draw(&m, 5, 0, i, SIZE, &b);
		assert_true(b.cut && b.y0 <= b.y1 && b.y1 <= SIZE && b.x0 <= b.x1 && b.x1 <= SIZE);
		area = (double)((b.y1 - b.y0) * (b.x1 - b.x0)) / (SIZE * SIZE);
		assert_true(fabs(1 - (double)b.lambda - area) < 1e-6);
		empty += area == 0;
		cut_off += b.y1 - b.y0 != b.x1 - b.x0;
		sum += area;
	}
	/* Uniform lambda: sides of less than a pixel in 1/576; many boxes reach over a border. */
	assert_true(empty < DRAWS / 100 && cut_off > DRAWS / 4);
	assert_true(sum / DRAWS > 0.25 && sum / DRAWS < 0.5);
}

static void test_switch_and_probability(void **state)
{
	struct nst_mixup m = both_on(1, 1);
	size_t cut = 0, alone = 0;

	(void)state;
	m.prob = 0.8;
	m.switch_prob = 0.25;
	for (uint64_t i = 0; i < DRAWS; i++) {
		struct nst_blend b, again, other;

		nst_blend_draw(&m, 5, 3, i, SIZE, &b);
		nst_blend_draw(&m, 5, 3, i, SIZE, &again);
		nst_blend_draw(&m, 5, 4, i, SIZE, &other);
		assert_memory_equal(&b, &again, sizeof(b));
		cut += b.cut;
		alone += !b.cut && b.lambda == 1;
		if (i == 0)
			assert_true(memcmp(&b, &other, sizeof(b)) != 0);
	}
	assert_true(fabs((double)alone / DRAWS - 0.2) < 0.02);
	assert_true(fabs((double)cut / DRAWS - 0.2) < 0.02);
}

static void test_images(void **state)
{
	static float a[SIZE * SIZE * 3], b[SIZE * SIZE * 3], x[SIZE * SIZE * 3],
		y[SIZE * SIZE * 3];
	struct nst_blend half = { .lambda = 0.25f };
	struct nst_blend box = { .lambda = 0.5f, .cut = 1, .y0 = 2, .y1 = 5, .x0 = 7, .x1 = SIZE };
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 6, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < SIZE * SIZE * 3; i++) {
		a[i] = x[i] = (float)nst_rng_normal(&rng);
		b[i] = y[i] = (float)nst_rng_normal(&rng);
	}
	nst_blend_images(SIZE, &half, &box, x, y);
	for (size_t i = 0; i < SIZE * SIZE * 3; i++) {
		size_t row = i / 3 / SIZE, column = i / 3 % SIZE;
		int inside = row >= 2 && row < 5 && column >= 7;

		assert_true(fabsf(x[i] - (0.25f * a[i] + 0.75f * b[i])) < 1e-6f);
		assert_true(y[i] == (inside ? a[i] : b[i]));
	}
}

static void test_targets(void **state)
{
	float own[3] = { 1, 0, 0 };
	const float partner[3] = { 0, 0.5f, 0.5f };

	(void)state;
	nst_blend_targets(3, &(struct nst_blend){ .lambda = 0.75f }, own, partner);
	assert_true(own[0] == 0.75f && own[1] == 0.125f && own[2] == 0.125f);
}

/* First with last, within the roles that are mixed. */
static void test_pairs(void **state)
{
	enum nst_role role[60];
	size_t partner[60];
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 7, NST_RNG_TEST, 0, 0);
	for (int round = 0; round < 2000; round++) {
		size_t n = 1 + nst_rng_below(&rng, 60), alone = 0, of[2] = { 0, 0 };
		struct nst_mixup m = both_on(1, 0);
		size_t list[60], nlist;

		m.role[0] = nst_rng_below(&rng, 4) > 0;
		m.role[1] = nst_rng_below(&rng, 4) > 0;
		for (size_t i = 0; i < n; i++) {
			role[i] = (enum nst_role)nst_rng_below(&rng, 2);
			of[role[i]]++;
		}
		nst_mixup_pair(&m, role, n, partner);
		for (int r = 0; r < 2; r++) {
			nlist = 0;
			for (size_t i = 0; i < n; i++)
				if ((int)role[i] == r)
					list[nlist++] = i;
			for (size_t i = 0; i < nlist; i++)
				assert_int_equal(partner[list[i]],
						 m.role[r] ? list[nlist - 1 - i] : list[i]);
			alone += m.role[r] ? nlist % 2 : nlist;
		}
		for (size_t i = 0; i < n; i++)
			alone -= partner[i] == i;
		assert_int_equal(alone, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lambda_is_beta),
		cmocka_unit_test(test_boxes),
		cmocka_unit_test(test_switch_and_probability),
		cmocka_unit_test(test_images),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests_name("mixup", tests, NULL, NULL);
}
