/* Which rows make up a training step.
 *
 * Labeled and pseudo rows are drawn from two independent endless sequences, each the concatenation
 * of one shuffle of its rows after another, keyed by (seed, pass): there are no short batches, every
 * row comes once a pass, and step t is a pure function of (seed, t), so nothing needs saving.  The
 * rows of a step are interleaved so that every run of them has its share of both kinds, unless they
 * shall stand apart. */
#ifndef NST_DATA_SAMPLER_H
#define NST_DATA_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/data/dataset.h"
#include "libcore/util/err.h"

struct nst_sampler;

struct nst_draw {
	uint64_t row;   /* of the table */
	uint32_t pass;  /* over the rows of its kind */
	enum nst_role role;
};

struct nst_sampler_options {
	size_t batch;      /* rows of the set that defines the epoch: the labeled ones, or the pseudo
			    * ones where there are no others */
	double ratio;      /* where there are both, ceil(batch * label_prob * ratio) pseudo rows */
	double label_prob; /* chance of a labeled row to count: an epoch is longer by it */
	int apart;         /* all labeled rows of a step stand before its pseudo rows */
	uint64_t seed;
};

int nst_sampler_new(struct nst_sampler **s, const struct nst_dataset *ds,
		    const struct nst_sampler_options *o, struct nst_err *err) NST_MUST_CHECK;
void nst_sampler_free(struct nst_sampler *s);

/* Rows by role in the table, and in a step. */
uint64_t nst_sampler_count(const struct nst_sampler *s, enum nst_role role);
size_t nst_sampler_share(const struct nst_sampler *s, enum nst_role role);
size_t nst_sampler_batch(const struct nst_sampler *s); /* both shares */

/* Epochs that `steps` steps make: steps * batch * label_prob / rows of the set that defines the
 * epoch; and the smallest number of steps that make at least `epochs`. */
double nst_sampler_epochs(const struct nst_sampler *s, uint64_t steps);
uint64_t nst_sampler_steps(const struct nst_sampler *s, double epochs);

/* Rows of step t into out[nst_sampler_batch]. */
void nst_sampler_draw(struct nst_sampler *s, uint64_t t, struct nst_draw *out);

/* Does a labeled row of that hash count in that pass?  Keyed by (seed, pass, hash). */
int nst_sampler_counts(const struct nst_sampler *s, uint32_t pass, uint64_t hash);

#endif
