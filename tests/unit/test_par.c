/* The worker pool: every task once, no worker twice at a time, results visible to the caller. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libcore/par/pool.h"

enum { MOST_TASKS = 1000, MOST_WORKERS = 8 };

struct record {
	unsigned threads;
	int times[MOST_TASKS];            /* plain memory: the pool must order the accesses */
	atomic_int inside[MOST_WORKERS];  /* tasks a worker is in */
	atomic_int wrong;
};

static void note(void *ctx, size_t task, unsigned worker)
{
	struct record *r = ctx;

	if (worker >= r->threads || atomic_fetch_add(&r->inside[worker], 1) != 0)
		atomic_store(&r->wrong, 1);
	r->times[task]++;
	atomic_fetch_sub(&r->inside[worker], 1);
}

static void check_every_task_once(unsigned threads)
{
	static const size_t sizes[] = {0, 1, 2, 3, 7, 64, MOST_TASKS};
	struct nst_pool *pool;
	struct nst_err err;
	struct record *r = calloc(1, sizeof(*r));
	int runs[MOST_TASKS] = {0};

	assert_non_null(r);
	r->threads = threads;
	assert_int_equal(nst_pool_new(threads, &pool, &err), 0);
	assert_int_equal(nst_pool_threads(pool), threads);
	for (int round = 0; round < 50; round++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			nst_pool_run(pool, sizes[s], note, r);
			for (size_t i = 0; i < MOST_TASKS; i++) {
				runs[i] += i < sizes[s];
				if (r->times[i] != runs[i])
					fail_msg("task %zu ran %d times, not %d", i, r->times[i],
						 runs[i]);
			}
		}
	}
	assert_int_equal(r->wrong, 0);
	nst_pool_free(pool);
	free(r);
}

static void test_one_thread(void **state)
{
	(void)state;
	check_every_task_once(1);
}

static void test_several_threads(void **state)
{
	(void)state;
	check_every_task_once(2);
	check_every_task_once(MOST_WORKERS);
}

static void test_default_is_every_core(void **state)
{
	struct nst_pool *pool;
	struct nst_err err;

	(void)state;
	assert_true(nst_cores() >= 1);
	assert_int_equal(nst_pool_new(0, &pool, &err), 0);
	assert_int_equal(nst_pool_threads(pool), nst_cores());
	nst_pool_free(pool);
	nst_pool_free(NULL);
}

/* Two tasks that wait for each other end only if two workers are really there. */
static void meet(void *ctx, size_t task, unsigned worker)
{
	atomic_int *arrived = ctx;

	(void)task;
	(void)worker;
	atomic_fetch_add(arrived, 1);
	while (atomic_load(arrived) < 2)
		;
}

static void test_tasks_run_at_the_same_time(void **state)
{
	atomic_int arrived = 0;
	struct nst_pool *pool;
	struct nst_err err;

	(void)state;
	assert_int_equal(nst_pool_new(2, &pool, &err), 0);
	nst_pool_run(pool, 2, meet, &arrived);
	assert_int_equal(arrived, 2);
	nst_pool_free(pool);
}

/* A signal sent to the process must not be taken by a worker. */
struct masks {
	atomic_int open; /* workers other than 0 that let SIGINT through */
	atomic_int arrived;
};

static void look_at_mask(void *ctx, size_t task, unsigned worker)
{
	struct masks *m = ctx;
	sigset_t set;

	(void)task;
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	if (worker && !sigismember(&set, SIGINT))
		atomic_fetch_add(&m->open, 1);
	atomic_fetch_add(&m->arrived, 1);
	while (atomic_load(&m->arrived) < 3)
		;
}

static void test_workers_take_no_signals(void **state)
{
	struct masks m = {0};
	struct nst_pool *pool;
	struct nst_err err;
	sigset_t set;

	(void)state;
	assert_int_equal(nst_pool_new(3, &pool, &err), 0);
	nst_pool_run(pool, 3, look_at_mask, &m);
	assert_int_equal(m.open, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	assert_false(sigismember(&set, SIGINT));
	nst_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thread),
		cmocka_unit_test(test_several_threads),
		cmocka_unit_test(test_default_is_every_core),
		cmocka_unit_test(test_tasks_run_at_the_same_time),
		cmocka_unit_test(test_workers_take_no_signals),
	};

	return cmocka_run_group_tests_name("par", tests, NULL, NULL);
}
