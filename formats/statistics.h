/* Kind `statistics`: per-class counts and confidence histograms of predictions.  Two of the same
 * class table are merged by adding them.
 *
 * Columns:
 *	class/name            str (K)
 *	statistics/count      u64 (K)       rows whose argmax is the class; rows of the file = K
 *	statistics/histogram  u64 (K,101)   of these, by confidence: bin b holds
 *	                                    b/100 <= confidence < (b+1)/100, bin 100 holds 1.0
 * Attributes:
 *	model         str   uuids of the teachers */
#ifndef NST_FORMATS_STATISTICS_H
#define NST_FORMATS_STATISTICS_H

#include "formats/input.h"
#include "formats/output.h"

#define NST_CONFIDENCE_BINS 101

struct nst_statistics {
	uint64_t classes;
	const char *const *class_name;
	const uint64_t *count;      /* (K) */
	const uint64_t *histogram;  /* (K, NST_CONFIDENCE_BINS) */
	const char *model;
};

/* Look at an image as statistics; the counts are checked to be the sums of the histograms. */
int nst_statistics_view(struct nst_image *im, struct nst_statistics *s, struct nst_err *err)
	NST_MUST_CHECK;

/* Build one.  Arrays are borrowed until the put. */
int nst_statistics_build(struct nst_build **b, const struct nst_statistics *s, struct nst_err *err)
	NST_MUST_CHECK;

#endif
