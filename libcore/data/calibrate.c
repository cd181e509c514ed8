/* Collecting logits for temperature scaling. */
#include "libcore/data/calibrate.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/util/mem.h"

int nst_calibrator_add(struct nst_calibrator *c, const struct nst_dataset *ds, uint64_t first,
		       size_t n, float *p, struct nst_err *err)
{
	size_t classes = nst_labeler_classes(c->labeler).n, models = nst_labeler_models(c->labeler);
	double temperature = nst_labeler_temperature(c->labeler), *sum;
	size_t row_bytes = models * classes * sizeof(float);
	float *new;

	if (nst_buf_reserve(&c->logits, n * row_bytes, err) < 0 ||
	    nst_buf_reserve(&c->label, n * sizeof(int32_t), err) < 0)
		return err->code;
	new = (float *)(void *)(c->logits.data + c->logits.len);
	if (nst_labeler_logits(c->labeler, first, n, new, err) < 0)
		return err->code;
	sum = nst_alloc(classes, sizeof(*sum), err);
	if (!sum)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		float *row = new + i * models * classes;
		struct nst_datum d;

		if (p)
			nst_calibrated(row, models, classes, temperature, sum, p + i * classes);
		nst_dataset_get(ds, first + i, &d);
		if (d.label < 0)
			continue;
		/* Down over the rows that were left out. */
		memmove(c->logits.data + c->logits.len, row, row_bytes);
		c->logits.len += row_bytes;
		memcpy(c->label.data + c->label.len, &d.label, sizeof(d.label));
		c->label.len += sizeof(d.label);
	}
	free(sum);
	return 0;
}

struct nst_calibration nst_calibrator_view(const struct nst_calibrator *c)
{
	return (struct nst_calibration){
		.rows = c->label.len / sizeof(int32_t),
		.models = nst_labeler_models(c->labeler),
		.classes = nst_labeler_classes(c->labeler).n,
		.logits = (const float *)(const void *)c->logits.data,
		.label = (const int32_t *)(const void *)c->label.data,
	};
}

void nst_calibrator_release(struct nst_calibrator *c)
{
	nst_buf_release(&c->logits);
	nst_buf_release(&c->label);
}

static int refuse_unlabeled(const struct nst_dataset *ds, struct nst_err *err)
{
	for (uint64_t i = 0; i < nst_dataset_rows(ds); i++) {
		struct nst_datum d;
		char name[256];

		nst_dataset_get(ds, i, &d);
		if (d.label >= 0)
			continue;
		nst_dataset_name(ds, i, name, sizeof(name));
		return nst_fail(err, NST_EINVAL, "%s has no label to calibrate with", name);
	}
	return 0;
}

int nst_calibrate(struct nst_labeler *l, const struct nst_dataset *ds, struct nst_err *err)
{
	struct nst_calibrator c = {.labeler = l};
	uint64_t rows = nst_dataset_rows(ds);
	size_t batch = nst_labeler_batch(l);
	int r = refuse_unlabeled(ds, err);

	if (r == 0)
		r = nst_labeler_begin(l, ds, err);
	for (uint64_t first = 0; first < rows && r == 0; first += batch) {
		size_t n = rows - first < batch ? (size_t)(rows - first) : batch;

		r = nst_calibrator_add(&c, ds, first, n, NULL, err);
	}
	if (r == 0) {
		const struct nst_calibration all = nst_calibrator_view(&c);

		nst_labeler_set_temperature(l, nst_calibration_fit(&all));
	}
	nst_calibrator_release(&c);
	return r;
}
