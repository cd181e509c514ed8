/* libcore/data around selection: collected soft targets, class tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/data/classes.h"
#include "libcore/data/softbuf.h"
#include "libcore/util/num.h"

static struct nst_err err;

static const float rows[3][4] = {
	{0.5f, 0.25f, 0.125f, 0.125f},
	{0.1f, 0.2f, 0.3f, 0.4f},
	{0.0f, 1.0f, 0.0f, 0.0f},
};

/* Append a row. */
static void put(struct nst_softbuf *b, size_t i, const float row[4])
{
	float p[4];

	memcpy(p, row, sizeof(p));
	assert_int_equal(nst_softbuf_extend(b, 1, &err), 0);
	nst_softbuf_set(b, i, p);
}

static void full_rows_are_kept_to_the_bit(void **state)
{
	struct nst_softbuf a = {0}, b = {0};
	struct nst_soft soft;
	const float *p;

	(void)state;
	assert_int_equal(nst_softbuf_start(&a, 4, 4, 0, NST_F32, &err), 0);
	for (size_t i = 0; i < 3; i++)
		put(&a, i, rows[i]);
	soft = nst_softbuf_view(&a, 3);
	assert_memory_equal(soft.probability, rows, sizeof(rows));
	assert_null(soft.topk_class);

	/* Row 1 twice, then row 0. */
	assert_int_equal(nst_softbuf_like(&b, &soft, "b", "a", &err), 0);
	assert_int_equal(nst_softbuf_add(&b, &soft, 1, 2, 1, &err), 0);
	assert_int_equal(nst_softbuf_add(&b, &soft, 0, 1, 1, &err), 0);
	p = nst_softbuf_view(&b, 3).probability;
	assert_memory_equal(p, rows[1], sizeof(rows[1]));
	assert_memory_equal(p + 4, rows[1], sizeof(rows[1]));
	assert_memory_equal(p + 8, rows[0], sizeof(rows[0]));

	nst_softbuf_clear(&b);
	assert_int_equal(nst_softbuf_add(&b, &soft, 2, 1, 1, &err), 0);
	assert_memory_equal(nst_softbuf_view(&b, 1).probability, rows[2], sizeof(rows[2]));
	nst_softbuf_release(&a);
	nst_softbuf_release(&b);
}

static void half_precision_rounds_once(void **state)
{
	struct nst_softbuf a = {0}, b = {0};
	struct nst_soft soft;
	const uint16_t *half;

	(void)state;
	assert_int_equal(nst_softbuf_start(&a, 4, 4, 0, NST_F16, &err), 0);
	put(&a, 0, rows[1]);
	soft = nst_softbuf_view(&a, 1);
	half = soft.probability;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(half[i], nst_half_from_float(rows[1][i]));
	assert_int_equal(nst_softbuf_like(&b, &soft, "b", "a", &err), 0);
	assert_int_equal(nst_softbuf_add(&b, &soft, 0, 1, 1, &err), 0);
	assert_memory_equal(nst_softbuf_view(&b, 1).probability, half, 4 * sizeof(*half));
	nst_softbuf_release(&a);
	nst_softbuf_release(&b);
}

static void top_k_keeps_the_largest(void **state)
{
	struct nst_softbuf a = {0}, b = {0};
	struct nst_soft soft;
	float p[4];

	(void)state;
	assert_int_equal(nst_softbuf_start(&a, 4, 2, 1, NST_F32, &err), 0);
	for (size_t i = 0; i < 3; i++)
		put(&a, i, rows[i]);
	soft = nst_softbuf_view(&a, 3);
	assert_null(soft.probability);
	assert_int_equal(soft.topk_class[2], 3);
	assert_int_equal(soft.topk_class[3], 2);
	nst_soft_row(&soft, 1, p);
	assert_float_equal(p[0], 0.15, 1e-6); /* (1 - .7) / 2 */
	assert_float_equal(p[3], 0.4, 1e-6);

	/* Tempered, it is the tempered whole: squares of .15 .15 .3 .4 over their sum. */
	assert_int_equal(nst_softbuf_like(&b, &soft, "b", "a", &err), 0);
	assert_int_equal(nst_softbuf_add(&b, &soft, 1, 1, 0.5, &err), 0);
	soft = nst_softbuf_view(&b, 1);
	nst_soft_row(&soft, 0, p);
	assert_float_equal(p[0], 0.0225 / 0.295, 1e-6);
	assert_float_equal(p[2], 0.09 / 0.295, 1e-6);
	assert_float_equal(p[3], 0.16 / 0.295, 1e-6);
	nst_softbuf_release(&a);
	nst_softbuf_release(&b);
}

static void no_rows_are_still_a_column(void **state)
{
	struct nst_softbuf full = {0}, topk = {0}, hard = {0};
	struct nst_soft soft;

	(void)state;
	assert_int_equal(nst_softbuf_start(&full, 4, 4, 0, NST_F16, &err), 0);
	assert_non_null(nst_softbuf_view(&full, 0).probability);
	assert_int_equal(nst_softbuf_start(&topk, 4, 2, 1, NST_F16, &err), 0);
	assert_non_null(nst_softbuf_view(&topk, 0).topk_class);
	assert_non_null(nst_softbuf_view(&topk, 0).topk_probability);
	assert_int_equal(nst_softbuf_start(&hard, 4, 0, 0, NST_F16, &err), 0);
	put(&hard, 0, rows[0]);
	soft = nst_softbuf_view(&hard, 1);
	assert_true(!soft.probability && !soft.topk_class && soft.k == 0);
	nst_softbuf_release(&full);
	nst_softbuf_release(&topk);
	nst_softbuf_release(&hard);
}

static void another_form_is_refused(void **state)
{
	struct nst_softbuf a = {0};
	const struct nst_soft full = {.classes = 4, .k = 4, .type = NST_F16, .probability = rows};
	struct nst_soft other = full;

	(void)state;
	assert_int_equal(nst_softbuf_like(&a, &full, "'a'", "'a'", &err), 0);
	assert_int_equal(nst_softbuf_like(&a, &full, "'b'", "'a'", &err), 0);
	other.type = NST_F32;
	assert_int_equal(nst_softbuf_like(&a, &other, "'b'", "'a'", &err), NST_EINVAL);
	assert_string_equal(err.msg, "'b' has all probabilities in 32-bit numbers, but 'a' has all "
			    "probabilities in 16-bit numbers");
	other = (struct nst_soft){.classes = 4};
	assert_int_equal(nst_softbuf_like(&a, &other, "'b'", "'a'", &err), NST_EINVAL);
	assert_string_equal(err.msg, "'b' has hard labels, but 'a' has all probabilities in 16-bit "
			    "numbers");
	nst_softbuf_release(&a);
}

static const char *const abc[] = {"ape", "bee", "cat"};
static const char *const cab[] = {"cat", "ape", "dog", "bee"};

static void classes_are_matched_by_name(void **state)
{
	const struct nst_classes from = {cab, 4, "'cab'"}, to = {abc, 3, "'abc'"};
	const struct nst_classes none = {NULL, 0, "'none'"};
	const int32_t wanted[4] = {2, 0, -1, 1};
	int32_t map[4];

	(void)state;
	assert_int_equal(nst_classes_map(&from, &to, map, &err), 0);
	assert_memory_equal(map, wanted, sizeof(map));
	assert_int_equal(nst_classes_map(&from, &none, map, &err), 0);
	assert_int_equal(map[0], -1);
	assert_int_equal(nst_classes_map(&none, &to, map, &err), 0);
}

static void tables_that_differ_are_named(void **state)
{
	const struct nst_classes a = {abc, 3, "'a'"}, b = {cab, 3, "'b'"}, c = {cab, 4, "'c'"};

	(void)state;
	assert_int_equal(nst_classes_same(&a, &a, &err), 0);
	assert_int_equal(nst_classes_same(&a, &c, &err), NST_EINVAL);
	assert_string_equal(err.msg, "class tables differ: 'a' has 3 classes, 'c' has 4");
	assert_int_equal(nst_classes_same(&a, &b, &err), NST_EINVAL);
	assert_string_equal(err.msg, "class tables differ: class 0 is 'ape' in 'a' and 'cat' in 'b'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_rows_are_kept_to_the_bit),
		cmocka_unit_test(half_precision_rounds_once),
		cmocka_unit_test(top_k_keeps_the_largest),
		cmocka_unit_test(no_rows_are_still_a_column),
		cmocka_unit_test(another_form_is_refused),
		cmocka_unit_test(classes_are_matched_by_name),
		cmocka_unit_test(tables_that_differ_are_named),
	};

	return cmocka_run_group_tests_name("select_data", tests, NULL, NULL);
}
