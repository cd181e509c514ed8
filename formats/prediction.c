/* Kinds prediction and selection: the same columns, a selection has the number of copies as well. */
#include "formats/prediction.h"

#include <inttypes.h>

#include "formats/typed.h"

static int view_copies(struct nst_image *im, const uint32_t **out, struct nst_err *err)
{
	struct nst_column c;
	const uint32_t *v;
	int r = nst_image_column(im, "selection/copies", &c, err);

	if (r)
		return r;
	v = c.data;
	for (uint64_t i = 0; i < c.dim[0]; i++)
		if (!v[i])
			return nst_image_fail(im, err, "'selection/copies' of row %" PRIu64 " is 0", i);
	*out = v;
	return 0;
}

int nst_prediction_view(struct nst_image *im, struct nst_prediction *out, struct nst_err *err)
{
	struct nst_prediction p = {.rows = nst_image_rows(im)};
	int r = nst_image_strings(im, "class/name", &p.class_name, &p.classes, err);

	if (!r)
		r = nst_view_class(im, "label/class", p.classes, -1, &p.label, err);
	if (!r)
		r = nst_view_class(im, "prediction/class", p.classes, 0, &p.argmax, err);
	if (!r)
		r = nst_view_float(im, "prediction/confidence", 0, 1, &p.confidence, err);
	if (!r && nst_image_kind(im) == NST_SELECTION)
		r = view_copies(im, &p.copies, err);
	if (!r)
		r = nst_view_soft(im, p.rows, p.classes, &p.soft, err);
	if (r)
		return r;
	p.model = nst_image_attr_str(im, "model");
	nst_image_attr_f64(im, "temperature", 1, &p.temperature);
	*out = p;
	return 0;
}

int nst_prediction_build(struct nst_build **out, struct nst_rows *rows,
			 const struct nst_prediction *p, struct nst_err *err)
{
	uint64_t n = nst_rows_count(rows);
	struct nst_build *b = nst_build_new(p->copies ? NST_SELECTION : NST_PREDICTION, n, err);
	int r;

	if (!b)
		return err->code;
	r = nst_rows_build(rows, b, err);
	if (!r)
		r = nst_build_names(b, p->class_name, p->classes, err);
	if (!r)
		r = nst_build_column(b, "prediction/class", NST_I32, n, 0, p->argmax, err);
	if (!r)
		r = nst_build_column(b, "prediction/confidence", NST_F32, n, 0, p->confidence, err);
	if (!r)
		r = nst_build_soft(b, &p->soft, err);
	if (!r && p->copies)
		r = nst_build_column(b, "selection/copies", NST_U32, n, 0, p->copies, err);
	if (!r)
		r = nst_build_attr_str(b, "model", p->model ? p->model : "", err);
	if (!r)
		r = nst_build_attr_f64(b, "temperature", 1, &p->temperature, err);
	return nst_build_hand_over(out, b, r);
}
