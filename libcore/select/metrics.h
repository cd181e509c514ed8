/* What an evaluation counts: accuracy, confusion, log loss, calibration.
 *
 * Rows are added one by one; accumulators over the same classes can be merged, in any grouping, with
 * the same counts and, up to the order of double sums, the same averages. */
#ifndef NST_SELECT_METRICS_H
#define NST_SELECT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

#define NST_ECE_BINS 15

/* What is known of one labeled row. */
struct nst_outcome {
	size_t truth, predicted;
	float confidence; /* probability of the predicted class */
	long rank;        /* of the truth, 0 = first; -1 = unknown */
	double truth_p;   /* probability of the truth; NaN = unknown */
};

/* Outcome of a full distribution p (K). */
struct nst_outcome nst_outcome_of(const float *p, size_t classes, size_t truth);

struct nst_metrics {
	size_t classes;
	uint64_t rows, top1, top5;
	uint64_t *confusion;  /* (K,K) [truth][predicted]; its row sums are the rows of a class */
	uint64_t *class_top5; /* (K) */
	double nll;           /* sum of -ln p(truth) */
	int rank_unknown, p_unknown; /* some row lacked it: top5 or nll has no value */
	struct {
		uint64_t rows, hits;
		double confidence; /* sum */
	} bin[NST_ECE_BINS];
};

int nst_metrics_init(struct nst_metrics *m, size_t classes, struct nst_err *err) NST_MUST_CHECK;
void nst_metrics_release(struct nst_metrics *m);

/* Count one row.  ln of a probability below 1e-12 is taken as ln 1e-12: a rounding to 0 of stored
 * probabilities must not make the average infinite. */
void nst_metrics_add(struct nst_metrics *m, const struct nst_outcome *o);

/* m += other, of the same number of classes. */
void nst_metrics_merge(struct nst_metrics *m, const struct nst_metrics *other);

/* Results over the rows so far; NaN when there are none or a row lacked what it takes. */
double nst_metrics_top1(const struct nst_metrics *m); /* fraction */
double nst_metrics_top5(const struct nst_metrics *m);
double nst_metrics_nll(const struct nst_metrics *m);  /* nats a row */

/* Mean over the classes that have rows of the fraction of their rows that is right. */
double nst_metrics_balanced(const struct nst_metrics *m);

/* Average confidence of the predicted class. */
double nst_metrics_confidence(const struct nst_metrics *m);

/* Expected calibration error: sum over 15 equal bins (b/15, (b+1)/15] of confidence of
 * rows_b/rows * |accuracy_b - mean confidence_b| (Guo et al. 2017, section 2). */
double nst_metrics_ece(const struct nst_metrics *m);

/* All of these in the order in which they are shown. */
struct nst_metric {
	const char *name;  /* for programs */
	const char *title; /* for people */
	int fraction;      /* of 1: shown in percent */
	double value;
};
#define NST_METRICS 6
void nst_metrics_list(const struct nst_metrics *m, struct nst_metric out[NST_METRICS]);

/* Rows of a class, and the fractions right; NaN when it has no rows. */
uint64_t nst_metrics_class_rows(const struct nst_metrics *m, size_t class);
double nst_metrics_class_top1(const struct nst_metrics *m, size_t class);
double nst_metrics_class_top5(const struct nst_metrics *m, size_t class);

#endif
