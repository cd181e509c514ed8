/* nst-filter: keep the pseudo labels that are worth training on; see nst-filter(1).
 *
 * Everything is read before anything is written, for which rows are kept depends on all of them.
 * Output to a file is one image, output to a pipe is one image for each input image. */
#include <math.h>
#include <stdlib.h>

#include "libcore/cli/json.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/data/filter.h"
#include "libcore/io/atomic.h"

enum { EXACT, GRID, UNSET = -1 };

struct filter {
	struct nst_common common;
	double min_confidence, max_confidence;
	int64_t per_class;
	int duplicate, mode, allow_empty, stats_only, compress;
	struct nst_words stats;
	const char *report;
	uint64_t seed;
};

static const char *const modes[] = {"exact", "grid", NULL};
static const char *const compressions[] = {"none", "gzip", "zstd", NULL};

/* 0.3, not the 0.30000001192092896 that the nearest float is. */
static double shown(float p)
{
	return rint(p * 1e6) / 1e6;
}

static void set_counts(struct nst_json *o, const struct nst_balance_class *r)
{
	nst_json_set_int(o, "read", (int64_t)r->read);
	nst_json_set_int(o, "below", (int64_t)r->below);
	nst_json_set_int(o, "above", (int64_t)r->above);
	nst_json_set_int(o, "capped", (int64_t)r->capped);
	nst_json_set_int(o, "kept", (int64_t)r->kept);
	nst_json_set_int(o, "rows", (int64_t)r->copies);
	nst_json_set_double(o, "highest", shown(r->highest));
}

/* The report as a file of JSON. */
static int write_report(const struct filter *f, const struct nst_filter *in, struct nst_err *err)
{
	struct nst_json *o = nst_json_object(), *list = nst_json_array();
	const struct nst_balance_class sum = nst_filter_totals(in);
	struct nst_buf text = {0};
	int r;

	set_counts(o, &sum);
	for (size_t i = 0; i < in->in.classes.n; i++) {
		struct nst_json *row = nst_json_object();

		nst_json_set_string(row, "class", in->in.classes.name[i]);
		set_counts(row, &in->report[i]);
		if (f->mode == GRID)
			nst_json_set_double(row, "threshold", shown(in->grid[i].threshold));
		nst_json_set_double(row, "lowest", shown(in->report[i].lowest));
		nst_json_add(list, row);
	}
	nst_json_set(o, "classes", list);
	r = nst_json_append(o, &text, err);
	if (r == 0)
		r = nst_atomic_write(f->report, text.data, text.len, err);
	nst_json_free(o);
	nst_buf_release(&text);
	return r;
}

#define COUNTS "%ju read, %ju below the threshold, %ju above the maximum, %ju over the cap, " \
	       "%ju kept as %ju rows"
#define COUNTS_OF(r) (r)->read, (r)->below, (r)->above, (r)->capped, (r)->kept, (r)->copies

/* Say what was kept, and which classes lost everything. */
static void tell(const struct filter *f, const struct nst_filter *in)
{
	const struct nst_balance_class sum = nst_filter_totals(in);
	size_t empty = 0, first = 0;

	for (size_t i = 0; i < in->in.classes.n; i++) {
		const struct nst_balance_class *c = &in->report[i];

		nst_info("class '%s': " COUNTS, in->in.classes.name[i], COUNTS_OF(c));
		if (c->kept == 0 && empty++ == 0)
			first = i;
	}
	nst_note(COUNTS, COUNTS_OF(&sum));
	if (empty && f->stats.n == 0)
		nst_warn("%zu of %zu classes keep nothing, class '%s' for one", empty,
			 in->in.classes.n, in->in.classes.name[first]);
}

/* An empty selection is hardly ever meant.  With --stats it is that of one file among many. */
static int refuse_empty(const struct filter *f, const struct nst_filter *in, struct nst_err *err)
{
	const struct nst_balance_class sum = nst_filter_totals(in);

	if (sum.copies || f->allow_empty)
		return 0;
	for (size_t i = 0; f->stats.n && i < in->in.classes.n; i++) {
		if (in->grid[i].reached)
			return 0;
	}
	return nst_fail(err, NST_EINVAL, "no prediction is kept: of %llu the highest confidence is "
			"%.3f (--allow-empty accepts that)", (unsigned long long)sum.read,
			(double)sum.highest);
}

static int decide(const struct filter *f, struct nst_filter *in, struct nst_err *err)
{
	const struct nst_balance_rule rule = {
		.min_confidence = (float)f->min_confidence,
		.max_confidence = (float)f->max_confidence,
		.per_class = (uint32_t)f->per_class, .duplicate = f->duplicate, .seed = f->seed,
	};

	if (f->mode == EXACT)
		return nst_filter_exact(in, &rule, err);
	if (f->stats.n == 0)
		nst_filter_count(in);
	else if (nst_filter_read_counts(in, f->stats.word, f->stats.n, err) < 0)
		return err->code;
	nst_filter_grid(in, &rule);
	return 0;
}

static int filter(const struct filter *f, struct nst_filter *in, struct nst_out *out,
		  struct nst_err *err)
{
	size_t step = nst_is_stdout(f->common.output) ? 1 : in->in.files;
	int r = 0;

	if (decide(f, in, err) < 0 || refuse_empty(f, in, err) < 0)
		return err->code;
	for (size_t i = 0; i < in->in.files && r == 0; i += step) {
		struct nst_build *b;

		r = nst_filter_build(in, i, i + step, nst_out_dir(out), &b, err);
		if (r == 0) {
			int last = i + step >= in->in.files;

			r = (last ? nst_out_put_last : nst_out_put)(out, b, err);
			nst_build_free(b);
		}
	}
	return r < 0 || !f->report ? r : write_report(f, in, err);
}

static int count(struct nst_filter *in, struct nst_out *out, struct nst_err *err)
{
	struct nst_build *b;
	int r;

	nst_filter_count(in);
	if (nst_filter_build_counts(in, &b, err) < 0)
		return err->code;
	r = nst_out_put_last(out, b, err);
	nst_build_free(b);
	return r;
}

int main(int argc, char **argv)
{
	static struct filter f = {
		.common = NST_COMMON_DEFAULT, .mode = UNSET, .duplicate = 1, .max_confidence = 2,
	};
	const struct nst_opt opts[] = {
		NST_OPT_DOUBLE('c', "min-confidence", "P", &f.min_confidence, 0, 1, NST_CLOSED,
			       "drop predictions less confident than P"),
		NST_OPT_DOUBLE(0, "max-confidence", "P", &f.max_confidence, 0, 1, NST_CLOSED,
			       "drop predictions more confident than P"),
		NST_OPT_INT('n', "per-class", "N", &f.per_class, 1, UINT32_MAX,
			    "keep the N most confident predictions of each class, and fill smaller "
			    "classes up to N rows with copies"),
		NST_OPT_SET(0, "duplicate", &f.duplicate, 1, "make these copies (the default)"),
		NST_OPT_SET(0, "no-duplicate", &f.duplicate, 0, "make no copies"),
		NST_OPT_ENUM(0, "mode", "MODE", &f.mode, modes,
			     "choose the N most confident exactly, or by thresholds on a grid of "
			     "0.01 (the default with --stats)"),
		NST_OPT_FLAG(0, "stats-only", &f.stats_only,
			     "write statistics of the confidences instead of a selection"),
		NST_OPT_LIST(0, "stats", "FILE", &f.stats,
			     "take the thresholds from these statistics, added up"),
		NST_OPT_FLAG(0, "allow-empty", &f.allow_empty, "accept that nothing is kept"),
		NST_OPT_STRING(0, "report", "FILE", &f.report, "write all counts to FILE as JSON"),
		NST_OPT_ENUM(0, "compress", "METHOD", &f.compress, compressions,
			     "how to compress probabilities and statistics"),
		NST_OPT_SEED(&f.seed),
		NST_OPT_COMMON(&f.common),
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-filter", "[PREDICTION ...]",
				      "keep confident pseudo labels and balance the classes", NULL};
	struct nst_err err;
	char *run = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv);
	const char *const *paths = (const char *const *)argv + first;
	size_t n = (size_t)(argc - first);
	const char **inputs = run ? nst_run_inputs(paths, n, &f.stats, &err) : NULL;
	const struct nst_out_options options = {
		.run = f.common.no_provenance ? NULL : run, .inputs = inputs,
		.ninputs = n + f.stats.n, .compress = (enum nst_compress)f.compress,
	};
	struct nst_filter in = {0};
	struct nst_out *out;

	if (f.stats_only && (f.stats.n || f.report))
		nst_usage_error("--stats-only goes with neither --stats nor --report");
	if (f.stats.n && f.mode == EXACT)
		nst_usage_error("--mode=exact cannot use --stats: it compares the rows themselves");
	if (f.mode == UNSET)
		f.mode = f.stats.n ? GRID : EXACT;
	nst_need_input(argc - first, "a prediction");
	nst_refuse_terminal(f.common.output);
	if (!inputs || nst_run_refuse_input(f.report, inputs, options.ninputs, &err) < 0 ||
	    nst_out_open(&out, f.common.output, &options, &err) < 0)
		nst_die(&err);
	if (nst_filter_read(&in, paths, n, &err) < 0 ||
	    (f.stats_only ? count(&in, out, &err) : filter(&f, &in, out, &err)) < 0) {
		nst_out_abort(out);
		nst_die(&err);
	}
	if (nst_out_close(out, &err) < 0)
		nst_die(&err);
	if (in.other_model)
		nst_warn("%s was predicted by another model than %s", in.other_model,
			 nst_image_name(in.in.file[0].image));
	if (!f.stats_only)
		tell(&f, &in);
	nst_filter_release(&in);
	nst_words_release(&f.stats);
	free(inputs);
	free(run);
	return nst_finish_stdout();
}
