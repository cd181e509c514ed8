/* What the files of a training run share: its state, and what each of them does for the others.
 * Others see libcore/data/training.h. */
#ifndef NST_DATA_TRAINING_STATE_H
#define NST_DATA_TRAINING_STATE_H

#include "libcore/data/loader.h"
#include "libcore/data/sampler.h"
#include "libcore/data/training.h"

/* Sums over the steps of the epoch in progress. */
struct nst_training_sums {
	struct nst_step_stats stats;
	uint64_t steps;
};

struct nst_training {
	struct nst_training_options o;
	struct nst_settings full; /* those of o with the grain */
	struct nst_train_options working; /* for steps of that size */
	struct nst_net *net;
	struct nst_trainer *trainer;
	struct nst_sampler *sampler;
	struct nst_loader *loader;
	struct nst_draw *draw; /* rows of a step ... */
	struct nst_row *row;
	float *soft;           /* ... and room for their targets */
	uint64_t *asked;       /* rows that the teacher is asked about */
	float *answer;
	double role_weight[2];
	struct nst_loss_means means;
	struct nst_schedule schedule; /* over the epochs that whole steps make */
	double skipped;               /* epochs of it before the first step */
	uint64_t steps, step;
	struct nst_training_sums sums;
	struct nst_list settings, log, warnings;
};

/* training_check.c: what rows, options, the model to start from and the net say together.  A sentence
 * for what makes no sense, a warning for what is worth one.  The first looks at the rows alone, the
 * second needs net and sampler, and settles the grain. */
int nst_training_check_rows(struct nst_training *t, struct nst_err *err) NST_MUST_CHECK;
int nst_training_check_settings(struct nst_training *t, struct nst_err *err) NST_MUST_CHECK;

#endif
