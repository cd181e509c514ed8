/* Phases are sums of the rows of a profile; operations are its rows, forward and backward side by
 * side. */
#include "libcore/data/profiling.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/io/atomic.h"

int nst_profiling_start(const char *path, double (*now)(void), const struct nst_pool *pool,
			struct nst_profile **p, struct nst_err *err)
{
	*p = NULL;
	return path ? nst_profile_new(now, nst_pool_threads(pool), p, err) : 0;
}

/* One side of an operation's line: seconds, and rates where the work is known. */
static int side(struct nst_buf *text, const struct nst_profile_row *row, struct nst_err *err)
{
	if (!row)
		return nst_buf_printf(text, err, " | %9s %7s %6s", "-", "-", "-");
	if (nst_buf_printf(text, err, " | %9.3f", row->seconds) < 0)
		return err->code;
	if (row->flops > 0 && nst_buf_printf(text, err, " %7.1f", row->flops / row->seconds * 1e-9) < 0)
		return err->code;
	if (!(row->flops > 0) && nst_buf_printf(text, err, " %7s", "-") < 0)
		return err->code;
	return nst_buf_printf(text, err, " %6.1f", row->bytes / row->seconds * 1e-9);
}

static const struct nst_profile_row *find(const struct nst_profile_row *row, size_t n,
					  enum nst_phase phase, const char *op)
{
	for (size_t i = 0; i < n; i++)
		if (row[i].phase == phase && !strcmp(row[i].op, op))
			return &row[i];
	return NULL;
}

static int phases(const struct nst_profile *p, const struct nst_profile_row *row, size_t n,
		  struct nst_buf *text, struct nst_err *err)
{
	double all = nst_profile_capacity(p), waiting = all;
	int r = nst_buf_printf(text, err, "%-28s %9s %7s\n", "phase", "seconds", "share");

	for (int phase = 0; phase < NST_PHASES && r == 0; phase++) {
		double seconds = 0;

		for (size_t i = 0; i < n; i++)
			seconds += row[i].phase == (enum nst_phase)phase ? row[i].seconds : 0;
		waiting -= seconds;
		r = nst_buf_printf(text, err, "%-28s %9.3f %6.1f%%\n",
				   nst_phase_name((enum nst_phase)phase), seconds,
				   100 * seconds / all);
	}
	if (r == 0)
		r = nst_buf_printf(text, err, "%-28s %9.3f %6.1f%%\n", "waiting and other", waiting,
				   100 * waiting / all);
	return r;
}

static int operations(const struct nst_profile_row *row, size_t n, struct nst_buf *text,
		      struct nst_err *err)
{
	int r = nst_buf_printf(text, err, "\n%-28s | %9s %7s %6s | %9s %7s %6s\n", "operation",
			       "forward s", "GFLOP/s", "GB/s", "backwd. s", "GFLOP/s", "GB/s");

	for (size_t i = 0; i < n && r == 0; i++) {
		if (row[i].phase != NST_PHASE_FORWARD || !row[i].op[0])
			continue;
		r = nst_buf_printf(text, err, "%-28s", row[i].op);
		if (r == 0)
			r = side(text, &row[i], err);
		if (r == 0)
			r = side(text, find(row, n, NST_PHASE_BACKWARD, row[i].op), err);
		if (r == 0)
			r = nst_buf_printf(text, err, "\n");
	}
	return r;
}

int nst_profiling_table(const struct nst_profile *p, struct nst_buf *text, struct nst_err *err)
{
	struct nst_profile_row *row;
	size_t n;
	int r = nst_profile_rows(p, &row, &n, err);

	if (r == 0)
		r = phases(p, row, n, text, err);
	if (r == 0)
		r = operations(row, n, text, err);
	free(row);
	return r;
}

int nst_profiling_fold(const struct nst_profile *p, const char *root, struct nst_buf *text,
		       struct nst_err *err)
{
	struct nst_profile_row *row;
	size_t n;
	int r = nst_profile_rows(p, &row, &n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		r = nst_buf_printf(text, err, "%s;%s%s%s %.0f\n", root,
				   nst_phase_name(row[i].phase), row[i].op[0] ? ";" : "",
				   row[i].op, 1e6 * row[i].seconds);
	free(row);
	return r;
}

int nst_profiling_write(const struct nst_profile *p, const char *root, const char *path,
			struct nst_err *err)
{
	struct nst_buf table = {0}, stacks = {0}, name = {0};
	int r;

	if (!p)
		return 0;
	r = nst_profiling_table(p, &table, err);
	if (r == 0)
		r = nst_profiling_fold(p, root, &stacks, err);
	if (r == 0)
		r = nst_buf_printf(&name, err, "%s.folded", path);
	if (r == 0)
		r = nst_atomic_write(path, table.data, table.len, err);
	if (r == 0)
		r = nst_atomic_write((const char *)name.data, stacks.data, stacks.len, err);
	nst_buf_release(&table);
	nst_buf_release(&stacks);
	nst_buf_release(&name);
	return r;
}
