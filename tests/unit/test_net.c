/* Inference: against a plain twin with running statistics, and independence of batch, threads,
 * table. */
#include "tests/unit/nn_twin.h"

#include "libcore/nn/grain.h"
#include "libcore/nn/infer.h"

enum { ROWS = 23, CLASSES = 7 };

/* Logits of all rows, in runs of `batch` rows on `threads` threads. */
static void infer_all(const struct nst_net *net, const float *params, const float *images,
		      enum nst_arithmetic arithmetic, size_t batch, unsigned threads,
		      float *logits)
{
	struct twin_rows source = twin_rows_of(net, images);
	struct nst_pool *pool;
	struct nst_infer *inf;
	struct nst_err err = { 0 };

	assert_int_equal(nst_pool_new(threads, &pool, &err), 0);
	assert_int_equal(nst_infer_new(net, params, arithmetic, pool, &inf, &err), 0);
	for (; source.first < ROWS; source.first += batch) {
		size_t n = ROWS - source.first < batch ? ROWS - source.first : batch;

		assert_int_equal(nst_infer_run(inf, n, twin_load_row, &source,
					       logits + source.first * CLASSES, &err),
				 0);
	}
	nst_infer_free(inf);
	nst_pool_free(pool);
}

static void check_twin(struct nst_net *net, uint64_t seed)
{
	float *params = random_params(net, seed), *images = random_images(net, ROWS, 12);
	double *wide = as_doubles(params, net->nfloats), want[ROWS * CLASSES];
	float got[ROWS * CLASSES];

	twin_forward(net, wide, ROWS, images, NULL, SIZE_MAX, want);
	infer_all(net, params, images, NST_FLOAT32, ROWS, 2, got);
	for (size_t j = 0; j < ROWS * CLASSES; j++)
		if (!(fabs(got[j] - want[j]) <= 2e-5 * (1 + fabs(want[j]))))
			fail_msg("%s: logit %zu is %g, should be %g", net->arch.name, j,
				 (double)got[j], want[j]);
	nst_net_free(net);
	free(wide);
	free(images);
	free(params);
}

static void test_equals_the_twin(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++)
		check_twin(tiny_net(i, CLASSES), 11 + i);
}

/* Both paddings in every kind of stage, where sides are even and where they are odd. */
static void test_paddings(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++)
		for (size_t more = 0; more < 4; more++)
			for (int pad = NST_PAD_SAME; pad <= NST_PAD_SYMMETRIC; pad++)
				check_twin(tiny_padded(i, (enum nst_pad)pad, more, CLASSES), 17);
}

/* The logits of an image are the same bits alone, in company, on one thread and on several. */
static void check_invariance(struct nst_net *net, enum nst_arithmetic arithmetic, uint64_t seed)
{
	static const size_t batches[] = { 1, 7, 8, ROWS };
	float *params = random_params(net, seed), *images = random_images(net, ROWS, seed);
	float want[ROWS * CLASSES], got[ROWS * CLASSES];

	infer_all(net, params, images, arithmetic, 1, 1, want);
	for (size_t b = 0; b < 4; b++) {
		for (unsigned threads = 1; threads <= 3; threads++) {
			memset(got, 0, sizeof(got));
			infer_all(net, params, images, arithmetic, batches[b], threads, got);
			assert_memory_equal(want, got, sizeof(want));
		}
	}
	nst_net_free(net);
	free(images);
	free(params);
}

static void test_batch_and_threads_do_not_show(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++)
		check_invariance(tiny_net(i, CLASSES), NST_FLOAT32, 21);
}

/* resnet20 at 32 pixels multiplies enough for smaller tasks at the end; the shortcuts of resnet50 have
 * smaller maps than what comes behind them. */
static void test_batch_and_threads_do_not_show_in_real_nets(void **state)
{
	(void)state;
	check_invariance(listed_net("efficientnet-b0", 32, CLASSES), NST_FLOAT32, 22);
	check_invariance(listed_net("resnet20", 32, CLASSES), NST_FLOAT32, 23);
	check_invariance(listed_net("wrn-10-1", 16, CLASSES), NST_FLOAT32, 24);
	check_invariance(listed_net("resnet50", 64, CLASSES), NST_FLOAT32, 28);
}

static void test_batch_and_threads_do_not_show_in_bfloat16(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++)
		check_invariance(tiny_net(i, CLASSES), NST_BFLOAT16, 25);
	check_invariance(listed_net("efficientnet-b0", 32, CLASSES), NST_BFLOAT16, 26);
	check_invariance(listed_net("resnet20", 16, CLASSES), NST_BFLOAT16, 27);
}

/* bfloat16 is near, and not the same. */
static void test_bfloat16_is_near(void **state)
{
	struct nst_net *net = listed_net("efficientnet-b0", 32, CLASSES);
	float *params = random_params(net, 28), *images = random_images(net, ROWS, 28);
	float want[ROWS * CLASSES], got[ROWS * CLASSES];
	double error = 0, size = 0;

	(void)state;
	infer_all(net, params, images, NST_FLOAT32, ROWS, 2, want);
	infer_all(net, params, images, NST_BFLOAT16, ROWS, 2, got);
	for (size_t i = 0; i < ROWS * CLASSES; i++) {
		error += fabs((double)got[i] - want[i]);
		size += fabs((double)want[i]);
	}
	assert_true(error > 0 && error < 0.05 * size);
	nst_net_free(net);
	free(images);
	free(params);
}

/* Maps too large for the cache are made some lines at a time, of one image or two while the later
 * steps wait for more of them: the logits are those of a grain, which knows nothing of that, with
 * running statistics. */
static void check_large_maps(const char *name, size_t size)
{
	enum { FEW = 6 };
	struct nst_net *net = listed_net(name, size, CLASSES);
	float *params = random_params(net, 41), *images = random_images(net, FEW, 41);
	float got[FEW * CLASSES], alone[FEW * CLASSES];
	const struct nst_kernels *k = nst_kernels_get(&(const char *){ NULL });
	struct twin_rows source = twin_rows_of(net, images);
	struct nst_grain_plan *plan;
	struct nst_grain *grain;
	struct nst_infer *inf;
	struct nst_pack *pack;
	struct nst_pool *pool;
	struct nst_err err = { 0 };

	for (unsigned threads = 1; threads <= 2; threads++) {
		assert_int_equal(nst_pool_new(threads, &pool, &err), 0);
		assert_int_equal(nst_infer_new(net, params, NST_FLOAT32, pool, &inf, &err), 0);
		assert_int_equal(nst_infer_run(inf, FEW, twin_load_row, &source,
					       threads == 1 ? alone : got, &err), 0);
		nst_infer_free(inf);
		nst_pool_free(pool);
	}
	assert_memory_equal(alone, got, sizeof(got));
	assert_int_equal(nst_pool_new(2, &pool, &err), 0);
	assert_int_equal(nst_pack_new(net, k, &pack, &err), 0);
	nst_pack_fill(pack, params, pool);
	assert_int_equal(nst_grain_plan_new(net, k, FEW, 0, SIZE_MAX, &plan, &err), 0);
	assert_int_equal(nst_grain_new(plan, &grain, &err), 0);
	memcpy(nst_grain_input(grain), images, FEW * source.floats * sizeof(*images));
	nst_grain_forward(grain, FEW, params, pack);
	for (size_t j = 0; j < FEW * CLASSES; j++)
		assert_true(fabsf(got[j] - nst_grain_logits(grain)[j]) <= 1e-4f * (1 + fabsf(got[j])));
	nst_grain_free(grain);
	nst_grain_plan_free(plan);
	nst_pack_free(pack);
	nst_pool_free(pool);
	nst_net_free(net);
	free(images);
	free(params);
}

static void test_large_maps(void **state)
{
	(void)state;
	check_large_maps("efficientnet-b0", 101);
	check_large_maps("efficientnet-b0", 200);
	check_large_maps("resnet18", 64);
}

/* All tables of kernels give the same bits: pseudo labels do not depend on the machine. */
static void check_tables(enum nst_arithmetic arithmetic)
{
	static const char *const name[] = { "efficientnet-b0", "resnet20", "wrn-10-1" };
	const char *was = getenv("NST_SIMD");
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	for (size_t i = 0; i < 3; i++) {
		struct nst_net *net = listed_net(name[i], 32, CLASSES);
		float *params = random_params(net, 31), *images = random_images(net, ROWS, 31);
		float want[ROWS * CLASSES], got[ROWS * CLASSES];

		for (size_t t = 0; t < tables; t++) {
			setenv("NST_SIMD", list[t]->name, 1);
			infer_all(net, params, images, arithmetic, ROWS, 2, t ? got : want);
			if (t)
				assert_memory_equal(want, got, sizeof(want));
		}
		nst_net_free(net);
		free(images);
		free(params);
	}
	if (was)
		setenv("NST_SIMD", was, 1);
	else
		unsetenv("NST_SIMD");
}

static void test_vector_width_does_not_show(void **state)
{
	(void)state;
	check_tables(NST_FLOAT32);
	check_tables(NST_BFLOAT16);
}

/* The memory that is told before is what a net of that size takes: its weights once, in another
 * order, and room for activations for each thread. */
static void test_memory_is_told_before(void **state)
{
	struct nst_net *net = listed_net("efficientnet-b0", 64, CLASSES);
	size_t one, two, five;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_infer_memory(net, NST_FLOAT32, 1, &one, &err), 0);
	assert_int_equal(nst_infer_memory(net, NST_FLOAT32, 2, &two, &err), 0);
	assert_int_equal(nst_infer_memory(net, NST_FLOAT32, 5, &five, &err), 0);
	assert_true(one > net->ncounted * sizeof(float) && two > one);
	assert_int_equal(five - two, 3 * (two - one));
	nst_net_free(net);
}

static void test_unknown_table_is_an_error(void **state)
{
	struct nst_net *net = tiny_net(0, CLASSES);
	float *params = random_params(net, 1);
	const char *was = getenv("NST_SIMD");
	struct nst_pool *pool;
	struct nst_infer *inf;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_pool_new(1, &pool, &err), 0);
	setenv("NST_SIMD", "abacus", 1);
	assert_int_equal(nst_infer_new(net, params, NST_FLOAT32, pool, &inf, &err), NST_EINVAL);
	assert_non_null(strstr(err.msg, "NST_SIMD"));
	assert_null(inf);
	if (was)
		setenv("NST_SIMD", was, 1);
	else
		unsetenv("NST_SIMD");
	nst_pool_free(pool);
	nst_net_free(net);
	free(params);
}

static void test_first_failing_row_is_named(void **state)
{
	struct nst_net *net = tiny_net(1, CLASSES);
	float *params = random_params(net, 3), *images = random_images(net, ROWS, 3);
	struct twin_rows source = twin_rows_of(net, images);
	float logits[ROWS * CLASSES];
	struct nst_err err = { 0 };

	(void)state;
	source.bad[0] = 20;
	source.bad[1] = 13;
	for (unsigned threads = 1; threads <= 3; threads++) {
		struct nst_pool *pool;
		struct nst_infer *inf;

		assert_int_equal(nst_pool_new(threads, &pool, &err), 0);
		assert_int_equal(nst_infer_new(net, params, NST_FLOAT32, pool, &inf, &err), 0);
		for (int again = 0; again < 5; again++) {
			assert_int_equal(nst_infer_run(inf, ROWS, twin_load_row, &source, logits, &err),
					 NST_EFORMAT);
			assert_string_equal(err.msg, "row 13 is bad");
		}
		assert_int_equal(nst_infer_run(inf, 0, twin_load_row, &source, logits, &err), 0);
		assert_int_equal(nst_infer_run(inf, 13, twin_load_row, &source, logits, &err), 0);
		nst_infer_free(inf);
		nst_pool_free(pool);
	}
	nst_net_free(net);
	free(images);
	free(params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equals_the_twin),
		cmocka_unit_test(test_paddings),
		cmocka_unit_test(test_batch_and_threads_do_not_show),
		cmocka_unit_test(test_batch_and_threads_do_not_show_in_real_nets),
		cmocka_unit_test(test_batch_and_threads_do_not_show_in_bfloat16),
		cmocka_unit_test(test_bfloat16_is_near),
		cmocka_unit_test(test_vector_width_does_not_show),
		cmocka_unit_test(test_large_maps),
		cmocka_unit_test(test_memory_is_told_before),
		cmocka_unit_test(test_unknown_table_is_an_error),
		cmocka_unit_test(test_first_failing_row_is_named),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
