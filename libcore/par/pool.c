/* The worker pool.  A run is a generation: the caller publishes the work under the lock, wakes
 * everybody, works itself, and returns when every worker has left the generation.  That last rule
 * costs a wake-up of each thread per run, and buys that no thread can see two runs mixed. */
#include "libcore/par/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "libcore/util/mem.h"

struct worker {
	struct nst_pool *pool;
	pthread_t thread;
	unsigned number;
};

struct nst_pool {
	unsigned threads; /* workers, the caller included */
	unsigned started; /* threads that exist: at most threads - 1 */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	/* under lock */
	unsigned long generation;
	unsigned busy;
	int stop;
	/* written under lock before a generation starts, then only read */
	nst_task_fn *fn;
	void *ctx;
	size_t ntasks;
	atomic_size_t next;
	struct worker worker[];
};

static void work(struct nst_pool *p, unsigned number)
{
	size_t task;

	while ((task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < p->ntasks)
		p->fn(p->ctx, task, number);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct nst_pool *p = w->pool;
	unsigned long seen = 0;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stop && p->generation == seen)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->stop)
			break;
		seen = p->generation;
		pthread_mutex_unlock(&p->lock);
		work(p, w->number);
		pthread_mutex_lock(&p->lock);
		if (--p->busy == 0)
			pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Threads start with signals blocked: handlers run in the main thread alone, but for the one of the
 * signal that touching a lost byte is, which cannot wait. */
static int start_threads(struct nst_pool *p, struct nst_err *err)
{
	sigset_t all, old;
	int r = 0;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->started < p->threads - 1 && !r) {
		struct worker *w = &p->worker[p->started];

		w->pool = p;
		w->number = p->started + 1;
		r = pthread_create(&w->thread, NULL, worker_main, w);
		if (!r)
			p->started++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!r)
		return 0;
	errno = r;
	return nst_fail_errno(err, "cannot start thread %u of %u", p->started + 2, p->threads);
}

int nst_pool_new(unsigned threads, struct nst_pool **out, struct nst_err *err)
{
	struct nst_pool *p;
	size_t bytes;

	if (!threads)
		threads = nst_cores();
	if (nst_mul_size(threads - 1, sizeof(p->worker[0]), &bytes))
		return nst_fail_mem(err, SIZE_MAX);
	p = nst_zalloc(1, sizeof(*p) + bytes, err);
	if (!p)
		return err->code;
	p->threads = threads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	if (start_threads(p, err)) {
		nst_pool_free(p);
		return err->code;
	}
	*out = p;
	return 0;
}

unsigned nst_pool_threads(const struct nst_pool *p)
{
	return p->threads;
}

void nst_pool_run(struct nst_pool *p, size_t ntasks, nst_task_fn *fn, void *ctx)
{
	if (p->threads == 1 || ntasks < 2) {
		for (size_t i = 0; i < ntasks; i++)
			fn(ctx, i, 0);
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->fn = fn;
	p->ctx = ctx;
	p->ntasks = ntasks;
	atomic_store_explicit(&p->next, 0, memory_order_relaxed);
	p->busy = p->started;
	p->generation++;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	work(p, 0);
	pthread_mutex_lock(&p->lock);
	while (p->busy)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void nst_pool_free(struct nst_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = 1;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->started; i++)
		pthread_join(p->worker[i].thread, NULL);
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
