/* Kind report. */
#include "formats/report.h"

#include "formats/typed.h"

int nst_report_view(struct nst_image *im, struct nst_report *out, struct nst_err *err)
{
	struct nst_report p = {.model = nst_image_attr_str(im, "model")};
	struct nst_column value, confusion;
	int r = nst_image_strings(im, "metric/name", &p.metric_name, &p.metrics, err);

	if (!r)
		r = nst_image_strings(im, "class/name", &p.class_name, &p.classes, err);
	if (!r)
		r = nst_image_column(im, "metric/value", &value, err);
	if (!r)
		r = nst_image_require(im, "confusion/count", p.classes, p.classes, &confusion, err);
	if (r)
		return r;
	p.value = value.data;
	p.confusion = confusion.data;
	*out = p;
	return 0;
}

int nst_report_build(struct nst_build **out, const struct nst_report *p, struct nst_err *err)
{
	struct nst_build *b = nst_build_new(NST_REPORT, p->metrics, err);
	int r;

	if (!b)
		return err->code;
	r = nst_build_names(b, p->class_name, p->classes, err);
	if (!r)
		r = nst_build_strings(b, "metric/name", p->metric_name, (size_t)p->metrics, err);
	if (!r)
		r = nst_build_column(b, "metric/value", NST_F64, p->metrics, 0, p->value, err);
	if (!r)
		r = nst_build_column(b, "confusion/count", NST_U64, p->classes, p->classes, p->confusion,
				     err);
	if (!r)
		r = nst_build_attr_str(b, "model", p->model ? p->model : "", err);
	return nst_build_hand_over(out, b, r);
}
