/* Calibrating a labeler on labeled rows: what its models say of them is collected, and the
 * temperature fitted to all of it. */
#ifndef NST_DATA_CALIBRATE_H
#define NST_DATA_CALIBRATE_H

#include "libcore/data/labeler.h"
#include "libcore/select/calibrate.h"

/* Set the labeler, zero the rest; release with nst_calibrator_release.  A row takes
 * 4 * models * classes bytes. */
struct nst_calibrator {
	struct nst_labeler *labeler;
	struct nst_buf logits, label; /* float (rows, models, classes), int32_t (rows) */
};

/* Ask the models about n rows of the table the labeler has begun, and collect those that have a
 * label.  p (n, classes) becomes their probabilities at the labeler's temperature, also of the
 * others; may be NULL. */
int nst_calibrator_add(struct nst_calibrator *c, const struct nst_dataset *ds, uint64_t first,
		       size_t n, float *p, struct nst_err *err) NST_MUST_CHECK;

/* What was collected, borrowed until the next add. */
struct nst_calibration nst_calibrator_view(const struct nst_calibrator *c);

void nst_calibrator_release(struct nst_calibrator *c);

/* Fit the temperature of a labeler to all rows of a sealed table, which must have labels, and set
 * it. */
int nst_calibrate(struct nst_labeler *l, const struct nst_dataset *ds, struct nst_err *err)
	NST_MUST_CHECK;

#endif
