/* nst-infer: pseudo labels of images, from one model or several; see nst-infer(1). */
#include <math.h>
#include <stdlib.h>

#include "libcore/cli/clock.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/data/calibrate.h"
#include "libcore/data/labeling.h"
#include "libcore/data/profiling.h"
#include "libcore/data/settings.h"

struct infer {
	struct nst_common common;
	struct nst_words models, calibrate;
	int64_t topk;     /* NST_LABELING_HARD: not given */
	int form;         /* NST_LABELING_SOFT or _HARD, when there is no --topk; or UNSAID: soft */
	int precision;    /* index into `precisions` */
	int arithmetic;   /* enum nst_arithmetic */
	int weights;      /* enum nst_weights */
	int carry;        /* enum nst_carry or NST_CARRY_AUTO */
	int compress;     /* enum nst_compress */
	int noise;
	struct nst_noise_request ask;
	double temperature; /* NaN: not given */
	const char *profile;
};

enum { UNSAID = NST_LABELING_SOFT - 1 };

static const char *const precisions[] = {"f16", "f32", NULL};
static const char *const arithmetics[] = {"float32", "bfloat16", NULL};
static const char *const compressions[] = {"none", "gzip", "zstd", NULL};

static void show_progress(void *progress, uint64_t rows)
{
	nst_progress_at(progress, rows);
}

static void check_usage(const struct infer *f, const char *const *paths, size_t n)
{
	if (f->models.n == 0)
		nst_usage_error("no model: give one with -m");
	nst_need_input((int)n, "a shard");
	if (f->calibrate.n && !isnan(f->temperature))
		nst_usage_error("--calibrate finds the temperature that --temperature sets");
	if (f->calibrate.n && (n == 0 || nst_run_reads_stdin(paths, n)) &&
	    nst_run_reads_stdin(f->calibrate.word, f->calibrate.n))
		nst_usage_error("standard input cannot be read twice");
	if (!f->noise && nst_noise_asked(&f->ask))
		nst_usage_error("--dropout, --drop-path, --randaugment, --crop, --cutout, --flip "
				"and --no-flip say which noise: they need --noise");
	if (f->topk != NST_LABELING_HARD && f->form != UNSAID)
		nst_usage_error("--soft stores all classes, --topk some, --hard one: give one of "
				"them");
	if (f->form == NST_LABELING_HARD && (f->precision || f->compress))
		nst_usage_error("--precision and --compress are for --soft and --topk: --hard "
				"stores one confidence a row");
	if (f->noise && f->calibrate.n)
		nst_usage_error("--calibrate fits the model without noise: it does not go with "
				"--noise");
	if (f->noise && f->arithmetic != NST_FLOAT32)
		nst_usage_error("--arithmetic=bfloat16 does not go with --noise");
	nst_refuse_terminal(f->common.output);
}

/* Fit the temperature to labeled rows, which are parents of the output. */
static int calibrate(const struct infer *f, struct nst_labeling *l, struct nst_dataset **ds,
		     struct nst_err *err)
{
	const struct nst_classes classes = nst_labeler_classes(l->labeler);
	double t;

	if (nst_dataset_open(ds, f->calibrate.word, f->calibrate.n, NST_KIND_BIT(NST_SHARD),
			     classes.name, classes.n, classes.file, err) < 0 ||
	    nst_calibrate(l->labeler, *ds, err) < 0)
		return err->code;
	l->calibrated = *ds;
	t = nst_labeler_temperature(l->labeler);
	nst_note("temperature %.4f, fitted to %llu labeled images", t,
		 (unsigned long long)nst_dataset_rows(*ds));
	if (t < NST_CALIBRATE_LOW + 2 * NST_CALIBRATE_TOLERANCE ||
	    t > NST_CALIBRATE_HIGH - 2 * NST_CALIBRATE_TOLERANCE)
		nst_warn("no temperature between %g and %g fits best: this is an end",
			 NST_CALIBRATE_LOW, NST_CALIBRATE_HIGH);
	return 0;
}

static int label(struct nst_labeling *l, struct nst_in *in, struct nst_err *err)
{
	struct nst_progress progress;
	int r;

	nst_progress_start(&progress, "labeling", "images", 0);
	if (progress.enabled)
		progress.total = nst_in_count_rows(in);
	nst_labeler_progress(l->labeler, show_progress, &progress);
	r = nst_label_shards(l, in, err);
	nst_labeler_progress(l->labeler, NULL, NULL);
	nst_progress_end(&progress);
	return r;
}

int main(int argc, char **argv)
{
	static struct infer f = {
		.common = NST_COMMON_DEFAULT, .topk = NST_LABELING_HARD,
		.form = UNSAID, .carry = NST_CARRY_AUTO, .temperature = NAN,
		.ask = NST_NOISE_REQUEST_NONE,
	};
	const struct nst_opt opts[] = {
		NST_OPT_LIST('m', "model", "MODEL", &f.models,
			     "label with this model; several are averaged"),
		NST_OPT_SET(0, "soft", &f.form, NST_LABELING_SOFT,
			    "store all probabilities (the default)"),
		NST_OPT_SET(0, "hard", &f.form, NST_LABELING_HARD,
			    "store the most probable class and its probability alone"),
		NST_OPT_INT(0, "topk", "K", &f.topk, 1, INT32_MAX,
			    "store the K most probable classes and their probabilities"),
		NST_OPT_DOUBLE(0, "temperature", "T", &f.temperature, 0, 1000, NST_OPEN_LOW,
			       "divide the logits by T: above 1 softens; unless given, 1"),
		NST_OPT_LIST(0, "calibrate", "SHARD", &f.calibrate,
			     "fit T to these labeled images; can be repeated"),
		NST_OPT_ENUM(0, "precision", "TYPE", &f.precision, precisions,
			     "type of the stored probabilities"),
		NST_OPT_ENUM(0, "arithmetic", "TYPE", &f.arithmetic, arithmetics,
			     "type of the factors in the products of matrices"),
		NST_OPT_SET(0, "raw-weights", &f.weights, NST_WEIGHTS_RAW,
			    "use the weights themselves, not their moving average"),
		NST_OPT_SET(0, "embed", &f.carry, NST_EMBED,
			    "copy the images into the output (the default for piped input)"),
		NST_OPT_SET(0, "refer", &f.carry, NST_REFER,
			    "refer to the input files (the default for files)"),
		NST_OPT_ENUM(0, "compress", "METHOD", &f.compress, compressions,
			     "how to compress the probabilities"),
		NST_PROFILE_OPTION(&f.profile),
		NST_OPT_SECTION("Noise"),
		NST_OPT_FLAG(0, "noise", &f.noise,
			     "label with the noise of training on images and model"),
		NST_NOISE_OPTIONS(&f.ask),
		NST_OPT_COMMON(&f.common),
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-infer", "[SHARD ...]",
				      "label the images of shards with a model", NULL};
	struct nst_err err;
	char *run = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv);
	const char *const *paths = (const char *const *)argv + first;
	const struct nst_in_options spool = {.spool = !nst_is_stdout(f.common.output)};
	size_t n = (size_t)(argc - first);
	struct nst_words more = {NULL, 0};
	struct nst_out_options out = {.compress = (enum nst_compress)f.compress};
	struct nst_labeling l = {
		.stream = nst_is_stdout(f.common.output), .type = f.precision ? NST_F32 : NST_F16,
		.carry = f.carry,
		.k = f.topk != NST_LABELING_HARD ? f.topk
		     : f.form == UNSAID          ? NST_LABELING_SOFT
						 : f.form,
	};
	struct nst_dataset *calibrated = NULL;
	const char **inputs;
	struct nst_pool *pool;
	struct nst_in *in;

	check_usage(&f, paths, n);
	if (!run || nst_words_append(&more, &f.models, &err) < 0 ||
	    nst_words_append(&more, &f.calibrate, &err) < 0)
		nst_die(&err);
	inputs = nst_run_inputs(paths, n, &more, &err);
	out.run = f.common.no_provenance ? NULL : run;
	out.inputs = inputs;
	out.ninputs = n + more.n;
	if (!inputs || nst_pool_new((unsigned)f.common.threads, &pool, &err) < 0 ||
	    nst_labeler_new(&l.labeler, f.models.word, f.models.n, (enum nst_weights)f.weights,
			    isnan(f.temperature) ? 1 : f.temperature,
			    (enum nst_arithmetic)f.arithmetic, pool, &err) < 0 ||
	    (f.noise && nst_labeler_noise(l.labeler, &f.ask, &err) < 0) ||
	    nst_run_refuse_input(f.profile, inputs, out.ninputs, &err) < 0 ||
	    nst_profiling_start(f.profile, nst_now, pool, &l.profile, &err) < 0 ||
	    nst_labeler_profile(l.labeler, l.profile, &err) < 0 ||
	    nst_in_open(&in, paths, n, NST_KIND_BIT(NST_SHARD), &spool, &err) < 0 ||
	    nst_out_open(&l.out, f.common.output, &out, &err) < 0)
		nst_die(&err);
	if ((f.calibrate.n && calibrate(&f, &l, &calibrated, &err) < 0) ||
	    label(&l, in, &err) < 0) {
		nst_out_abort(l.out);
		nst_die(&err);
	}
	nst_in_close(in);
	if (nst_out_close(l.out, &err) < 0 ||
	    nst_profiling_write(l.profile, tool.name, f.profile, &err) < 0)
		nst_die(&err);
	nst_note("%llu images labeled, mean confidence %.3f", (unsigned long long)l.done,
		 l.done ? l.confidence_sum / (double)l.done : 0);
	free(inputs);
	nst_labeling_release(&l);
	nst_dataset_free(calibrated);
	nst_labeler_free(l.labeler);
	nst_profile_free(l.profile);
	nst_pool_free(pool);
	nst_words_release(&more);
	nst_words_release(&f.models);
	nst_words_release(&f.calibrate);
	free(run);
	return nst_finish_stdout();
}
