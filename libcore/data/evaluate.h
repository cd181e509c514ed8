/* Evaluating: labeled rows against what models or stored predictions say of them. */
#ifndef NST_DATA_EVALUATE_H
#define NST_DATA_EVALUATE_H

#include "libcore/data/calibrate.h"
#include "libcore/data/labeler.h"
#include "libcore/select/metrics.h"

/* Caller's memory: set the first five, zero the rest; release with nst_evaluation_release. */
struct nst_evaluation {
	struct nst_labeler *labeler;      /* models to ask; NULL: the input is predictions */
	int skip_unlabeled;               /* count unlabeled rows instead of refusing them */
	int fit;                          /* fit a temperature to the rows; keeps all logits */

	struct nst_metrics metrics;
	uint64_t skipped;
	struct nst_classes classes;       /* of the model, or of the first prediction */
	const char *model;                /* uuids; belongs to labeler or first */
	struct nst_image *first;          /* first prediction: kept for its class table */
	float *p;                         /* a batch of probabilities */
	struct nst_calibrator calibrator; /* with fit */
	double temperature;               /* fitted; and ... */
	struct nst_metrics fitted;        /* ... what is measured at it */
};

/* Add the rows of all images of an input: shards for models, else predictions or selections.  Labels
 * are matched to the classes of the model by name; a class that it lacks is an error, as is an
 * unlabeled row.  An input without any labeled row is an error. */
int nst_evaluate(struct nst_evaluation *e, struct nst_in *in, struct nst_err *err) NST_MUST_CHECK;

/* Append the results as tables for people; NaN is a dash. */
int nst_evaluation_text(const struct nst_evaluation *e, int per_class, int confusion,
			struct nst_buf *text, struct nst_err *err) NST_MUST_CHECK;

void nst_evaluation_release(struct nst_evaluation *e);

#endif
