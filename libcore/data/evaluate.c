/* Evaluating.  A row is asked about, counted and forgotten, so test sets may be of any size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "formats/prediction.h"
#include "libcore/data/evaluate.h"
#include "libcore/select/target.h"
#include "libcore/util/mem.h"

static int start(struct nst_evaluation *e, const struct nst_classes *classes, const char *model,
		 struct nst_err *err)
{
	size_t rows = e->labeler ? nst_labeler_batch(e->labeler) : 1; /* at a time */

	e->classes = *classes;
	e->model = model;
	e->calibrator.labeler = e->labeler;
	e->p = nst_alloc(classes->n, rows * sizeof(*e->p), err);
	if (!e->p || nst_metrics_init(&e->metrics, classes->n, err) < 0)
		return err->code;
	return e->fit ? nst_metrics_init(&e->fitted, classes->n, err) : 0;
}

/* A row without a label, named as a message should name it. */
static int skip_row(struct nst_evaluation *e, const char *row, struct nst_err *err)
{
	e->skipped++;
	if (e->skip_unlabeled)
		return 0;
	return nst_fail(err, NST_EINVAL, "%s has no label to compare with (--skip-unlabeled leaves "
			"such rows out)", row);
}

/* Count n rows of a table whose probabilities are in e->p. */
static int count_rows(struct nst_evaluation *e, const struct nst_dataset *ds, uint64_t first,
		      size_t n, struct nst_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct nst_outcome o;
		struct nst_datum d;
		char name[256];

		nst_dataset_get(ds, first + i, &d);
		if (d.label < 0) {
			nst_dataset_name(ds, first + i, name, sizeof(name));
			if (skip_row(e, name, err) < 0)
				return err->code;
			continue;
		}
		o = nst_outcome_of(e->p + i * e->classes.n, e->classes.n, (size_t)d.label);
		nst_metrics_add(&e->metrics, &o);
	}
	return 0;
}

static int ask_batch(struct nst_evaluation *e, const struct nst_dataset *ds, uint64_t first,
		     size_t n, struct nst_err *err)
{
	if (e->fit)
		return nst_calibrator_add(&e->calibrator, ds, first, n, e->p, err);
	return nst_labeler_run(e->labeler, first, n, e->p, err);
}

static int ask_models(struct nst_evaluation *e, const struct nst_dataset *ds, struct nst_err *err)
{
	uint64_t rows = nst_dataset_rows(ds);
	size_t batch = nst_labeler_batch(e->labeler);

	if (nst_labeler_begin(e->labeler, ds, err) < 0)
		return err->code;
	for (uint64_t first = 0; first < rows; first += batch) {
		size_t n = rows - first < batch ? (size_t)(rows - first) : batch;

		if (ask_batch(e, ds, first, n, err) < 0 ||
		    count_rows(e, ds, first, n, err) < 0)
			return err->code;
	}
	return 0;
}

/* Add a shard, which is taken over. */
static int add_shard(struct nst_evaluation *e, struct nst_image *im, struct nst_err *err)
{
	struct nst_dataset *ds;
	int r = nst_dataset_new(&ds, e->classes.name, e->classes.n, e->classes.file, err);

	if (r < 0) {
		nst_image_free(im);
		return r;
	}
	r = nst_dataset_add(ds, im, err);
	if (r == 0)
		r = nst_dataset_seal(ds, err);
	if (r == 0)
		r = ask_models(e, ds, err);
	nst_dataset_free(ds);
	return r;
}

/* What a stored prediction says of row i, as far as it goes. */
static struct nst_outcome outcome_of(const struct nst_prediction *p, uint64_t i, size_t truth,
				     float *full)
{
	struct nst_outcome o = {truth, (size_t)p->argmax[i], p->confidence[i], -1, NAN};
	const struct nst_soft *s = &p->soft;

	if (s->k) {
		nst_soft_row(s, i, full);
		o.truth_p = full[truth];
	}
	if (s->probability) {
		o.rank = (long)nst_rank(full, (size_t)s->classes, truth);
	} else if (s->topk_class) {
		/* Outside the top k the rank is k or more: that is enough to know if k >= 5. */
		for (size_t j = 0; j < s->k && o.rank < 0; j++) {
			if ((size_t)s->topk_class[i * s->k + j] == truth)
				o.rank = (long)j;
		}
		if (o.rank < 0 && s->k >= 5)
			o.rank = (long)s->k;
	}
	return o;
}

static int add_prediction(struct nst_evaluation *e, struct nst_image *im, struct nst_err *err)
{
	struct nst_prediction p;
	struct nst_classes classes;

	if (nst_prediction_view(im, &p, err) < 0)
		return err->code;
	classes = (struct nst_classes){p.class_name, (size_t)p.classes, nst_image_name(im)};
	if (im == e->first ? start(e, &classes, p.model, err) < 0 :
			     nst_classes_same(&e->classes, &classes, err) < 0)
		return err->code;
	for (uint64_t i = 0; i < p.rows; i++) {
		struct nst_outcome o;
		char name[256];

		if (p.label[i] < 0) {
			snprintf(name, sizeof(name), "%s: row %llu", nst_image_name(im),
				 (unsigned long long)i);
			if (skip_row(e, name, err) < 0)
				return err->code;
			continue;
		}
		o = outcome_of(&p, i, (size_t)p.label[i], e->p);
		nst_metrics_add(&e->metrics, &o);
	}
	return 0;
}

/* Fit the temperature, and measure at it. */
static int fit(struct nst_evaluation *e, struct nst_err *err)
{
	const struct nst_calibration c = nst_calibrator_view(&e->calibrator);
	double *sum = nst_alloc(c.classes, sizeof(*sum), err);

	if (!sum)
		return err->code;
	e->temperature = nst_calibration_fit(&c);
	for (size_t i = 0; i < c.rows; i++) {
		struct nst_outcome o;

		nst_calibrated(c.logits + i * c.models * c.classes, c.models, c.classes,
			       e->temperature, sum, e->p);
		o = nst_outcome_of(e->p, c.classes, (size_t)c.label[i]);
		nst_metrics_add(&e->fitted, &o);
	}
	free(sum);
	return 0;
}

int nst_evaluate(struct nst_evaluation *e, struct nst_in *in, struct nst_err *err)
{
	struct nst_image *im;
	int r = 0;

	if (e->labeler) {
		const struct nst_classes classes = nst_labeler_classes(e->labeler);

		r = start(e, &classes, nst_labeler_uuids(e->labeler), err);
	}
	while (r == 0 && (r = nst_in_next(in, &im, err)) > 0) {
		if (e->labeler) {
			r = add_shard(e, im, err);
			continue;
		}
		if (!e->first)
			e->first = im; /* its class table is needed until the end */
		r = add_prediction(e, im, err);
		if (im != e->first)
			nst_image_free(im);
	}
	if (r == 0 && e->metrics.rows == 0)
		return nst_fail(err, NST_EINVAL, "there is no labeled row to evaluate");
	return r == 0 && e->fit ? fit(e, err) : r;
}

void nst_evaluation_release(struct nst_evaluation *e)
{
	nst_metrics_release(&e->metrics);
	nst_metrics_release(&e->fitted);
	nst_calibrator_release(&e->calibrator);
	nst_image_free(e->first);
	free(e->p);
}
