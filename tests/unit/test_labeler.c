/* libcore/data/labeler: how rows are handed on, what it tells of its progress, and of a model that has
 * diverged.
 * (tests/cli/infer.t looks at labels.) */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "libcore/data/labeler.h"
#include "tests/unit/data_util.h"

enum { ROWS = 50, THREADS = 2 };

static void write_model(const char *path, uint64_t seed)
{
	struct nst_net *net = net_of("resnet20", SIDE, 3);
	float *params = weights_of(net, seed);

	write_net(path, net, params, NULL);
	nst_net_free(net);
	free(params);
}

struct told {
	pthread_t thread;
	uint64_t last;
	size_t times;
};

static void take_progress(void *ctx, uint64_t rows)
{
	struct told *t = ctx;

	assert_true(pthread_equal(t->thread, pthread_self()));
	assert_true(rows >= t->last);
	t->last = rows;
	t->times++;
}

/* Run all rows in two parts. */
static void run(struct nst_labeler *l, float *p)
{
	OK(nst_labeler_run(l, 0, 30, p, &err));
	OK(nst_labeler_run(l, 30, ROWS - 30, p + 30 * 3, &err));
}

/* What is handed on row by row is what an array gets, on as many workers as there are. */
struct taking {
	float p[ROWS * 3];
	atomic_int times[ROWS];
};

static void take_rows(void *ctx, size_t row, size_t n, unsigned worker, float *p)
{
	struct taking *t = ctx;

	assert_true(worker < THREADS);
	memcpy(t->p + row * 3, p, n * 3 * sizeof(*p));
	for (size_t i = 0; i < n; i++) {
		t->times[row + i]++;
		for (size_t c = 0; c < 3; c++)
			p[i * 3 + c] = NAN; /* ours until we return */
	}
}

static void rows_are_handed_on(void **state)
{
	static const char *const path[] = {"m1.h5", "m2.h5"};
	static const struct nst_noise_request usual = NST_NOISE_REQUEST_NONE;
	struct nst_dataset *ds;
	struct nst_pool *pool;

	(void)state;
	write_model("m1.h5", 1);
	write_model("m2.h5", 2);
	write_pictures("s.h5", 0, ROWS, abc, 3);
	ds = open_file("s.h5");
	OK(nst_pool_new(THREADS, &pool, &err));
	for (size_t models = 1; models <= 2; models++) {
		for (int noise = 0; noise < 2; noise++) {
			struct taking taken = {.p = {0}};
			struct nst_labeler *l;
			float p[ROWS * 3];

			OK(nst_labeler_new(&l, path, models, NST_WEIGHTS_BEST, 1.5, NST_FLOAT32, pool,
					   &err));
			if (noise)
				OK(nst_labeler_noise(l, &usual, &err));
			OK(nst_labeler_begin(l, ds, &err));
			OK(nst_labeler_run(l, 3, ROWS - 3, p, &err));
			OK(nst_labeler_each(l, 3, ROWS - 3, take_rows, &taken, &err));
			assert_memory_equal(taken.p, p, (ROWS - 3) * 3 * sizeof(*p));
			for (size_t i = 0; i < ROWS; i++)
				assert_int_equal(taken.times[i], i < ROWS - 3);
			nst_labeler_free(l);
		}
	}
	nst_pool_free(pool);
	nst_dataset_free(ds);
}

/* Told from inside, by the thread that called, ever more, and no more than there is; the labels are those
 * of a labeler that tells nothing. */
static void progress_of(size_t models, unsigned threads, int noise)
{
	static const char *const path[] = {"m1.h5", "m2.h5"};
	static const struct nst_noise_request usual = NST_NOISE_REQUEST_NONE;
	struct nst_dataset *ds = open_file("s.h5");
	float silent[ROWS * 3], p[ROWS * 3];
	struct told told = {.thread = pthread_self()};
	struct nst_labeler *l;
	struct nst_pool *pool;

	OK(nst_pool_new(threads, &pool, &err));
	OK(nst_labeler_new(&l, path, models, NST_WEIGHTS_BEST, 1, NST_FLOAT32, pool, &err));
	if (noise)
		OK(nst_labeler_noise(l, &usual, &err));
	OK(nst_labeler_begin(l, ds, &err));
	run(l, silent);
	nst_labeler_progress(l, take_progress, &told);
	run(l, p);
	assert_memory_equal(p, silent, sizeof(p));
	assert_true(told.last <= ROWS);
	if (threads == 1) {
		assert_int_equal(told.last, ROWS);
		assert_int_equal(told.times, ROWS * models);
	}
	nst_labeler_progress(l, take_progress, &told);
	told.last = told.times = 0;
	run(l, p);
	assert_true(told.last <= ROWS);
	nst_labeler_progress(l, NULL, NULL);
	told.times = 0;
	run(l, p);
	assert_int_equal(told.times, 0);
	nst_labeler_free(l);
	nst_pool_free(pool);
	nst_dataset_free(ds);
}

static void progress(void **state)
{
	(void)state;
	write_model("m1.h5", 1);
	write_model("m2.h5", 2);
	write_pictures("s.h5", 0, ROWS, abc, 3);
	for (size_t models = 1; models <= 2; models++) {
		for (unsigned threads = 1; threads <= THREADS; threads++) {
			progress_of(models, threads, 0);
			progress_of(models, threads, 1);
		}
	}
}

/* Whichever thread finds it: the first row is named, whichever of the models it is. */
static void no_number_is_an_error(void **state)
{
	static const char *const path[] = {"m1.h5", "nan.h5"};
	struct nst_net *net = net_of("resnet20", SIDE, 3);
	float *params = weights_of(net, 1), p[ROWS * 3];
	struct nst_dataset *ds;
	struct nst_pool *pool;

	(void)state;
	for (size_t i = 0; i < net->ndecay; i++)
		params[i] = NAN;
	write_net("nan.h5", net, params, NULL);
	write_model("m1.h5", 1);
	write_pictures("s.h5", 0, ROWS, abc, 3);
	ds = open_file("s.h5");
	OK(nst_pool_new(THREADS, &pool, &err));
	for (size_t good = 0; good < 2; good++) {
		struct nst_labeler *l;
		char name[256];

		OK(nst_labeler_new(&l, path + 1 - good, 1 + good, NST_WEIGHTS_BEST, 1, NST_FLOAT32, pool,
				   &err));
		OK(nst_labeler_begin(l, ds, &err));
		assert_int_equal(nst_labeler_run(l, 7, ROWS - 7, p, &err), NST_EINVAL);
		nst_dataset_name(ds, 7, name, sizeof(name));
		assert_non_null(strstr(err.msg, "'nan.h5' gives no number for "));
		assert_non_null(strstr(err.msg, name));
		nst_labeler_free(l);
	}
	nst_pool_free(pool);
	nst_dataset_free(ds);
	nst_net_free(net);
	free(params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_are_handed_on, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(progress, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(no_number_is_an_error, scratch_make, scratch_remove),
	};

	return cmocka_run_group_tests_name("labeler", tests, NULL, NULL);
}
