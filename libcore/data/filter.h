/* Filtering predictions: hold all of them, decide about every row, build the selections.
 *
 *	nst_filter_read(&f, paths, n, &err)
 *	nst_filter_agree(&f, teachers, m, &err)      -- further teachers, if any
 *	nst_filter_judge(&f, &request, &err)         -- each row by itself
 *	nst_filter_decide(&f, &request, stats, &err) -- and all of a class together
 *	nst_filter_write(&f, stream, out, &err)
 *
 * What the published repository calls use_all is a request without per_class: every row that meets
 * the criteria, once. */
#ifndef NST_DATA_FILTER_H
#define NST_DATA_FILTER_H

#include <math.h>

#include "libcore/data/held.h"
#include "libcore/data/predbuf.h"
#include "libcore/select/balance.h"

enum nst_filter_mode { NST_FILTER_EXACT, NST_FILTER_GRID };

/* What makes a row of a class better than another one. */
enum nst_filter_rank { NST_BY_CONFIDENCE, NST_BY_MARGIN, NST_BY_ENTROPY };

/* What is asked for.  Start from NST_FILTER_REQUEST_NONE; nst_filter_request_settle fills in what
 * was not said (-1). */
struct nst_filter_request {
	double min_confidence, max_confidence;
	double min_margin;  /* NaN: no such rule.  Probability of the class minus the next one's */
	double max_entropy; /* NaN: no such rule.  Nats */
	int64_t per_class, class_floor; /* 0: none */
	int64_t class_gap;  /* -1: none */
	int64_t min_agree;  /* teachers, the first included; 0: all */
	int duplicate;
	int mode;           /* enum nst_filter_mode */
	int rank;           /* enum nst_filter_rank */
	int stats_only;
	uint64_t seed;
	size_t stats, teachers, kept; /* files given: statistics, further teachers, selections */
};

#define NST_FILTER_REQUEST_NONE \
	{.max_confidence = 2, .min_margin = NAN, .max_entropy = NAN, .class_gap = -1, \
	 .duplicate = -1, .mode = -1, .rank = -1}

/* Words of the enums, each list ends with NULL. */
extern const char *const nst_filter_mode_words[];
extern const char *const nst_filter_rank_words[];

/* Refuse what makes no sense together, with a sentence about the options of nst-filter; settle what
 * was not said. */
int nst_filter_request_settle(struct nst_filter_request *r, struct nst_err *err) NST_MUST_CHECK;

/* Zero-initialise; release with nst_filter_release. */
struct nst_filter {
	struct nst_held in;
	struct nst_held *teacher;         /* further ones, with predictions of the same rows */
	size_t teachers;
	struct nst_candidate *candidate;  /* (rows); consumed by nst_filter_decide */
	uint32_t *copies;                 /* (rows) the decision */
	struct nst_balance_class *report; /* (K) what became of the rows of a class */
	struct nst_histogram histogram;   /* counts that the grid rule goes by */
	struct nst_grid_class *grid;      /* (K) thresholds of the grid rule */
	const char *other_model;          /* file predicted by another model than the first one, or
					   * NULL */
	const char *same_model;           /* further teacher that is the first one, or NULL */
	struct nst_predbuf made;
	enum nst_carry carry;
};

/* Read all predictions.  Returns 0 or a negative code. */
int nst_filter_read(struct nst_filter *f, const char *const *paths, size_t n, struct nst_err *err)
	NST_MUST_CHECK;

/* Read n further teachers, a file each.  They must have the class table of the first and a
 * prediction of each of its rows, found by key, of the same image; what else they have does not
 * matter. */
int nst_filter_agree(struct nst_filter *f, const char *const *paths, size_t n, struct nst_err *err)
	NST_MUST_CHECK;

/* Judge each row by itself: agreement, margin, entropy, in this order, and give it the score that
 * it is ranked by.  Margin and entropy are those of the stored probabilities.  A file whose form
 * does not determine them is an error: hard labels neither; the top k the entropy only where at
 * most one class is left out, the margin from k = 2 on as well. */
int nst_filter_judge(struct nst_filter *f, const struct nst_filter_request *r, struct nst_err *err)
	NST_MUST_CHECK;

/* Decide how many copies of each row are kept, once: by the exact rules, or by the grid rule and
 * the counts of the rows that passed, or of the r->stats statistics files instead. */
int nst_filter_decide(struct nst_filter *f, const struct nst_filter_request *r,
		      const char *const *stats, struct nst_err *err) NST_MUST_CHECK;

/* Fails when nothing is kept; with statistics that may be so in one file of many, as long as they
 * promise rows elsewhere. */
int nst_filter_require_rows(const struct nst_filter *f, const struct nst_filter_request *r,
			    struct nst_err *err) NST_MUST_CHECK;

/* The reports of all classes added up; `lowest` has no meaning. */
struct nst_balance_class nst_filter_totals(const struct nst_filter *f);

/* One count of a report: what programs call it, and the text around it for people. */
struct nst_filter_count {
	const char *name, *before, *after;
	uint64_t n;
};
#define NST_FILTER_COUNTS 11

/* The counts of a report that belong to the rules of a request, and those that are always there.
 * Returns how many. */
size_t nst_filter_counts(const struct nst_filter_request *r, const struct nst_balance_class *report,
			 struct nst_filter_count out[NST_FILTER_COUNTS]);

/* The same as a line, "6 read, 1 below the threshold, ...", of at most size - 1 bytes; returns
 * out. */
char *nst_filter_line(const struct nst_filter_request *r, const struct nst_balance_class *report,
		      char *out, size_t size);

/* Write what was decided: one selection, or into a stream one for each input image. */
int nst_filter_write(struct nst_filter *f, int stream, struct nst_out *out, struct nst_err *err)
	NST_MUST_CHECK;

/* Count the rows that passed their own judgement, and write these statistics. */
int nst_filter_write_counts(struct nst_filter *f, struct nst_out *out, struct nst_err *err)
	NST_MUST_CHECK;

void nst_filter_release(struct nst_filter *f);

#endif
