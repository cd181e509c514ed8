/* A fixed set of worker threads that run numbered tasks.
 *
 * Tasks are handed out by an atomic counter, so which worker runs which task is not defined; a
 * caller that wants the same result for any number of threads stores results by task and combines
 * them in task order.  A pool belongs to the thread that made it; workers take no signals but
 * SIGBUS, which touching a lost byte of a mapped file is. */
#ifndef NST_PAR_POOL_H
#define NST_PAR_POOL_H

#include <stddef.h>

#include "libcore/util/err.h"

struct nst_pool;

/* One task: `task` counts from 0, `worker` is below nst_pool_threads() and never in use twice at a
 * time, so it can index scratch memory.  It cannot fail: failures are stored by task. */
typedef void nst_task_fn(void *ctx, size_t task, unsigned worker);

/* Processors this process may use: the affinity mask and, in a container, the CPU quota.  >= 1. */
unsigned nst_cores(void);

/* Start a pool of `threads` workers, the caller included; 0 means nst_cores().  Returns 0 and
 * *out, to be freed with nst_pool_free, or NST_ENOMEM / NST_EIO when threads cannot be had. */
int nst_pool_new(unsigned threads, struct nst_pool **out, struct nst_err *err) NST_MUST_CHECK;

/* Workers, the caller included. */
unsigned nst_pool_threads(const struct nst_pool *pool);

/* Run fn for every task in [0, ntasks) and return when all are done.  The caller works too, as
 * worker 0; what tasks wrote is visible to it afterwards.  Not to be called from a task. */
void nst_pool_run(struct nst_pool *pool, size_t ntasks, nst_task_fn *fn, void *ctx);

/* Stop the threads.  NULL is allowed. */
void nst_pool_free(struct nst_pool *pool);

#endif
