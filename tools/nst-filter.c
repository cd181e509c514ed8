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
#include "libcore/data/filter_options.h"
#include "libcore/data/reassign.h"
#include "libcore/io/atomic.h"

struct filter {
	struct nst_common common;
	struct nst_filter_request ask;
	struct nst_words stats, agree, reassign;
	int allow_empty, compress;
	const char *report;
};

static const char *const compressions[] = {"none", "gzip", "zstd", NULL};

/* 0.3, not the 0.30000001192092896 that the nearest float is. */
static double shown(float p)
{
	return rint(p * 1e6) / 1e6;
}

static void set_counts(struct nst_json *o, const struct filter *f,
		       const struct nst_balance_class *r)
{
	struct nst_filter_count count[NST_FILTER_COUNTS];
	size_t n = nst_filter_counts(&f->ask, r, count);

	for (size_t i = 0; i < n; i++)
		nst_json_set_int(o, count[i].name, (int64_t)count[i].n);
	nst_json_set_double(o, "highest", shown(r->highest));
}

/* Write a report as a file of JSON; o is taken over. */
static int write_json(const struct filter *f, struct nst_json *o, struct nst_err *err)
{
	struct nst_buf text = {0};
	int r = nst_json_append(o, &text, err);

	if (r == 0)
		r = nst_atomic_write(f->report, text.data, text.len, err);
	nst_json_free(o);
	nst_buf_release(&text);
	return r;
}

static int write_report(const struct filter *f, const struct nst_filter *in, struct nst_err *err)
{
	struct nst_json *o = nst_json_object(), *list = nst_json_array();
	const struct nst_balance_class sum = nst_filter_totals(in);

	set_counts(o, f, &sum);
	for (size_t i = 0; i < in->in.classes.n; i++) {
		struct nst_json *row = nst_json_object();

		nst_json_set_string(row, "class", in->in.classes.name[i]);
		set_counts(row, f, &in->report[i]);
		if (f->ask.mode == NST_FILTER_GRID)
			nst_json_set_double(row, "threshold", shown(in->grid[i].threshold));
		nst_json_set_double(row, "lowest", shown(in->report[i].lowest));
		nst_json_add(list, row);
	}
	nst_json_set(o, "classes", list);
	return write_json(f, o, err);
}

static void tell_models(const struct nst_held *in, const char *other, const char *same)
{
	if (other)
		nst_warn("%s was predicted by another model than %s", other,
			 nst_image_name(in->file[0].image));
	if (same)
		nst_warn("%s was predicted by the same model as %s", same,
			 nst_image_name(in->file[0].image));
}

/* Say what was kept, and which classes lost everything. */
static void tell(const struct filter *f, const struct nst_filter *in)
{
	const struct nst_balance_class sum = nst_filter_totals(in);
	size_t empty = 0, first = 0;
	char line[400];

	tell_models(&in->in, in->other_model, in->same_model);
	if (f->ask.stats_only)
		return;
	for (size_t i = 0; i < in->in.classes.n; i++) {
		const struct nst_balance_class *c = &in->report[i];

		nst_info("class '%s': %s", in->in.classes.name[i],
			 nst_filter_line(&f->ask, c, line, sizeof(line)));
		if (c->kept == 0 && empty++ == 0)
			first = i;
	}
	nst_note("%s", nst_filter_line(&f->ask, &sum, line, sizeof(line)));
	if (empty && f->stats.n == 0)
		nst_warn("%zu of %zu classes keep nothing, class '%s' for one", empty,
			 in->in.classes.n, in->in.classes.name[first]);
}

/* Filter, or with --stats-only count. */
static int filter(const struct filter *f, const char *const *paths, size_t n, struct nst_filter *in,
		  struct nst_out *out, struct nst_err *err)
{
	if (nst_filter_read(in, paths, n, err) < 0 ||
	    nst_filter_agree(in, f->agree.word, f->agree.n, err) < 0 ||
	    nst_filter_judge(in, &f->ask, err) < 0)
		return err->code;
	if (f->ask.stats_only)
		return nst_filter_write_counts(in, out, err);
	/* An empty selection is hardly ever meant. */
	if (nst_filter_decide(in, &f->ask, f->stats.word, err) < 0 ||
	    (!f->allow_empty && nst_filter_require_rows(in, &f->ask, err) < 0) ||
	    nst_filter_write(in, nst_is_stdout(f->common.output), out, err) < 0)
		return err->code;
	return f->report ? write_report(f, in, err) : 0;
}

static int reassign(const struct filter *f, const char *const *paths, size_t n,
		    struct nst_reassign *again, struct nst_out *out, struct nst_err *err)
{
	struct nst_json *o;

	if (nst_reassign_read(again, f->reassign.word, f->reassign.n, paths, n, err) < 0 ||
	    nst_reassign_write(again, nst_is_stdout(f->common.output), out, err) < 0)
		return err->code;
	if (!f->report)
		return 0;
	o = nst_json_object();
	nst_json_set_int(o, "kept", (int64_t)again->rows);
	nst_json_set_int(o, "rows", (int64_t)again->copies);
	nst_json_set_int(o, "changed", (int64_t)again->changed);
	return write_json(f, o, err);
}

static void tell_reassigned(const struct nst_reassign *r)
{
	tell_models(&r->in, r->other_model, NULL);
	nst_note("%ju kept as %ju rows, %ju of them of another class than before",
		 (uintmax_t)r->rows, (uintmax_t)r->copies, (uintmax_t)r->changed);
}

static void check_usage(struct filter *f, const char *const *paths, size_t n)
{
	struct nst_err err;
	int twice = n == 0 || nst_run_reads_stdin(paths, n);

	f->ask.stats = f->stats.n;
	f->ask.teachers = f->agree.n;
	f->ask.kept = f->reassign.n;
	if (f->ask.stats_only && (f->stats.n || f->report))
		nst_usage_error("--stats-only goes with neither --stats nor --report");
	if (nst_filter_request_settle(&f->ask, &err) < 0)
		nst_usage_error("%s", err.msg);
	nst_need_input((int)n, "a prediction");
	if (twice && (nst_run_reads_stdin(f->agree.word, f->agree.n) ||
		      nst_run_reads_stdin(f->reassign.word, f->reassign.n)))
		nst_usage_error("standard input cannot be read twice");
	nst_refuse_terminal(f->common.output);
}

int main(int argc, char **argv)
{
	static struct filter f = {.common = NST_COMMON_DEFAULT, .ask = NST_FILTER_REQUEST_NONE};
	const struct nst_opt opts[] = {
		NST_FILTER_OPTIONS(&f.ask),
		NST_OPT_SECTION("Files"),
		NST_OPT_LIST(0, "agree", "FILE", &f.agree,
			     "predictions of the same rows by a further teacher; can be repeated"),
		NST_OPT_LIST(0, "reassign", "FILE", &f.reassign,
			     "keep the rows and copies of this selection, with the new targets"),
		NST_OPT_FLAG(0, "stats-only", &f.ask.stats_only,
			     "write statistics of the confidences instead of a selection"),
		NST_OPT_LIST(0, "stats", "FILE", &f.stats,
			     "take the thresholds from these statistics, added up"),
		NST_OPT_FLAG(0, "allow-empty", &f.allow_empty, "accept that nothing is kept"),
		NST_OPT_STRING(0, "report", "FILE", &f.report, "write all counts to FILE as JSON"),
		NST_OPT_ENUM(0, "compress", "METHOD", &f.compress, compressions,
			     "how to compress probabilities and statistics"),
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
	struct nst_words more = {NULL, 0};
	struct nst_out_options options = {.compress = (enum nst_compress)f.compress};
	struct nst_filter in = {0};
	struct nst_reassign again = {0};
	const char **inputs;
	struct nst_out *out;

	check_usage(&f, paths, n);
	if (!run || nst_words_append(&more, &f.stats, &err) < 0 ||
	    nst_words_append(&more, &f.agree, &err) < 0 ||
	    nst_words_append(&more, &f.reassign, &err) < 0)
		nst_die(&err);
	inputs = nst_run_inputs(paths, n, &more, &err);
	options.run = f.common.no_provenance ? NULL : run;
	options.inputs = inputs;
	options.ninputs = n + more.n;
	if (!inputs || nst_run_refuse_input(f.report, inputs, options.ninputs, &err) < 0 ||
	    nst_out_open(&out, f.common.output, &options, &err) < 0)
		nst_die(&err);
	if ((f.reassign.n ? reassign(&f, paths, n, &again, out, &err) :
			    filter(&f, paths, n, &in, out, &err)) < 0) {
		nst_out_abort(out);
		nst_die(&err);
	}
	if (nst_out_close(out, &err) < 0)
		nst_die(&err);
	if (f.reassign.n)
		tell_reassigned(&again);
	else
		tell(&f, &in);
	nst_filter_release(&in);
	nst_reassign_release(&again);
	nst_words_release(&more);
	nst_words_release(&f.stats);
	nst_words_release(&f.agree);
	nst_words_release(&f.reassign);
	free(inputs);
	free(run);
	return nst_finish_stdout();
}
