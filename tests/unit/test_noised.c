/* Inference with noise: against the plain twin with running statistics and the same draws, and
 * independence of batch and threads. */
#include "tests/unit/nn_twin.h"

#include "libcore/nn/noised.h"

enum { ROWS = 23, CLASSES = 7 };

/* A noised net of flat parameters. */
static struct nst_noised *noised_new(const struct nst_net *net, const float *params,
				     const struct twin_noise *noise, struct nst_pool *pool)
{
	const float **param = malloc(net->nparams * sizeof(*param));
	struct nst_noised *x;
	struct nst_err err = { 0 };

	assert_non_null(param);
	for (size_t i = 0; i < net->nparams; i++)
		param[i] = params + net->param[i].offset;
	assert_int_equal(nst_noised_new(net, param, noise->dropout, noise->drop_path, noise->seed,
					pool, &x, &err), 0);
	free(param);
	return x;
}

/* Logits of all rows, in runs of `batch` rows on `threads` threads. */
static void infer_all(const struct nst_net *net, const float *params, const float *images,
		      const struct twin_noise *noise, size_t batch, unsigned threads, float *logits)
{
	struct twin_rows source = twin_rows_of(net, images);
	struct nst_pool *pool;
	struct nst_noised *x;
	struct nst_err err = { 0 };

	assert_int_equal(nst_pool_new(threads, &pool, &err), 0);
	x = noised_new(net, params, noise, pool);
	for (; source.first < ROWS; source.first += batch) {
		size_t n = ROWS - source.first < batch ? ROWS - source.first : batch;

		assert_int_equal(nst_noised_run(x, n, noise->key + source.first, twin_load_row, &source,
						logits + source.first * CLASSES, &err), 0);
	}
	nst_noised_free(x);
	nst_pool_free(pool);
}

static uint64_t key[ROWS];

static struct twin_noise noise_of(uint64_t seed, double dropout, double drop_path)
{
	for (size_t i = 0; i < ROWS; i++)
		key[i] = i * 0x9e3779b97f4a7c15u;
	return (struct twin_noise){ seed, 0, key, dropout, drop_path };
}

static void test_equals_the_twin(void **state)
{
	static const double rates[][2] = { { 0, 0 }, { 0.5, 0 }, { 0, 0.6 }, { 0.4, 0.5 } };

	(void)state;
	for (size_t i = 0; i < 4 * NTINY; i++) {
		struct twin_noise noise = noise_of(i, rates[i % 4][0], rates[i % 4][1]);
		struct nst_net *net = tiny_net(i / 4, CLASSES);
		float *params = random_params(net, 11 + i), *images = random_images(net, ROWS, 12);
		double *wide = as_doubles(params, net->nfloats), want[ROWS * CLASSES];
		float got[ROWS * CLASSES];

		twin_forward(net, wide, ROWS, images, &noise, SIZE_MAX, want);
		infer_all(net, params, images, &noise, ROWS, 2, got);
		for (size_t j = 0; j < ROWS * CLASSES; j++)
			if (!(fabs(got[j] - want[j]) <= 5e-5 * (1 + fabs(want[j]))))
				fail_msg("%s: logit %zu is %g, should be %g", net->arch.name, j,
					 (double)got[j], want[j]);
		nst_net_free(net);
		free(wide);
		free(images);
		free(params);
	}
}

/* The logits of an image are the same bits alone, in company, on one thread and on several, and
 * others with another seed. */
static void check_invariance(struct nst_net *net)
{
	static const size_t batches[] = { 1, 7, 16, ROWS };
	struct twin_noise noise = noise_of(5, 0.5, 0.5);
	float *params = random_params(net, 3), *images = random_images(net, ROWS, 4);
	float want[ROWS * CLASSES], got[ROWS * CLASSES];

	infer_all(net, params, images, &noise, 1, 1, want);
	for (size_t b = 0; b < 4; b++) {
		for (unsigned threads = 1; threads <= 3; threads++) {
			memset(got, 0, sizeof(got));
			infer_all(net, params, images, &noise, batches[b], threads, got);
			assert_memory_equal(want, got, sizeof(want));
		}
	}
	noise.seed = 6;
	infer_all(net, params, images, &noise, ROWS, 2, got);
	assert_memory_not_equal(want, got, sizeof(want));
	nst_net_free(net);
	free(images);
	free(params);
}

static void test_batch_and_threads_do_not_show(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++)
		check_invariance(tiny_net(i, CLASSES));
	check_invariance(listed_net("efficientnet-b0", 32, CLASSES));
	check_invariance(listed_net("resnet20", 16, CLASSES));
	check_invariance(listed_net("wrn-10-1", 16, CLASSES));
}

static void test_the_first_bad_row_is_named(void **state)
{
	struct twin_noise noise = noise_of(1, 0.5, 0.5);
	struct nst_net *net = tiny_net(0, CLASSES);
	float *params = random_params(net, 3), *images = random_images(net, ROWS, 4);
	struct twin_rows source = twin_rows_of(net, images);
	float logits[ROWS * CLASSES];
	struct nst_err err = { 0 };

	(void)state;
	source.bad[0] = 20;
	source.bad[1] = 13;
	for (unsigned threads = 1; threads <= 3; threads++) {
		struct nst_pool *pool;
		struct nst_noised *x;

		assert_int_equal(nst_pool_new(threads, &pool, &err), 0);
		x = noised_new(net, params, &noise, pool);
		assert_int_equal(nst_noised_run(x, ROWS, key, twin_load_row, &source, logits, &err),
				 NST_EFORMAT);
		assert_string_equal(err.msg, "row 13 is bad");
		assert_int_equal(nst_noised_run(x, 0, key, twin_load_row, &source, logits, &err), 0);
		assert_int_equal(nst_noised_run(x, 13, key, twin_load_row, &source, logits, &err), 0);
		nst_noised_free(x);
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
		cmocka_unit_test(test_batch_and_threads_do_not_show),
		cmocka_unit_test(test_the_first_bad_row_is_named),
	};

	return cmocka_run_group_tests_name("noised", tests, NULL, NULL);
}
