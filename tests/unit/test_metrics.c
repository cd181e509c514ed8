/* libcore/select/metrics: against plain twins over a list of rows, and hand-made cases. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/select/metrics.h"
#include "libcore/select/target.h"
#include "libcore/util/rng.h"

enum { ROWS = 900, CLASSES = 9 };

static struct nst_err err;
static float p[ROWS][CLASSES];
static size_t truth[ROWS];

static int make_rows(void **state)
{
	struct nst_rng rng;

	(void)state;
	nst_rng_init(&rng, 8, NST_RNG_TEST, 0, 0);
	for (size_t r = 0; r < ROWS; r++) {
		float logits[CLASSES];

		truth[r] = nst_rng_below(&rng, CLASSES - 1); /* the last class has no rows */
		for (size_t c = 0; c < CLASSES; c++)
			logits[c] = (float)nst_rng_normal(&rng) * 2 + (c == truth[r] ? 2 : 0);
		nst_softmax(logits, CLASSES, 1, p[r]);
	}
	return 0;
}

static void add_rows(struct nst_metrics *m, size_t from, size_t to)
{
	for (size_t r = from; r < to; r++) {
		struct nst_outcome o = nst_outcome_of(p[r], CLASSES, truth[r]);

		nst_metrics_add(m, &o);
	}
}

/* Position of the truth when the classes are sorted by falling p. */
static size_t plain_rank(size_t r)
{
	size_t better = 0;

	for (size_t c = 0; c < CLASSES; c++)
		better += p[r][c] > p[r][truth[r]];
	return better;
}

static void averages_equal_their_twins(void **state)
{
	struct nst_metrics m;
	double top1 = 0, top5 = 0, nll = 0, confidence = 0, balanced = 0;

	(void)state;
	assert_int_equal(nst_metrics_init(&m, CLASSES, &err), 0);
	add_rows(&m, 0, ROWS);
	for (size_t r = 0; r < ROWS; r++) {
		top1 += plain_rank(r) == 0;
		top5 += plain_rank(r) < 5;
		nll -= log(p[r][truth[r]]);
		confidence += p[r][nst_argmax(p[r], CLASSES)];
	}
	assert_int_equal(m.rows, ROWS);
	assert_float_equal(nst_metrics_top1(&m), top1 / ROWS, 1e-12);
	assert_float_equal(nst_metrics_top5(&m), top5 / ROWS, 1e-12);
	assert_float_equal(nst_metrics_nll(&m), nll / ROWS, 1e-9);
	assert_float_equal(nst_metrics_confidence(&m), confidence / ROWS, 1e-9);
	assert_true(top1 > ROWS / 5 && top1 < top5 && top5 < ROWS);
	for (size_t c = 0; c < CLASSES - 1; c++) {
		double rows = 0, right = 0, right5 = 0;

		for (size_t r = 0; r < ROWS; r++) {
			if (truth[r] != c)
				continue;
			rows++;
			right += plain_rank(r) == 0;
			right5 += plain_rank(r) < 5;
		}
		assert_int_equal(nst_metrics_class_rows(&m, c), (uint64_t)rows);
		assert_float_equal(nst_metrics_class_top1(&m, c), right / rows, 1e-12);
		assert_float_equal(nst_metrics_class_top5(&m, c), right5 / rows, 1e-12);
		balanced += right / rows;
	}
	assert_float_equal(nst_metrics_balanced(&m), balanced / (CLASSES - 1), 1e-12);
	assert_int_equal(nst_metrics_class_rows(&m, CLASSES - 1), 0);
	assert_true(isnan(nst_metrics_class_top1(&m, CLASSES - 1)));
	nst_metrics_release(&m);
}

static void ece_equals_its_twin(void **state)
{
	struct nst_metrics m;
	double ece = 0;

	(void)state;
	assert_int_equal(nst_metrics_init(&m, CLASSES, &err), 0);
	add_rows(&m, 0, ROWS);
	for (int b = 0; b < 15; b++) {
		double n = 0, hits = 0, sum = 0;

		for (size_t r = 0; r < ROWS; r++) {
			size_t top = nst_argmax(p[r], CLASSES);

			if (p[r][top] * 15. <= b || p[r][top] * 15. > b + 1)
				continue;
			n++;
			hits += top == truth[r];
			sum += p[r][top];
		}
		if (n > 0)
			ece += n / ROWS * fabs(hits / n - sum / n);
	}
	assert_float_equal(nst_metrics_ece(&m), ece, 1e-12);
	assert_true(ece > 0.01);
	nst_metrics_release(&m);
}

/* Four rows sure to 0.8 of which three are right, one sure to 1 and wrong: 4/5*.05 + 1/5*1. */
static void ece_of_a_known_case(void **state)
{
	struct nst_metrics m;
	struct nst_outcome o = {0, 0, 0.8f, 0, 0.8};

	(void)state;
	assert_int_equal(nst_metrics_init(&m, 2, &err), 0);
	for (int i = 0; i < 3; i++)
		nst_metrics_add(&m, &o);
	o.truth = 1;
	nst_metrics_add(&m, &o);
	o.confidence = 1;
	nst_metrics_add(&m, &o);
	assert_float_equal(nst_metrics_ece(&m), 0.24, 1e-7);
	assert_int_equal(m.confusion[0 * 2 + 0], 3);
	assert_int_equal(m.confusion[1 * 2 + 0], 2);
	o.confidence = 0; /* belongs to the first bin */
	nst_metrics_add(&m, &o);
	assert_int_equal(m.bin[0].rows, 1);
	nst_metrics_release(&m);
}

static void merging_equals_adding(void **state)
{
	struct nst_metrics all, a, b;

	(void)state;
	assert_int_equal(nst_metrics_init(&all, CLASSES, &err), 0);
	assert_int_equal(nst_metrics_init(&a, CLASSES, &err), 0);
	assert_int_equal(nst_metrics_init(&b, CLASSES, &err), 0);
	add_rows(&all, 0, ROWS);
	add_rows(&a, 0, 333);
	add_rows(&b, 333, ROWS);
	nst_metrics_merge(&a, &b);
	assert_int_equal(a.rows, all.rows);
	assert_int_equal(a.top1, all.top1);
	assert_int_equal(a.top5, all.top5);
	assert_memory_equal(a.confusion, all.confusion, sizeof(*a.confusion) * CLASSES * CLASSES);
	assert_memory_equal(a.class_top5, all.class_top5, sizeof(*a.class_top5) * CLASSES);
	assert_float_equal(nst_metrics_nll(&a), nst_metrics_nll(&all), 1e-12);
	assert_float_equal(nst_metrics_ece(&a), nst_metrics_ece(&all), 1e-12);
	nst_metrics_release(&all);
	nst_metrics_release(&a);
	nst_metrics_release(&b);
}

static void what_is_unknown_has_no_value(void **state)
{
	struct nst_metrics m, other;
	struct nst_outcome hit = {1, 1, 0.9f, -1, NAN}, miss = {0, 1, 0.9f, -1, NAN};

	(void)state;
	assert_int_equal(nst_metrics_init(&m, 6, &err), 0);
	assert_true(isnan(nst_metrics_top1(&m)) && isnan(nst_metrics_ece(&m)));
	assert_true(isnan(nst_metrics_balanced(&m)));
	nst_metrics_add(&m, &hit);
	assert_true(nst_metrics_top5(&m) == 1); /* a hit is among the top five */
	assert_true(isnan(nst_metrics_nll(&m)));
	assert_int_equal(nst_metrics_init(&other, 6, &err), 0);
	nst_metrics_add(&other, &miss);
	nst_metrics_merge(&m, &other);
	assert_true(isnan(nst_metrics_top5(&m)));
	assert_true(nst_metrics_top1(&m) == 0.5);
	nst_metrics_release(&m);
	nst_metrics_release(&other);

	/* Of five classes every one is among the first five. */
	assert_int_equal(nst_metrics_init(&m, 5, &err), 0);
	nst_metrics_add(&m, &miss);
	assert_true(nst_metrics_top5(&m) == 1);
	nst_metrics_release(&m);
}

static void a_probability_of_zero_costs_a_finite_loss(void **state)
{
	struct nst_metrics m;
	struct nst_outcome o = {0, 1, 1, 1, 0};

	(void)state;
	assert_int_equal(nst_metrics_init(&m, 2, &err), 0);
	nst_metrics_add(&m, &o);
	assert_float_equal(nst_metrics_nll(&m), -log(1e-12), 1e-9);
	nst_metrics_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(averages_equal_their_twins),
		cmocka_unit_test(ece_equals_its_twin),
		cmocka_unit_test(ece_of_a_known_case),
		cmocka_unit_test(merging_equals_adding),
		cmocka_unit_test(what_is_unknown_has_no_value),
		cmocka_unit_test(a_probability_of_zero_costs_a_finite_loss),
	};

	return cmocka_run_group_tests_name("metrics", tests, make_rows, NULL);
}
