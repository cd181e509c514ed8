/* Collecting predictions. */
#include <string.h>

#include "libcore/data/predbuf.h"
#include "libcore/select/target.h"

int nst_predbuf_add(struct nst_predbuf *b, const struct nst_sample *s, int32_t argmax,
		    float confidence, uint32_t copies, struct nst_err *err)
{
	if (nst_rows_add(b->rows, s, err) < 0 ||
	    nst_buf_append(&b->argmax, &argmax, sizeof(argmax), err) < 0 ||
	    nst_buf_append(&b->confidence, &confidence, sizeof(confidence), err) < 0 ||
	    nst_buf_append(&b->copies, &copies, sizeof(copies), err) < 0)
		return err->code;
	return 0;
}

int nst_predbuf_extend(struct nst_predbuf *b, const struct nst_dataset *ds, uint64_t first, size_t n,
		       struct nst_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct nst_datum d;

		nst_dataset_get(ds, first + i, &d);
		d.sample.label = d.label;
		if (nst_predbuf_add(b, &d.sample, 0, 0, 1, err) < 0)
			return err->code;
	}
	return nst_softbuf_extend(&b->soft, n, err);
}

void nst_predbuf_set(struct nst_predbuf *b, size_t i, float *p, size_t classes)
{
	const size_t class = nst_argmax(p, classes);

	((int32_t *)(void *)b->argmax.data)[i] = (int32_t)class;
	((float *)(void *)b->confidence.data)[i] = p[class];
	nst_softbuf_set(&b->soft, i, p);
}

int nst_predbuf_build(struct nst_predbuf *b, enum nst_kind kind, const struct nst_classes *classes,
		      const char *model, double temperature, struct nst_build **build,
		      struct nst_err *err)
{
	struct nst_prediction p = {
		.rows = nst_rows_count(b->rows),
		.classes = classes->n,
		.class_name = classes->name,
		.argmax = (const int32_t *)(const void *)b->argmax.data,
		.confidence = (const float *)(const void *)b->confidence.data,
		.soft = nst_softbuf_view(&b->soft, nst_rows_count(b->rows)),
		.model = model,
		.temperature = temperature,
	};

	/* A column of no rows has an address, too: NULL would make it a prediction. */
	if (nst_buf_reserve(&b->copies, 1, err) < 0)
		return err->code;
	if (kind == NST_SELECTION)
		p.copies = (const uint32_t *)(const void *)b->copies.data;
	return nst_prediction_build(build, b->rows, &p, err);
}

void nst_predbuf_clear(struct nst_predbuf *b)
{
	nst_rows_clear(b->rows);
	nst_softbuf_clear(&b->soft);
	b->argmax.len = b->confidence.len = b->copies.len = 0;
}

void nst_predbuf_release(struct nst_predbuf *b)
{
	nst_rows_free(b->rows);
	nst_softbuf_release(&b->soft);
	nst_buf_release(&b->argmax);
	nst_buf_release(&b->confidence);
	nst_buf_release(&b->copies);
	memset(b, 0, sizeof(*b));
}
