/* nst-infer: pseudo labels of images, from one model or several, without noise; see nst-infer(1).
 *
 * Output to a file is one image for all input; output to a pipe is one image for each input image,
 * written as soon as it is done, so that the next tool works at the same time. */
#include <stdlib.h>

#include "libcore/cli/clock.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/data/labeler.h"
#include "libcore/data/predbuf.h"
#include "libcore/data/profiling.h"
#include "libcore/select/target.h"
#include "libcore/util/mem.h"

enum { BATCH = 512 }; /* rows at a time; the result does not depend on it */
enum { SOFT = -1, HARD = 0, CARRY_AUTO = -1 };

struct infer {
	struct nst_common common;
	struct nst_words models;
	int64_t topk;     /* SOFT, HARD or k */
	int form;         /* SOFT or HARD, when there is no --topk */
	int precision;    /* index into `precisions` */
	int arithmetic;   /* enum nst_arithmetic */
	int weights;      /* enum nst_weights */
	int carry;        /* enum nst_carry or CARRY_AUTO */
	int compress;     /* enum nst_compress */
	double temperature;
	const char *profile_path;
	struct nst_profile *profile; /* or NULL */

	struct nst_labeler *labeler;
	struct nst_out *out;
	struct nst_progress progress;
	uint64_t done;
	double confidence_sum;

	struct nst_predbuf made;    /* the image under construction, and ... */
	struct nst_dataset **input; /* ... what it borrows from */
	size_t inputs;
};

static const char *const precisions[] = {"f16", "f32", NULL};
static const char *const arithmetics[] = {"float32", "bfloat16", NULL};
static const char *const compressions[] = {"none", "gzip", "zstd", NULL};

/* Label the rows of one table and append them to the image under construction. */
static int label_rows(struct infer *f, const struct nst_dataset *ds, float *p, struct nst_err *err)
{
	uint64_t rows = nst_dataset_rows(ds);
	size_t classes = nst_labeler_classes(f->labeler).n;

	if (nst_labeler_begin(f->labeler, ds, err) < 0)
		return err->code;
	for (uint64_t first = 0; first < rows; first += BATCH) {
		size_t n = rows - first < BATCH ? (size_t)(rows - first) : BATCH;

		if (nst_labeler_run(f->labeler, first, n, p, err) < 0)
			return err->code;
		for (size_t i = 0; i < n; i++) {
			const float *row = p + i * classes;

			if (nst_predbuf_label(&f->made, ds, first + i, row, classes, err) < 0)
				return err->code;
			f->confidence_sum += row[nst_argmax(row, classes)];
		}
		f->done += n;
		nst_progress_at(&f->progress, f->done);
	}
	return 0;
}

/* Write the image under construction and start the next one. */
static int write_image(struct infer *f, int last, struct nst_err *err)
{
	struct nst_classes classes = nst_labeler_classes(f->labeler);
	double since = nst_profile_now(f->profile);
	struct nst_build *b;
	int r = nst_predbuf_build(&f->made, NST_PREDICTION, &classes,
				  nst_labeler_uuids(f->labeler), f->temperature, &b, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < nst_labeler_models(f->labeler) && r == 0; i++)
		r = nst_build_parent(b, nst_labeler_image(f->labeler, i), err);
	for (size_t i = 0; i < f->inputs && r == 0; i++)
		r = nst_build_parent(b, nst_dataset_image(f->input[i], 0), err);
	if (r == 0)
		r = last ? nst_out_put_last(f->out, b, err) : nst_out_put(f->out, b, err);
	nst_build_free(b);
	nst_predbuf_clear(&f->made);
	for (; f->inputs > 0; f->inputs--)
		nst_dataset_free(f->input[f->inputs - 1]);
	nst_profile_add(f->profile, 0, NST_PHASE_WRITE, 0, since);
	return r;
}

/* The first input image decides how images are carried, if no option does. */
static int start_rows(struct infer *f, const struct nst_image *im, struct nst_err *err)
{
	enum nst_carry carry = f->carry != CARRY_AUTO ? (enum nst_carry)f->carry :
			       nst_image_path(im) ? NST_REFER : NST_EMBED;
	struct nst_classes classes = nst_labeler_classes(f->labeler);
	size_t k = f->topk == SOFT ? classes.n : (size_t)f->topk;

	if (k > classes.n)
		return nst_fail(err, NST_EINVAL, "--topk=%zu: %s has only %zu classes", k,
				classes.file, classes.n);
	f->made.rows = nst_rows_new(carry, nst_out_dir(f->out), err);
	if (!f->made.rows)
		return NST_ENOMEM;
	return nst_softbuf_start(&f->made.soft, classes.n, k, f->topk > 0,
				 f->precision ? NST_F32 : NST_F16, err);
}

/* Label one input image, which is taken over. */
static int label_image(struct infer *f, struct nst_image *im, float *p, struct nst_err *err)
{
	struct nst_classes classes = nst_labeler_classes(f->labeler);
	struct nst_dataset **input = realloc(f->input, (f->inputs + 1) * sizeof(*input));
	struct nst_dataset *ds;

	if (!input) {
		nst_image_free(im);
		return nst_fail_mem(err, (f->inputs + 1) * sizeof(*input));
	}
	f->input = input;
	if ((!f->made.rows && start_rows(f, im, err) < 0) ||
	    nst_dataset_new(&ds, classes.name, classes.n, classes.file, err) < 0) {
		nst_image_free(im);
		return err->code;
	}
	f->input[f->inputs++] = ds;
	if (nst_dataset_add(ds, im, err) < 0 || nst_dataset_seal(ds, err) < 0)
		return err->code;
	return label_rows(f, ds, p, err);
}

static int label_all(struct infer *f, struct nst_in *in, struct nst_err *err)
{
	int stream = nst_is_stdout(f->common.output);
	float *p = nst_alloc(nst_labeler_classes(f->labeler).n, BATCH * sizeof(*p), err);
	struct nst_image *im;
	int r;

	if (!p)
		return NST_ENOMEM;
	nst_progress_start(&f->progress, "labeling", "images", 0);
	while ((r = nst_in_next(in, &im, err)) > 0) {
		r = label_image(f, im, p, err);
		if (r == 0 && stream)
			r = write_image(f, 0, err);
		if (r < 0)
			break;
	}
	if (r == 0 && !stream && f->made.rows)
		r = write_image(f, 1, err);
	nst_progress_end(&f->progress);
	free(p);
	return r;
}

int main(int argc, char **argv)
{
	static struct infer f = {
		.common = NST_COMMON_DEFAULT, .topk = HARD, .form = SOFT, .carry = CARRY_AUTO,
		.temperature = 1,
	};
	const struct nst_opt opts[] = {
		NST_OPT_LIST('m', "model", "MODEL", &f.models,
			     "label with this model; several are averaged"),
		NST_OPT_SET(0, "soft", &f.form, SOFT, "store all probabilities (the default)"),
		NST_OPT_SET(0, "hard", &f.form, HARD,
			    "store the most probable class and its probability alone"),
		NST_OPT_INT(0, "topk", "K", &f.topk, 1, INT32_MAX,
			    "store the K most probable classes and their probabilities"),
		NST_OPT_DOUBLE(0, "temperature", "T", &f.temperature, 0, 1000, NST_OPEN_LOW,
			       "divide the logits by T: above 1 softens"),
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
		NST_PROFILE_OPTION(&f.profile_path),
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
	const char **inputs = run ? nst_run_inputs(paths, n, &f.models, &err) : NULL;
	const struct nst_out_options out = {
		.run = f.common.no_provenance ? NULL : run, .inputs = inputs,
		.ninputs = n + f.models.n, .compress = (enum nst_compress)f.compress,
	};
	struct nst_pool *pool;
	struct nst_in *in;

	if (f.models.n == 0)
		nst_usage_error("no model: give one with -m");
	nst_need_input(argc - first, "a shard");
	nst_refuse_terminal(f.common.output);
	if (f.form == SOFT && f.topk == HARD)
		f.topk = SOFT;
	if (!inputs || nst_pool_new((unsigned)f.common.threads, &pool, &err) < 0 ||
	    nst_labeler_new(&f.labeler, f.models.word, f.models.n, (enum nst_weights)f.weights,
			    f.temperature, (enum nst_arithmetic)f.arithmetic, pool, &err) < 0 ||
	    nst_run_refuse_input(f.profile_path, inputs, out.ninputs, &err) < 0 ||
	    nst_profiling_start(f.profile_path, nst_now, pool, &f.profile, &err) < 0 ||
	    nst_labeler_profile(f.labeler, f.profile, &err) < 0 ||
	    nst_in_open(&in, paths, n, NST_KIND_BIT(NST_SHARD), &spool, &err) < 0 ||
	    nst_out_open(&f.out, f.common.output, &out, &err) < 0)
		nst_die(&err);
	if (label_all(&f, in, &err) < 0) {
		nst_out_abort(f.out);
		nst_die(&err);
	}
	nst_in_close(in);
	if (nst_out_close(f.out, &err) < 0 ||
	    nst_profiling_write(f.profile, tool.name, f.profile_path, &err) < 0)
		nst_die(&err);
	nst_note("%llu images labeled, mean confidence %.3f", (unsigned long long)f.done,
		 f.done ? f.confidence_sum / (double)f.done : 0);
	free(f.input);
	free(inputs);
	nst_predbuf_release(&f.made);
	nst_labeler_free(f.labeler);
	nst_profile_free(f.profile);
	nst_pool_free(pool);
	nst_words_release(&f.models);
	free(run);
	return nst_finish_stdout();
}
