/* Learning rates at chosen epochs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libcore/nn/schedule.h"

#define close_to(a, b) assert_true(fabs((a) - (b)) <= 1e-12)

static void test_constant(void **state)
{
	struct nst_schedule s = { .kind = NST_SCHEDULE_CONSTANT, .base = 0.2, .epochs = 10 };

	(void)state;
	close_to(nst_schedule_rate(&s, 0), 0.2);
	close_to(nst_schedule_rate(&s, 10), 0.2);
	s.warmup = 4;
	close_to(nst_schedule_rate(&s, 0), 0);
	close_to(nst_schedule_rate(&s, 1), 0.05);
	close_to(nst_schedule_rate(&s, 4), 0.2);
}

static void test_cosine(void **state)
{
	struct nst_schedule s = {
		.kind = NST_SCHEDULE_COSINE, .base = 0.4, .epochs = 25, .warmup = 5, .final = 0.1
	};

	(void)state;
	close_to(nst_schedule_rate(&s, 2.5), 0.2);
	close_to(nst_schedule_rate(&s, 5), 0.4);
	close_to(nst_schedule_rate(&s, 15), 0.25); /* half way */
	close_to(nst_schedule_rate(&s, 10),
		 0.1 + 0.3 * (1 + sqrt(0.5)) / 2); /* a quarter: cos 45 degrees */
	close_to(nst_schedule_rate(&s, 25), 0.1);
	close_to(nst_schedule_rate(&s, 99), 0.1);
	s.warmup = 25;
	close_to(nst_schedule_rate(&s, 25), 0.1);
}

static void test_linear_and_polynomial(void **state)
{
	struct nst_schedule s = { .kind = NST_SCHEDULE_LINEAR,
				  .base = 0.4,
				  .epochs = 25,
				  .warmup = 5,
				  .final = 0.1,
				  .power = 2 };

	(void)state;
	close_to(nst_schedule_rate(&s, 2.5), 0.2);
	close_to(nst_schedule_rate(&s, 5), 0.4);
	close_to(nst_schedule_rate(&s, 10), 0.4 - 0.3 / 4);
	close_to(nst_schedule_rate(&s, 25), 0.1);
	close_to(nst_schedule_rate(&s, 99), 0.1);
	s.kind = NST_SCHEDULE_POLYNOMIAL;
	close_to(nst_schedule_rate(&s, 5), 0.4);
	close_to(nst_schedule_rate(&s, 15), 0.1 + 0.3 / 4);
	s.power = 0.5;
	close_to(nst_schedule_rate(&s, 15), 0.1 + 0.3 * sqrt(0.5));
	close_to(nst_schedule_rate(&s, 25), 0.1);
}

/* noisystudent's ImageNet run: 0.128, 0.97 every 2.4 epochs, 5 epochs of warm-up. */
static void test_staircase(void **state)
{
	struct nst_schedule s = { .kind = NST_SCHEDULE_STAIRCASE,
				  .base = 0.128,
				  .epochs = 350,
				  .warmup = 5,
				  .decay_rate = 0.97,
				  .decay_epochs = 2.4 };

	(void)state;
	close_to(nst_schedule_rate(&s, 2.5), 0.064);
	close_to(nst_schedule_rate(&s, 5), 0.128 * 0.97 * 0.97); /* two stairs lie in the warm-up */
	close_to(nst_schedule_rate(&s, 7.19), 0.128 * 0.97 * 0.97);
	close_to(nst_schedule_rate(&s, 7.21), 0.128 * 0.97 * 0.97 * 0.97);
}

/* Its SVHN run: 0.008 to 0.0001 in 202.3 epochs is a decay every 1.3716 epochs. */
static void test_final_rate(void **state)
{
	(void)state;
	assert_true(fabs(nst_schedule_decay_epochs(0.008, 0.0001, 202.33, 5, 0.97) - 1.3716) <
		    1e-3);
}

static void test_refused(void **state)
{
	static const struct nst_schedule bad[] = {
		{ .kind = NST_SCHEDULE_CONSTANT, .base = 0, .epochs = 1 },
		{ .kind = NST_SCHEDULE_CONSTANT, .base = NAN, .epochs = 1 },
		{ .kind = NST_SCHEDULE_CONSTANT, .base = INFINITY, .epochs = 1 },
		{ .kind = NST_SCHEDULE_CONSTANT, .base = 1, .epochs = 0 },
		{ .kind = NST_SCHEDULE_CONSTANT, .base = 1, .epochs = 1, .warmup = 2 },
		{ .kind = NST_SCHEDULE_CONSTANT, .base = 1, .epochs = 1, .warmup = -1 },
		{ .kind = NST_SCHEDULE_COSINE, .base = 1, .epochs = 1, .final = 2 },
		{ .kind = NST_SCHEDULE_LINEAR, .base = 1, .epochs = 1, .final = 2 },
		{ .kind = NST_SCHEDULE_POLYNOMIAL, .base = 1, .epochs = 1, .final = -1, .power = 1 },
		{ .kind = NST_SCHEDULE_POLYNOMIAL, .base = 1, .epochs = 1, .power = 0 },
		{ .kind = NST_SCHEDULE_STAIRCASE,
		  .base = 1,
		  .epochs = 1,
		  .decay_rate = 0,
		  .decay_epochs = 1 },
		{ .kind = NST_SCHEDULE_STAIRCASE,
		  .base = 1,
		  .epochs = 1,
		  .decay_rate = 1.5,
		  .decay_epochs = 1 },
		{ .kind = NST_SCHEDULE_STAIRCASE,
		  .base = 1,
		  .epochs = 1,
		  .decay_rate = 0.9,
		  .decay_epochs = 0 },
	};
	struct nst_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(nst_schedule_check(&bad[i], &err), NST_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant),  cmocka_unit_test(test_cosine),
		cmocka_unit_test(test_linear_and_polynomial),
		cmocka_unit_test(test_staircase), cmocka_unit_test(test_final_rate),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
