/* Kind `report`: what an evaluation measured.
 *
 * Columns; rows of the file = M:
 *	metric/name      str (M)     "top1", "top5", "nll", "ece", ...
 *	metric/value     f64 (M)
 *	class/name       str (K)
 *	confusion/count  u64 (K,K)   [true class][predicted class]
 * Attributes:
 *	model            str         uuids of the models */
#ifndef NST_FORMATS_REPORT_H
#define NST_FORMATS_REPORT_H

#include "formats/input.h"
#include "formats/output.h"

struct nst_report {
	uint64_t metrics;
	const char *const *metric_name;
	const double *value;
	uint64_t classes;
	const char *const *class_name;
	const uint64_t *confusion; /* (K,K) */
	const char *model;
};

int nst_report_view(struct nst_image *im, struct nst_report *r, struct nst_err *err) NST_MUST_CHECK;
int nst_report_build(struct nst_build **b, const struct nst_report *r, struct nst_err *err)
	NST_MUST_CHECK;

#endif
