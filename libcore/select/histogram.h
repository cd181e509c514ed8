/* Confidence statistics of pseudo labels, and the two-pass rule that is made from them.
 *
 * The statistics count, per predicted class, the rows by top-1 confidence in 101 bins whose lower
 * edges are 0.00, 0.01, ... 1.00; those of several shards are merged by addition.  The grid rule
 * then gives every class a threshold on that grid, so that shards can be filtered one by one, in
 * any order and on several machines: noisystudent's filter_unlabel.py. */
#ifndef NST_SELECT_HISTOGRAM_H
#define NST_SELECT_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

#define NST_HISTOGRAM_BINS 101

struct nst_histogram {
	size_t classes;
	uint64_t *count; /* (K) rows of each predicted class */
	uint64_t *bin;   /* (K, NST_HISTOGRAM_BINS) */
};

/* Lower edge of a bin, as the nearest float, so that a confidence of 0.29f lies in bin 29. */
float nst_histogram_edge(unsigned bin);

/* The bin of a confidence in [0,1]: that of the largest edge that is not above it. */
unsigned nst_histogram_bin(float confidence);

/* Empty statistics for `classes` classes.  Released by nst_histogram_release. */
int nst_histogram_init(struct nst_histogram *h, size_t classes, struct nst_err *err) NST_MUST_CHECK;
void nst_histogram_release(struct nst_histogram *h);

/* Count one row; class < classes. */
void nst_histogram_add(struct nst_histogram *h, size_t class, float confidence);

/* Add counts (K) and bins (K, NST_HISTOGRAM_BINS) of statistics over the same classes. */
void nst_histogram_merge(struct nst_histogram *h, const uint64_t *count, const uint64_t *bin);

/* The grid rule for one class. */
struct nst_grid_class {
	float threshold;  /* keep rows of at least this confidence ... */
	uint64_t reached; /* ... of which there are so many */
	double copies;    /* expected copies of each: per_class / reached, 1 without a limit */
};

struct nst_grid_rule {
	float min_confidence; /* the lowest threshold: its bin, downwards, is the last one taken */
	uint64_t per_class;   /* wanted rows of a class; 0 = all above min_confidence, once */
	int duplicate;        /* 0: at most one copy of a row */
};

/* Thresholds (K): from 1.00 downward, the first edge at which at least per_class rows are reached,
 * or the edge of min_confidence. */
void nst_grid_thresholds(const struct nst_histogram *h, const struct nst_grid_rule *rule,
			 struct nst_grid_class *out);

/* Copies of a row: 0 below the threshold, else the whole part of g->copies and one more with the
 * probability of its fraction, drawn for (seed, key hash) alone. */
uint32_t nst_grid_copies(const struct nst_grid_class *g, float confidence, uint64_t seed,
			 uint64_t hash);

#endif
