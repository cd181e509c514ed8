/* Filtering.  All input is held open while the arithmetic of libcore/select decides, then the rows
 * that are kept are collected file by file. */
#include <stdlib.h>
#include <string.h>

#include "formats/statistics.h"
#include "libcore/data/filter.h"
#include "libcore/util/mem.h"

/* Rows as candidates. */
static int make_candidates(struct nst_filter *f, struct nst_err *err)
{
	size_t rows = (size_t)f->in.rows, classes = f->in.classes.n;

	f->candidate = nst_alloc(rows, sizeof(*f->candidate), err);
	f->copies = nst_zalloc(rows, sizeof(*f->copies), err);
	f->report = nst_zalloc(classes, sizeof(*f->report), err);
	f->grid = nst_zalloc(classes, sizeof(*f->grid), err);
	if (!f->candidate || !f->copies || !f->report || !f->grid ||
	    nst_histogram_init(&f->histogram, classes, err) < 0)
		return NST_ENOMEM;
	for (size_t i = 0; i < f->in.files; i++) {
		const struct nst_prediction *p = &f->in.file[i].prediction;
		uint64_t row = f->in.file[i].base;

		for (uint64_t j = 0; j < p->rows; j++, row++)
			f->candidate[row] = (struct nst_candidate){
				f->in.hash[row], row, p->argmax[j], p->confidence[j],
				p->confidence[j], NST_PASSES};
	}
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
	return r < 0 ? r : make_candidates(f, err);
}

void nst_filter_count(struct nst_filter *f)
{
	for (uint64_t i = 0; i < f->in.rows; i++)
		nst_histogram_add(&f->histogram, (size_t)f->candidate[i].class,
				  f->candidate[i].confidence);
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

int nst_filter_read_counts(struct nst_filter *f, const char *const *paths, size_t n,
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

int nst_filter_exact(struct nst_filter *f, const struct nst_balance_rule *rule, struct nst_err *err)
{
	return nst_balance(f->candidate, (size_t)f->in.rows, f->in.classes.n, rule, f->copies,
			   f->report, err);
}

void nst_filter_grid(struct nst_filter *f, const struct nst_balance_rule *rule)
{
	const struct nst_grid_rule grid = {rule->min_confidence, rule->per_class, rule->duplicate};

	nst_grid_thresholds(&f->histogram, &grid, f->grid);
	nst_balance_grid(f->candidate, (size_t)f->in.rows, f->in.classes.n, f->grid, rule,
			 f->copies, f->report);
}

struct nst_balance_class nst_filter_totals(const struct nst_filter *f)
{
	struct nst_balance_class sum = {0};

	for (size_t i = 0; i < f->in.classes.n; i++) {
		const struct nst_balance_class *r = &f->report[i];

		sum.read += r->read;
		sum.below += r->below;
		sum.above += r->above;
		sum.capped += r->capped;
		sum.kept += r->kept;
		sum.copies += r->copies;
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

int nst_filter_build(struct nst_filter *f, size_t from, size_t to, const char *dir,
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
	return r;
}

int nst_filter_build_counts(const struct nst_filter *f, struct nst_build **b, struct nst_err *err)
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
	nst_held_release(&f->in);
}
