/* Filtering predictions: hold all of them, decide about every row, build the selections. */
#ifndef NST_DATA_FILTER_H
#define NST_DATA_FILTER_H

#include "libcore/data/held.h"
#include "libcore/data/predbuf.h"
#include "libcore/select/balance.h"

/* Zero-initialise; release with nst_filter_release. */
struct nst_filter {
	struct nst_held in;
	struct nst_candidate *candidate;  /* (rows); consumed by nst_filter_exact */
	uint32_t *copies;                 /* (rows) the decision */
	struct nst_balance_class *report; /* (K) what became of the rows of a class */
	struct nst_histogram histogram;   /* counts that the grid rule goes by */
	struct nst_grid_class *grid;      /* (K) thresholds of the grid rule */
	const char *other_model;          /* file predicted by another model than the first one, or
					   * NULL */
	struct nst_predbuf made;
	enum nst_carry carry;
};

/* Read all predictions.  Returns 0 or a negative code. */
int nst_filter_read(struct nst_filter *f, const char *const *paths, size_t n, struct nst_err *err)
	NST_MUST_CHECK;

/* Fill the histogram from the rows themselves, or from statistics files over the same classes. */
void nst_filter_count(struct nst_filter *f);
int nst_filter_read_counts(struct nst_filter *f, const char *const *paths, size_t n,
			   struct nst_err *err) NST_MUST_CHECK;

/* Decide by the exact rule (once), or by the grid rule and the histogram. */
int nst_filter_exact(struct nst_filter *f, const struct nst_balance_rule *rule,
		     struct nst_err *err) NST_MUST_CHECK;
void nst_filter_grid(struct nst_filter *f, const struct nst_balance_rule *rule);

/* The reports of all classes added up; `lowest` has no meaning. */
struct nst_balance_class nst_filter_totals(const struct nst_filter *f);

/* Build the selection of files from..to-1, with references that start in dir.  It borrows from f
 * until the next build.  The caller puts and frees *b. */
int nst_filter_build(struct nst_filter *f, size_t from, size_t to, const char *dir,
		     struct nst_build **b, struct nst_err *err) NST_MUST_CHECK;

/* Build the statistics that the histogram holds. */
int nst_filter_build_counts(const struct nst_filter *f, struct nst_build **b, struct nst_err *err)
	NST_MUST_CHECK;

void nst_filter_release(struct nst_filter *f);

#endif
