/* The results of an evaluation as tables for people. */
#include <math.h>

#include "libcore/data/evaluate.h"

static int put_number(struct nst_buf *b, double value, int percent, struct nst_err *err)
{
	if (isnan(value))
		return nst_buf_printf(b, err, "%9s", "-");
	return percent ? nst_buf_printf(b, err, "%8.2f%%", 100 * value) :
			 nst_buf_printf(b, err, "%9.4f", value);
}

static int put_line(struct nst_buf *b, const char *title, double value, int percent,
		    struct nst_err *err)
{
	if (nst_buf_printf(b, err, "%-24s", title) < 0 || put_number(b, value, percent, err) < 0)
		return err->code;
	return nst_buf_printf(b, err, "\n");
}

/* The fitted temperature, and what it changes: not the accuracy, but for averages of models. */
static int put_fit(struct nst_buf *b, const struct nst_evaluation *e, struct nst_err *err)
{
	const struct nst_metrics *m = &e->fitted;

	if (nst_buf_printf(b, err, "\nat the fitted temperature\n") < 0 ||
	    put_line(b, "temperature", e->temperature, 0, err) < 0 ||
	    put_line(b, "mean confidence", nst_metrics_confidence(m), 1, err) < 0 ||
	    put_line(b, "log loss [nats]", nst_metrics_nll(m), 0, err) < 0 ||
	    put_line(b, "calibration error", nst_metrics_ece(m), 0, err) < 0)
		return err->code;
	return 0;
}

static int put_classes(struct nst_buf *b, const struct nst_evaluation *e, struct nst_err *err)
{
	const struct nst_metrics *m = &e->metrics;
	int r = nst_buf_printf(b, err, "\n%-24s%9s%9s%9s\n", "class", "rows", "top-1", "top-5");

	for (size_t c = 0; c < m->classes && r == 0; c++) {
		r = nst_buf_printf(b, err, "%-24s%9llu", e->classes.name[c],
				   (unsigned long long)nst_metrics_class_rows(m, c));
		if (r == 0)
			r = put_number(b, nst_metrics_class_top1(m, c), 1, err);
		if (r == 0)
			r = put_number(b, nst_metrics_class_top5(m, c), 1, err);
		if (r == 0)
			r = nst_buf_printf(b, err, "\n");
	}
	return r;
}

static int put_confusion(struct nst_buf *b, const struct nst_evaluation *e, struct nst_err *err)
{
	const struct nst_metrics *m = &e->metrics;
	int r = nst_buf_printf(b, err, "\ntrue class (rows) and predicted class (columns)\n");

	for (size_t t = 0; t < m->classes && r == 0; t++) {
		r = nst_buf_printf(b, err, "%-24s", e->classes.name[t]);
		for (size_t p = 0; p < m->classes && r == 0; p++)
			r = nst_buf_printf(b, err, "%7llu",
					   (unsigned long long)m->confusion[t * m->classes + p]);
		if (r == 0)
			r = nst_buf_printf(b, err, "\n");
	}
	return r;
}

int nst_evaluation_text(const struct nst_evaluation *e, int per_class, int confusion,
			struct nst_buf *b, struct nst_err *err)
{
	struct nst_metric n[NST_METRICS];
	int r = nst_buf_printf(b, err, "%-24s%9llu\n", "rows",
			       (unsigned long long)e->metrics.rows);

	nst_metrics_list(&e->metrics, n);
	if (r == 0 && e->skipped)
		r = nst_buf_printf(b, err, "%-24s%9llu\n", "unlabeled, left out",
				   (unsigned long long)e->skipped);
	for (size_t i = 0; i < NST_METRICS && r == 0; i++)
		r = put_line(b, n[i].title, n[i].value, n[i].fraction, err);
	if (r == 0 && e->fit)
		r = put_fit(b, e, err);
	if (r == 0 && per_class)
		r = put_classes(b, e, err);
	if (r == 0 && confusion)
		r = put_confusion(b, e, err);
	return r;
}
