/* nst-eval: how good a model or a file of predictions is; see nst-eval(1). */
#include <math.h>
#include <stdlib.h>

#include "formats/report.h"
#include "libcore/cli/json.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/data/evaluate.h"
#include "libcore/io/atomic.h"

struct eval {
	struct nst_common common;
	struct nst_words models;
	double temperature;
	int weights; /* enum nst_weights */
	int json, per_class, confusion;
	const char *report;
};

static struct nst_json *fitted_json(const struct nst_evaluation *e)
{
	struct nst_json *o = nst_json_object();

	nst_json_set_double(o, "temperature", e->temperature);
	nst_json_set_double(o, "confidence", nst_metrics_confidence(&e->fitted));
	nst_json_set_double(o, "nll", nst_metrics_nll(&e->fitted));
	nst_json_set_double(o, "ece", nst_metrics_ece(&e->fitted));
	return o;
}

static int make_json(const struct eval *f, const struct nst_evaluation *e, struct nst_buf *b,
		     struct nst_err *err)
{
	const struct nst_metrics *m = &e->metrics;
	struct nst_json *o = nst_json_object(), *classes = nst_json_array();
	struct nst_json *matrix = nst_json_array();
	struct nst_metric n[NST_METRICS];
	int r;

	nst_metrics_list(m, n);
	for (size_t i = 0; i < NST_METRICS; i++)
		nst_json_set_double(o, n[i].name, n[i].value);
	nst_json_set_int(o, "rows", (int64_t)m->rows);
	nst_json_set_int(o, "skipped", (int64_t)e->skipped);
	nst_json_set_string(o, "model", e->model);
	if (e->fit)
		nst_json_set(o, "fitted", fitted_json(e));
	for (size_t c = 0; c < m->classes; c++) {
		struct nst_json *row = nst_json_object(), *cells = nst_json_array();

		nst_json_set_string(row, "class", e->classes.name[c]);
		nst_json_set_int(row, "rows", (int64_t)nst_metrics_class_rows(m, c));
		nst_json_set_double(row, "top1", nst_metrics_class_top1(m, c));
		nst_json_set_double(row, "top5", nst_metrics_class_top5(m, c));
		nst_json_add(classes, row);
		for (size_t p = 0; p < m->classes; p++)
			nst_json_add_int(cells, (int64_t)m->confusion[c * m->classes + p]);
		nst_json_add(matrix, cells);
	}
	if (f->per_class)
		nst_json_set(o, "classes", classes);
	else
		nst_json_free(classes);
	if (f->confusion)
		nst_json_set(o, "confusion", matrix);
	else
		nst_json_free(matrix);
	r = nst_json_append(o, b, err);
	nst_json_free(o);
	return r;
}

static int write_report(const struct eval *f, const struct nst_evaluation *e,
			const struct nst_out_options *options, struct nst_err *err)
{
	const char *name[NST_METRICS + 4] = {"rows"};
	double value[NST_METRICS + 4] = {(double)e->metrics.rows};
	const struct nst_report report = {
		NST_METRICS + (e->fit ? 4 : 1), name, value, e->classes.n, e->classes.name,
		e->metrics.confusion, e->model,
	};
	struct nst_metric n[NST_METRICS];
	struct nst_build *b;
	int r;

	nst_metrics_list(&e->metrics, n);
	for (size_t i = 0; i < NST_METRICS; i++) {
		name[i + 1] = n[i].name;
		value[i + 1] = n[i].value;
	}
	name[NST_METRICS + 1] = "fitted_temperature";
	value[NST_METRICS + 1] = e->temperature;
	name[NST_METRICS + 2] = "fitted_nll";
	value[NST_METRICS + 2] = e->fit ? nst_metrics_nll(&e->fitted) : NAN;
	name[NST_METRICS + 3] = "fitted_ece";
	value[NST_METRICS + 3] = e->fit ? nst_metrics_ece(&e->fitted) : NAN;
	r = nst_report_build(&b, &report, err);
	if (r == 0) {
		r = nst_out_file(f->report, options, b, err);
		nst_build_free(b);
	}
	return r;
}

static void show_progress(void *progress, uint64_t rows)
{
	nst_progress_at(progress, rows);
}

static int write_results(const struct eval *f, const struct nst_evaluation *e,
			 const struct nst_out_options *options, struct nst_err *err)
{
	struct nst_buf text = {0};
	int r = f->json ? make_json(f, e, &text, err) :
			  nst_evaluation_text(e, f->per_class, f->confusion, &text, err);

	if (r == 0 && f->report)
		r = write_report(f, e, options, err);
	if (r == 0 && nst_is_stdout(f->common.output))
		fwrite(text.data, 1, text.len, stdout); /* nst_finish_stdout reports failures */
	else if (r == 0)
		r = nst_atomic_write(f->common.output, text.data, text.len, err);
	nst_buf_release(&text);
	return r;
}

int main(int argc, char **argv)
{
	static struct eval f = {.common = NST_COMMON_DEFAULT, .temperature = 1};
	struct nst_evaluation e = {0};
	const struct nst_opt opts[] = {
		NST_OPT_LIST('m', "model", "MODEL", &f.models,
			     "evaluate this model; the probabilities of several are averaged"),
		NST_OPT_JSON(&f.json),
		NST_OPT_FLAG(0, "per-class", &f.per_class, "show every class as well"),
		NST_OPT_FLAG(0, "confusion", &f.confusion, "show the confusion matrix as well"),
		NST_OPT_STRING(0, "report", "FILE", &f.report, "write an NST report to FILE as well"),
		NST_OPT_DOUBLE(0, "temperature", "T", &f.temperature, 0, 1000, NST_OPEN_LOW,
			       "divide the logits of models by T"),
		NST_OPT_FLAG(0, "fit-temperature", &e.fit,
			     "fit T to these rows, and show what it would change"),
		NST_OPT_SET(0, "raw-weights", &f.weights, NST_WEIGHTS_RAW,
			    "use the weights themselves, not their moving average"),
		NST_OPT_FLAG(0, "skip-unlabeled", &e.skip_unlabeled, "leave unlabeled rows out"),
		NST_OPT_COMMON(&f.common),
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-eval", "[SHARD | PREDICTION ...]",
				      "measure a model or predictions on labeled images", NULL};
	struct nst_err err;
	char *run = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv);
	const char *const *paths = (const char *const *)argv + first;
	size_t n = (size_t)(argc - first);
	const char **inputs = run ? nst_run_inputs(paths, n, &f.models, &err) : NULL;
	const struct nst_out_options options = {
		.run = f.common.no_provenance ? NULL : run, .inputs = inputs,
		.ninputs = n + f.models.n,
	};
	unsigned kinds = f.models.n ? NST_KIND_BIT(NST_SHARD) :
			 NST_KIND_BIT(NST_PREDICTION) | NST_KIND_BIT(NST_SELECTION);
	struct nst_progress progress;
	struct nst_pool *pool = NULL;
	struct nst_in *in;

	nst_need_input(argc - first, f.models.n ? "a shard" : "a prediction, or -m and a shard");
	if (f.models.n == 0 && e.fit)
		nst_usage_error("--fit-temperature is for models: give one with -m");
	if (f.models.n == 0 && (f.temperature != 1 || f.weights != 0))
		nst_usage_error("--temperature and --raw-weights are for models: give one with -m");
	if (e.fit && f.temperature != 1)
		nst_usage_error("--fit-temperature finds the temperature that --temperature sets");
	if (!inputs || nst_run_refuse_input(f.common.output, inputs, options.ninputs, &err) < 0 ||
	    nst_in_open(&in, paths, n, kinds, NULL, &err) < 0)
		nst_die(&err);
	if (f.models.n &&
	    (nst_pool_new((unsigned)f.common.threads, &pool, &err) < 0 ||
	     nst_labeler_new(&e.labeler, f.models.word, f.models.n, (enum nst_weights)f.weights,
			     f.temperature, NST_FLOAT32, pool, &err) < 0))
		nst_die(&err);
	nst_progress_start(&progress, "evaluating", "images", 0);
	if (e.labeler) {
		if (progress.enabled)
			progress.total = nst_in_count_rows(in);
		nst_labeler_progress(e.labeler, show_progress, &progress);
	}
	if (nst_evaluate(&e, in, &err) < 0)
		nst_die(&err);
	nst_progress_end(&progress);
	if (write_results(&f, &e, &options, &err) < 0)
		nst_die(&err);
	nst_in_close(in);
	nst_evaluation_release(&e);
	nst_labeler_free(e.labeler);
	nst_pool_free(pool);
	nst_words_release(&f.models);
	free(inputs);
	free(run);
	return nst_finish_stdout();
}
