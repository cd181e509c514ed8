/* Metrics: counts are integers and sums are double, so nothing is lost over billions of rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/select/metrics.h"
#include "libcore/select/target.h"
#include "libcore/util/mem.h"

#define TOP         5
#define SMALLEST_P  1e-12

struct nst_outcome nst_outcome_of(const float *p, size_t classes, size_t truth)
{
	struct nst_outcome o;

	o.truth = truth;
	o.predicted = nst_argmax(p, classes);
	o.confidence = p[o.predicted];
	o.rank = (long)nst_rank(p, classes, truth);
	o.truth_p = p[truth];
	return o;
}

int nst_metrics_init(struct nst_metrics *m, size_t classes, struct nst_err *err)
{
	size_t cells;

	memset(m, 0, sizeof(*m));
	m->classes = classes;
	if (nst_mul_size(classes, classes, &cells) < 0)
		return nst_fail(err, NST_ELIMIT, "%zu classes are too many for a confusion matrix",
				classes);
	m->confusion = nst_zalloc(cells, sizeof(*m->confusion), err);
	m->class_top5 = nst_zalloc(classes, sizeof(*m->class_top5), err);
	if (!m->confusion || !m->class_top5) {
		nst_metrics_release(m);
		return NST_ENOMEM;
	}
	return 0;
}

void nst_metrics_release(struct nst_metrics *m)
{
	free(m->confusion);
	free(m->class_top5);
	memset(m, 0, sizeof(*m));
}

/* The bin (b/15, (b+1)/15] of a confidence; 0 belongs to the first. */
static size_t ece_bin(float confidence)
{
	double b = ceil((double)confidence * NST_ECE_BINS) - 1;

	if (!(b > 0))
		return 0;
	return b < NST_ECE_BINS ? (size_t)b : NST_ECE_BINS - 1;
}

void nst_metrics_add(struct nst_metrics *m, const struct nst_outcome *o)
{
	int hit = o->predicted == o->truth;
	size_t bin = ece_bin(o->confidence);

	m->rows++;
	m->top1 += hit;
	m->confusion[o->truth * m->classes + o->predicted]++;
	if (hit || m->classes <= TOP || (o->rank >= 0 && o->rank < TOP)) {
		m->top5++;
		m->class_top5[o->truth]++;
	} else if (o->rank < 0) {
		m->rank_unknown = 1;
	}
	if (isnan(o->truth_p))
		m->p_unknown = 1;
	else
		m->nll -= log(o->truth_p > SMALLEST_P ? o->truth_p : SMALLEST_P);
	m->bin[bin].rows++;
	m->bin[bin].hits += hit;
	m->bin[bin].confidence += o->confidence;
}

void nst_metrics_merge(struct nst_metrics *m, const struct nst_metrics *other)
{
	m->rows += other->rows;
	m->top1 += other->top1;
	m->top5 += other->top5;
	m->nll += other->nll;
	m->rank_unknown |= other->rank_unknown;
	m->p_unknown |= other->p_unknown;
	for (size_t i = 0; i < m->classes * m->classes; i++)
		m->confusion[i] += other->confusion[i];
	for (size_t i = 0; i < m->classes; i++)
		m->class_top5[i] += other->class_top5[i];
	for (size_t b = 0; b < NST_ECE_BINS; b++) {
		m->bin[b].rows += other->bin[b].rows;
		m->bin[b].hits += other->bin[b].hits;
		m->bin[b].confidence += other->bin[b].confidence;
	}
}

static double fraction(double part, uint64_t whole)
{
	return whole ? part / (double)whole : NAN;
}

double nst_metrics_top1(const struct nst_metrics *m)
{
	return fraction((double)m->top1, m->rows);
}

double nst_metrics_top5(const struct nst_metrics *m)
{
	return m->rank_unknown ? NAN : fraction((double)m->top5, m->rows);
}

double nst_metrics_nll(const struct nst_metrics *m)
{
	return m->p_unknown ? NAN : fraction(m->nll, m->rows);
}

double nst_metrics_balanced(const struct nst_metrics *m)
{
	double sum = 0;
	uint64_t with_rows = 0;

	for (size_t c = 0; c < m->classes; c++) {
		double right = nst_metrics_class_top1(m, c);

		if (!isnan(right)) {
			sum += right;
			with_rows++;
		}
	}
	return fraction(sum, with_rows);
}

double nst_metrics_confidence(const struct nst_metrics *m)
{
	double sum = 0;

	for (size_t b = 0; b < NST_ECE_BINS; b++)
		sum += m->bin[b].confidence;
	return fraction(sum, m->rows);
}

double nst_metrics_ece(const struct nst_metrics *m)
{
	double sum = 0;

	/* rows_b/rows * |hits_b/rows_b - confidence_b/rows_b| */
	for (size_t b = 0; b < NST_ECE_BINS; b++)
		sum += fabs((double)m->bin[b].hits - m->bin[b].confidence);
	return fraction(sum, m->rows);
}

uint64_t nst_metrics_class_rows(const struct nst_metrics *m, size_t class)
{
	uint64_t rows = 0;

	for (size_t i = 0; i < m->classes; i++)
		rows += m->confusion[class * m->classes + i];
	return rows;
}

double nst_metrics_class_top1(const struct nst_metrics *m, size_t class)
{
	return fraction((double)m->confusion[class * m->classes + class],
			nst_metrics_class_rows(m, class));
}

double nst_metrics_class_top5(const struct nst_metrics *m, size_t class)
{
	return m->rank_unknown ? NAN : fraction((double)m->class_top5[class],
						nst_metrics_class_rows(m, class));
}

void nst_metrics_list(const struct nst_metrics *m, struct nst_metric out[NST_METRICS])
{
	const struct nst_metric all[NST_METRICS] = {
		{"top1", "top-1", 1, nst_metrics_top1(m)},
		{"top5", "top-5", 1, nst_metrics_top5(m)},
		{"balanced", "mean of classes", 1, nst_metrics_balanced(m)},
		{"confidence", "mean confidence", 1, nst_metrics_confidence(m)},
		{"nll", "log loss [nats]", 0, nst_metrics_nll(m)},
		{"ece", "calibration error", 0, nst_metrics_ece(m)},
	};

	memcpy(out, all, sizeof(all));
}
