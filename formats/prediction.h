/* Kinds `prediction` and `selection`: what a teacher says of each row.
 *
 * Columns: image/... or source/..., key/..., label/class as in sample.h (label/class is the true
 * label where the input had one, in terms of this file's class/name), and
 *	class/name                   str (K)
 *	prediction/class             i32 (N)    argmax
 *	prediction/confidence        f32 (N)    probability of that class
 *	prediction/probability       f16|f32 (N,K)   } soft: one of the two forms,
 *	prediction/topk_class        i32 (N,k)       } in falling order of probability; the
 *	prediction/topk_probability  f16|f32 (N,k)   } rest, 1 - sum, is spread evenly over the others
 *	                                             hard: neither
 *	selection/copies             u32 (N)    selection only: how often the row is used, >= 1
 * Attributes:
 *	model         str   uuids of the teachers, separated by blanks
 *	temperature   f64   that the logits were divided by */
#ifndef NST_FORMATS_PREDICTION_H
#define NST_FORMATS_PREDICTION_H

#include "formats/input.h"
#include "formats/output.h"
#include "formats/sample.h"

/* Targets over K classes for some rows: full, top-k, or hard (both soft forms absent). */
struct nst_soft {
	uint64_t rows;
	uint64_t classes;             /* K */
	uint64_t k;                   /* of top-k; K when full; 0 when hard */
	enum nst_type type;           /* NST_F16 or NST_F32, of the probabilities */
	const void *probability;      /* (rows,K), NULL unless full */
	const int32_t *topk_class;    /* (rows,k), NULL unless top-k */
	const void *topk_probability; /* (rows,k), NULL unless top-k */
};

/* Expand row i < rows of soft targets into p[K].  Not for hard ones. */
void nst_soft_row(const struct nst_soft *soft, uint64_t i, float *p);

struct nst_prediction {
	uint64_t rows;
	uint64_t classes;
	const char *const *class_name;
	const int32_t *label;      /* (N) true label, -1 = unknown */
	const int32_t *argmax;     /* (N) */
	const float *confidence;   /* (N) */
	const uint32_t *copies;    /* (N), NULL in a prediction */
	struct nst_soft soft;
	const char *model;         /* uuids */
	double temperature;
};

/* Look at an image as a prediction or a selection; class indices and probabilities are checked. */
int nst_prediction_view(struct nst_image *im, struct nst_prediction *p, struct nst_err *err)
	NST_MUST_CHECK;

/* Build a prediction (copies NULL) or a selection of the given rows.  p's label is not used: rows
 * has the labels.  Arrays are borrowed until the put. */
int nst_prediction_build(struct nst_build **b, struct nst_rows *rows,
			 const struct nst_prediction *p, struct nst_err *err) NST_MUST_CHECK;

#endif
