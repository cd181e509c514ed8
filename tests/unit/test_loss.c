/* Targets, cross-entropy and row weights against values worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "libcore/nn/loss.h"

#define close_to(a, b) assert_true(fabs((double)(a) - (b)) <= 1e-6)

static void test_hard_targets(void **state)
{
	struct nst_target t = { .class = 2 };
	struct nst_err err = { 0 };
	float p[4];

	(void)state;
	assert_int_equal(nst_target_expand(&t, 4, 0, 1, p, &err), 0);
	assert_true(p[0] == 0 && p[1] == 0 && p[2] == 1 && p[3] == 0);
	assert_int_equal(nst_target_expand(&t, 4, 0.1, 3, p, &err),
			 0); /* temperature is for soft ones */
	close_to(p[0], 0.025);
	close_to(p[2], 0.925);
	t.class = 4;
	assert_int_equal(nst_target_expand(&t, 4, 0, 1, p, &err), NST_EINVAL);
	assert_string_equal(err.msg, "a target names class 4 of 4");
	t.class = -1;
	assert_int_equal(nst_target_expand(&t, 4, 0, 1, p, &err), NST_EINVAL);
}

static void test_soft_targets(void **state)
{
	const float soft[3] = { 0.6f, 0.3f, 0.1f };
	struct nst_target t = { .class = -1, .soft = soft };
	struct nst_err err = { 0 };
	float p[3];

	(void)state;
	assert_int_equal(nst_target_expand(&t, 3, 0.1, 1, p, &err), 0); /* never smoothed */
	close_to(p[0], 0.6);
	close_to(p[2], 0.1);
	/* T = 0.5 squares: .36 .09 .01 over .46 */
	assert_int_equal(nst_target_expand(&t, 3, 0, 0.5, p, &err), 0);
	close_to(p[0], 0.36 / 0.46);
	close_to(p[1], 0.09 / 0.46);
	close_to(p[2], 0.01 / 0.46);
}

static void test_top_targets(void **state)
{
	const float soft[2] = { 0.7f, 0.2f };
	const int32_t top[2] = { 4, 1 };
	struct nst_target t = { .class = -1, .soft = soft, .top = top, .ntop = 2 };
	struct nst_err err = { 0 };
	float p[6];

	(void)state;
	assert_int_equal(nst_target_expand(&t, 6, 0, 1, p, &err), 0);
	close_to(p[4], 0.7);
	close_to(p[1], 0.2);
	close_to(p[0], 0.025);
	close_to(p[5], 0.025);
	assert_int_equal(nst_target_expand(&t, 4, 0, 1, p, &err), NST_EINVAL); /* class 4 of 4 */
	t.ntop = 7;
	assert_int_equal(nst_target_expand(&t, 6, 0, 1, p, &err), NST_EINVAL);
}

static void test_bad_probabilities(void **state)
{
	static const float bad[][2] = {
		{ NAN, 1 }, { -0.1f, 1.1f }, { 0.3f, 0.3f }, { INFINITY, 0 }, { 1, 1 }
	};
	const int32_t top[2] = { 0, 1 };
	struct nst_err err = { 0 };
	float p[2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct nst_target dense = { .class = -1, .soft = bad[i] };
		struct nst_target sparse = { .class = -1, .soft = bad[i], .top = top, .ntop = 2 };

		assert_int_equal(nst_target_expand(&dense, 2, 0, 1, p, &err), NST_EINVAL);
		assert_int_equal(nst_target_expand(&sparse, 2, 0, 1, p, &err), NST_EINVAL);
	}
}

static void test_cross_entropy(void **state)
{
	const float even[4] = { 3, 3, 3, 3 }, target[4] = { 0, 1, 0, 0 };
	const float large[3] = { 1000, 0, -1000 }, second[3] = { 0, 1, 0 };
	float grad[4];

	(void)state;
	close_to(nst_cross_entropy(4, even, target, 2, grad), 1.3862943611198906); /* ln 4 */
	close_to(grad[0], 0.5);
	close_to(grad[1], -1.5);
	assert_true(fabs(nst_cross_entropy(3, large, second, 1, grad) - 1000) <
		    1e-9); /* no overflow */
	close_to(grad[0], 1);
	close_to(grad[1], -1);
}

static void test_cross_entropy_gradient_by_differences(void **state)
{
	const float logits[3] = { 0.5f, -1.25f, 2 }, target[3] = { 0.2f, 0.5f, 0.3f };
	float grad[3];

	(void)state;
	nst_cross_entropy(3, logits, target, 1, grad);
	for (size_t i = 0; i < 3; i++) {
		float up[3], down[3];

		memcpy(up, logits, sizeof(up));
		memcpy(down, logits, sizeof(down));
		up[i] += 0x1p-10f;
		down[i] -= 0x1p-10f;
		assert_true(fabs((nst_cross_entropy(3, up, target, 1, NULL) -
				  nst_cross_entropy(3, down, target, 1, NULL)) *
					 0x1p9 -
				 grad[i]) < 1e-6);
	}
}

static void test_a_loss_that_is_no_number_shows(void **state)
{
	const float target[3] = { 1, 0, 0 };
	const float bad[][3] = { { 0, NAN, 0 },
				 { 0, INFINITY, 0 },
				 { NAN, 0, 0 },
				 { -INFINITY, -INFINITY, -INFINITY } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(isfinite(nst_cross_entropy(3, bad[i], target, 1, NULL)));
}

static void weights_are(enum nst_loss_form form, size_t labeled, size_t pseudo, double factor,
			double l, double u)
{
	double got_l, got_u;

	nst_loss_weights(form, labeled, pseudo, factor, &(struct nst_loss_means){ 0, 0 }, &got_l,
			 &got_u);
	close_to(got_l, l);
	close_to(got_u, u);
}

static void test_loss_forms(void **state)
{
	(void)state;
	weights_are(NST_LOSS_CONCAT, 2, 6, 1, 1.0 / 8, 1.0 / 8);
	weights_are(NST_LOSS_ALG1, 2, 6, 1, 1.0 / 2, 1.0 / 6);
	weights_are(NST_LOSS_CODE, 2, 6, 1, 1.0 / 2, 1.0 / 2); /* L + 3 U */
	weights_are(NST_LOSS_ALG1, 2, 6, 0.5, 1.0 / 2, 1.0 / 12);
	for (int form = NST_LOSS_CONCAT; form <= NST_LOSS_CODE; form++) {
		weights_are((enum nst_loss_form)form, 4, 0, 2, 1.0 / 4, 2.0 / 4);
		weights_are((enum nst_loss_form)form, 0, 4, 2, 1.0 / 4, 2.0 / 4);
		weights_are((enum nst_loss_form)form, 0, 0, 1, 0, 0);
	}
}

/* Two running means in plain form, and what they make of the weights. */
static void test_normalized_loss(void **state)
{
	struct nst_loss_means m = { 0, 0 };
	double labeled = 0, pseudo = 0, l, u;

	(void)state;
	nst_loss_weights(NST_LOSS_NORMALIZED, 4, 8, 3, &m, &l, &u);
	close_to(l, 1.0 / (4 * 4));
	close_to(u, 3.0 / (4 * 8)); /* nothing known yet: the quotient is 1 */
	for (int step = 1; step <= 5; step++) {
		nst_loss_means_add(&m, 2.0 / step, 0.5 * step);
		labeled = 0.9997 * labeled + 0.0003 * 2.0 / step;
		pseudo = 0.9997 * pseudo + 0.0003 * 0.5 * step;
	}
	close_to(m.labeled, labeled);
	close_to(m.pseudo, pseudo);
	nst_loss_weights(NST_LOSS_NORMALIZED, 4, 8, 3, &m, &l, &u);
	close_to(l, 1.0 / (4 * 4));
	close_to(u, 3 * (labeled / pseudo) / (4 * 8));
	nst_loss_weights(NST_LOSS_NORMALIZED, 4, 0, 3, &m, &l, &u);
	close_to(l, 1.0 / 4);
	nst_loss_weights(NST_LOSS_NORMALIZED, 0, 8, 3, &m, &l, &u);
	close_to(u, 1.0 / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hard_targets),
		cmocka_unit_test(test_soft_targets),
		cmocka_unit_test(test_top_targets),
		cmocka_unit_test(test_bad_probabilities),
		cmocka_unit_test(test_cross_entropy),
		cmocka_unit_test(test_cross_entropy_gradient_by_differences),
		cmocka_unit_test(test_a_loss_that_is_no_number_shows),
		cmocka_unit_test(test_loss_forms),
		cmocka_unit_test(test_normalized_loss),
	};

	return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
