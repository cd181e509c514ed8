/* Filtering.  All input is held open while the arithmetic of libcore/select decides, then the rows
 * that are kept are collected file by file. */
#include <stdlib.h>
#include <string.h>

#include "formats/statistics.h"
#include "libcore/data/filter.h"
#include "libcore/util/mem.h"

static int reserve(struct nst_filter *f, struct nst_err *err)
{
	size_t rows = (size_t)f->in.rows, classes = f->in.classes.n;

	f->candidate = nst_alloc_aligned(rows, sizeof(*f->candidate), err);
	f->copies = nst_zalloc(rows, sizeof(*f->copies), err);
	f->report = nst_zalloc(classes, sizeof(*f->report), err);
	f->grid = nst_zalloc(classes, sizeof(*f->grid), err);
	if (!f->candidate || !f->copies || !f->report || !f->grid ||
	    nst_histogram_init(&f->histogram, classes, err) < 0)
		return NST_ENOMEM;
	return 0;
}

int nst_filter_read(struct nst_filter *f, const char *const *paths, size_t n, struct nst_err *err)
{
	int r = nst_held_open(&f->in, paths, n, NST_KIND_BIT(NST_PREDICTION), err);

	if (r < 0)
		return r;
	f->carry = NST_REFER;
	while ((r = nst_held_next(&f->in, err)) > 0) {
		const struct nst_held_file *file = &f->in.file[f->in.files - 1];

		if (!nst_held_referable(file))
			f->carry = NST_EMBED;
		if (strcmp(file->prediction.model, f->in.file[0].prediction.model) != 0)
			f->other_model = nst_image_name(file->image);
	}
	return r < 0 ? r : reserve(f, err);
}

/* Fill the histogram from the rows that passed. */
static void count_rows(struct nst_filter *f)
{
	for (uint64_t i = 0; i < f->in.rows; i++) {
		const struct nst_candidate *c = &f->candidate[i];

		if (c->verdict == NST_PASSES)
			nst_histogram_add(&f->histogram, (size_t)c->class, c->confidence);
	}
}

/* Add one statistics image to the histogram. */
static int add_counts(struct nst_filter *f, struct nst_image *im, struct nst_err *err)
{
	struct nst_statistics s;
	struct nst_classes classes;

	if (nst_statistics_view(im, &s, err) < 0)
		return err->code;
	classes = (struct nst_classes){s.class_name, (size_t)s.classes, nst_image_name(im)};
	if (nst_classes_same(&f->in.classes, &classes, err) < 0)
		return err->code;
	nst_histogram_merge(&f->histogram, s.count, s.histogram);
	return 0;
}

/* Or from statistics files over the same classes. */
static int read_counts(struct nst_filter *f, const char *const *paths, size_t n,
		       struct nst_err *err)
{
	struct nst_in *in;
	struct nst_image *im;
	int r = nst_in_open(&in, paths, n, NST_KIND_BIT(NST_STATISTICS), NULL, err);

	if (r < 0)
		return r;
	while ((r = nst_in_next(in, &im, err)) > 0) {
		r = add_counts(f, im, err);
		nst_image_free(im);
		if (r < 0)
			break;
	}
	nst_in_close(in);
	return r;
}

static struct nst_balance_rule rule_of(const struct nst_filter_request *r)
{
	return (struct nst_balance_rule){
		.min_confidence = (float)r->min_confidence,
		.max_confidence = (float)r->max_confidence,
		.per_class = (uint32_t)r->per_class,
		.duplicate = r->duplicate,
		.seed = r->seed,
		.class_floor = (uint32_t)r->class_floor,
		.level = r->class_gap >= 0,
		.class_gap = r->class_gap >= 0 ? (uint32_t)r->class_gap : 0,
	};
}

int nst_filter_decide(struct nst_filter *f, const struct nst_filter_request *r,
		      const char *const *stats, struct nst_err *err)
{
	const struct nst_balance_rule rule = rule_of(r);
	const struct nst_grid_rule grid = {rule.min_confidence, rule.per_class, rule.duplicate};

	if (r->mode == NST_FILTER_EXACT)
		return nst_balance(f->candidate, (size_t)f->in.rows, f->in.classes.n, &rule,
				   f->copies, f->report, err);
	if (r->stats == 0)
		count_rows(f);
	else if (read_counts(f, stats, r->stats, err) < 0)
		return err->code;
	nst_grid_thresholds(&f->histogram, &grid, f->grid);
	nst_balance_grid(f->candidate, (size_t)f->in.rows, f->in.classes.n, f->grid, &rule,
			 f->copies, f->report);
	return 0;
}

int nst_filter_require_rows(const struct nst_filter *f, const struct nst_filter_request *r,
			    struct nst_err *err)
{
	const struct nst_balance_class sum = nst_filter_totals(f);

	if (sum.copies)
		return 0;
	for (size_t i = 0; r->stats && i < f->in.classes.n; i++) {
		if (f->grid[i].reached)
			return 0;
	}
	return nst_fail(err, NST_EINVAL, "no prediction is kept: of %llu the highest confidence is "
			"%.3f (--allow-empty accepts that)", (unsigned long long)sum.read,
			(double)sum.highest);
}

struct nst_balance_class nst_filter_totals(const struct nst_filter *f)
{
	struct nst_balance_class sum = {0};

	for (size_t i = 0; i < f->in.classes.n; i++) {
		const struct nst_balance_class *r = &f->report[i];

		sum.read += r->read;
		for (int v = 0; v < NST_VERDICTS; v++)
			sum.failed[v] += r->failed[v];
		sum.below += r->below;
		sum.above += r->above;
		sum.capped += r->capped;
		sum.levelled += r->levelled;
		sum.kept += r->kept;
		sum.copies += r->copies;
		sum.filled += r->filled;
		if (r->highest > sum.highest)
			sum.highest = r->highest;
	}
	return sum;
}

/* Append the kept rows of one file to the image under construction. */
static int keep_rows(struct nst_filter *f, const struct nst_held_file *file, struct nst_err *err)
{
	const struct nst_prediction *p = &file->prediction;

	if (nst_softbuf_like(&f->made.soft, &p->soft, nst_image_name(file->image),
			     nst_image_name(f->in.file[0].image), err) < 0)
		return err->code;
	for (uint64_t i = 0; i < p->rows; i++) {
		uint32_t copies = f->copies[file->base + i];
		struct nst_sample s;

		if (!copies)
			continue;
		if (f->carry == NST_REFER)
			nst_samples_peek(file->samples, i, &s);
		else if (nst_samples_get(file->samples, i, &s, err) < 0)
			return err->code;
		if (nst_predbuf_add(&f->made, &s, p->argmax[i], p->confidence[i], copies,
				    err) < 0 ||
		    nst_softbuf_add(&f->made.soft, &p->soft, i, 1, 1, err) < 0)
			return err->code;
	}
	return 0;
}

/* Further teachers are parents of what they agreed to; b is freed on failure. */
static int name_teachers(const struct nst_filter *f, struct nst_build *b, struct nst_err *err)
{
	for (size_t t = 0; t < f->teachers; t++) {
		for (size_t i = 0; i < f->teacher[t].files; i++) {
			if (nst_build_parent(b, f->teacher[t].file[i].image, err) < 0) {
				nst_build_free(b);
				return err->code;
			}
		}
	}
	return 0;
}

/* Build the selection of files from..to-1, with references that start in dir. */
static int build_selection(struct nst_filter *f, size_t from, size_t to, const char *dir,
			   struct nst_build **b, struct nst_err *err)
{
	const struct nst_prediction *p = &f->in.file[from].prediction;
	int r;

	if (f->made.rows)
		nst_predbuf_clear(&f->made);
	else
		f->made.rows = nst_rows_new(f->carry, dir, err);
	if (!f->made.rows)
		return NST_ENOMEM;
	for (size_t i = from; i < to; i++) {
		if (keep_rows(f, &f->in.file[i], err) < 0)
			return err->code;
	}
	r = nst_predbuf_build(&f->made, NST_SELECTION, &f->in.classes, p->model, p->temperature, b,
			      err);
	for (size_t i = from; i < to && r == 0; i++) {
		r = nst_build_parent(*b, f->in.file[i].image, err);
		if (r < 0)
			nst_build_free(*b);
	}
	return r == 0 ? name_teachers(f, *b, err) : r;
}

/* Build the statistics that the histogram holds. */
static int build_counts(const struct nst_filter *f, struct nst_build **b, struct nst_err *err)
{
	const struct nst_statistics s = {
		.classes = f->in.classes.n,
		.class_name = f->in.classes.name,
		.count = f->histogram.count,
		.histogram = f->histogram.bin,
		.model = f->in.file[0].prediction.model,
	};
	int r = nst_statistics_build(b, &s, err);

	for (size_t i = 0; i < f->in.files && r == 0; i++) {
		r = nst_build_parent(*b, f->in.file[i].image, err);
		if (r < 0)
			nst_build_free(*b);
	}
	return r == 0 ? name_teachers(f, *b, err) : r;
}

int nst_filter_write(struct nst_filter *f, int stream, struct nst_out *out, struct nst_err *err)
{
	size_t step = stream ? 1 : f->in.files;
	int r = 0;

	for (size_t i = 0; i < f->in.files && r == 0; i += step) {
		int last = i + step >= f->in.files;
		struct nst_build *b;

		r = build_selection(f, i, i + step, nst_out_dir(out), &b, err);
		if (r == 0) {
			r = (last ? nst_out_put_last : nst_out_put)(out, b, err);
			nst_build_free(b);
		}
	}
	return r;
}

int nst_filter_write_counts(struct nst_filter *f, struct nst_out *out, struct nst_err *err)
{
	struct nst_build *b;
	int r;

	count_rows(f);
	if (build_counts(f, &b, err) < 0)
		return err->code;
	r = nst_out_put_last(out, b, err);
	nst_build_free(b);
	return r;
}

void nst_filter_release(struct nst_filter *f)
{
	nst_predbuf_release(&f->made);
	nst_histogram_release(&f->histogram);
	free(f->candidate);
	free(f->copies);
	free(f->report);
	free(f->grid);
	for (size_t t = 0; t < f->teachers; t++)
		nst_held_release(&f->teacher[t]);
	free(f->teacher);
	nst_held_release(&f->in);
}
