/* A profile as text: a table for people, and folded stacks for flame graphs.
 *
 * Folded stacks are lines "nst-train;backward;blocks.0.0.conv_dw 12345", the number in microseconds of
 * one thread; flamegraph.pl, inferno and speedscope read them. */
#ifndef NST_DATA_PROFILING_H
#define NST_DATA_PROFILING_H

#include "libcore/nn/profile.h"
#include "libcore/par/pool.h"

/* The row of a tool's option table; path is a const char *. */
#define NST_PROFILE_OPTION(path) \
	NST_OPT_STRING(0, "profile", "FILE", path, \
		       "write where the time goes to FILE, for flame graphs to FILE.folded")

/* A profile of the threads of a pool; NULL when path is, which stands for the option not given.  now
 * and the rest as for nst_profile_new. */
int nst_profiling_start(const char *path, double (*now)(void), const struct nst_pool *pool,
			struct nst_profile **p, struct nst_err *err) NST_MUST_CHECK;

/* Append the table: seconds of each phase, of waiting, and of each operation forward and backward,
 * with GFLOP/s and GB/s of one thread. */
int nst_profiling_table(const struct nst_profile *p, struct nst_buf *text, struct nst_err *err)
	NST_MUST_CHECK;

/* Append the stacks below `root`. */
int nst_profiling_fold(const struct nst_profile *p, const char *root, struct nst_buf *text,
		       struct nst_err *err) NST_MUST_CHECK;

/* Write the table to `path` and the stacks to `path`.folded, each whole or not at all; does nothing
 * when p is NULL. */
int nst_profiling_write(const struct nst_profile *p, const char *root, const char *path,
			struct nst_err *err) NST_MUST_CHECK;

#endif
