/* The exact rules: of each predicted class the N best rows, small classes filled up with copies
 * (Xie et al. 2020, section 3.1); or classes held between a floor and a gap (the study of ResNets
 * on CIFAR-10 of lego0901/embedded-noisystudent).  Linear time, 32 bytes a candidate, and a result
 * that does not depend on the order of the rows. */
#ifndef NST_SELECT_BALANCE_H
#define NST_SELECT_BALANCE_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/select/histogram.h"
#include "libcore/util/err.h"
#include "libcore/util/rng.h"

/* What was found out about a row by itself, before its class is looked at. */
enum nst_verdict {
	NST_PASSES,
	NST_DISAGREED, /* too few teachers name its class */
	NST_NARROW,    /* the second class is too near */
	NST_UNCERTAIN, /* its entropy is too high */
	NST_VERDICTS,
};

struct nst_candidate {
	uint64_t hash; /* of the key; breaks ties and keys the copies */
	uint64_t row;  /* index into copies[] */
	int32_t class; /* predicted, < classes */
	float confidence;
	float score;   /* the best rows of a class are those of the highest score */
	enum nst_verdict verdict;
};

struct nst_balance_rule {
	float min_confidence; /* keep rows of at least this */
	float max_confidence; /* and of at most this */
	uint32_t per_class;   /* N; 0 = no limit, no copies */
	int duplicate;        /* fill classes of fewer than N rows with copies */
	uint64_t seed;        /* which rows get the extra copy */
	uint32_t class_floor; /* F: fill classes of fewer rows with copies of their best; 0 = no.
			       * Not with duplicate */
	int level;            /* 1: cut classes by the gap */
	uint32_t class_gap;   /* G: no class has over G rows more than the smallest that has any */
};

/* What became of the rows of a class: read = failed + below + above + capped + levelled + kept. */
struct nst_balance_class {
	uint64_t read;
	uint64_t failed[NST_VERDICTS]; /* by verdict; nothing under NST_PASSES */
	uint64_t below;    /* under min_confidence */
	uint64_t above;    /* over max_confidence */
	uint64_t capped;   /* confident, but not among the N best */
	uint64_t levelled; /* among them, but over the gap */
	uint64_t kept;     /* different rows kept */
	uint64_t copies;   /* rows including copies */
	uint64_t filled;   /* of these, copies that the floor asked for */
	float lowest;      /* confidence of the least confident kept row, 0 if none */
	float highest;     /* of the most confident row read, 0 if none */
};

/* Decide about n candidates: copies[row] is set for each of them, 0 = dropped.  Those with a
 * verdict are dropped, then those outside the limits of confidence.  Of the others:
 *   - the N best of each class stay;
 *   - duplicate: a class of m < N rows gets N/m copies of each, and N%m rows, chosen by draws of
 *     (seed, hash), one more;
 *   - class_floor: a class of 0 < m < F rows gets F/m copies of each, and its F%m best rows one
 *     more;
 *   - level: of classes with more rows than the smallest that has any (after filling), plus G, so
 *     many of the best stay.  A class without rows is not the smallest, nothing can fill it.
 * The candidates are permuted and overwritten.  report has `classes` entries.  Fails on lack of
 * memory. */
int nst_balance(struct nst_candidate *c, size_t n, size_t classes,
		const struct nst_balance_rule *rule, uint32_t *copies,
		struct nst_balance_class *report, struct nst_err *err) NST_MUST_CHECK;

/* The same with thresholds of the grid rule (histogram.h), under which each row is decided alone,
 * without floor and gap; rows that are thinned out count as capped.  The candidates stay as they
 * are. */
void nst_balance_grid(const struct nst_candidate *c, size_t n, size_t classes,
		      const struct nst_grid_class *grid, const struct nst_balance_rule *rule,
		      uint32_t *copies, struct nst_balance_class *report);

/* Bring the k first candidates of the order "higher score, then smaller hash, then smaller row"
 * to the front, in no particular order.  Linear in n on average for any input. */
void nst_candidate_select(struct nst_candidate *c, size_t n, size_t k);

/* Choose `take` of n rows at random: keep[i] becomes 1 or 0.  A row's chance depends on (seed,
 * purpose, hash[i]) alone, so the choice is the same in any order, and a smaller `take` chooses a
 * subset.  take >= n keeps all. */
int nst_take(const uint64_t *hash, size_t n, size_t take, uint64_t seed, enum nst_purpose purpose,
	     uint8_t *keep, struct nst_err *err) NST_MUST_CHECK;

#endif
