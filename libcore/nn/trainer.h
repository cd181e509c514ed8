/* Training: one call a step, the same bits for any number of threads.
 *
 * A batch is cut into grains of `grain` rows.  A worker takes a grain through loading, forward and
 * backward by itself, with batch statistics over the grain; gradients and statistics of the grains
 * are added in one fixed binary tree in grain order; the optimizer works element by element.  The
 * result depends on the rows, the grain, the seed and the CPU type alone. */
#ifndef NST_NN_TRAINER_H
#define NST_NN_TRAINER_H

#include "libcore/nn/infer.h"
#include "libcore/nn/loss.h"
#include "libcore/nn/train_options.h"
#include "libcore/util/role.h"

/* One row of a batch. */
struct nst_row {
	uint64_t key;   /* hash of the sample's key (and copy number): keys dropout and drop-path */
	uint32_t epoch; /* pass over the data; keys them too */
	enum nst_role role;
	float weight; /* factor of its cross-entropy in the loss: nst_loss_weights */
	struct nst_target target;
};

/* Of one step; sums, so that steps can be added. */
struct nst_step_stats {
	double loss; /* the loss form, without weight decay: sum of weight * cross-entropy */
	double labeled_loss, pseudo_loss; /* sums of cross-entropies */
	uint64_t labeled, pseudo;         /* rows */
	uint64_t labeled_correct;         /* rows whose largest logit is at the target's maximum */
	uint64_t pseudo_agree;            /* the same of pseudo rows */
};

/* Bytes that a trainer with these options will allocate for batches of `batch` rows.  Nothing of
 * that is allocated here. */
int nst_train_memory(const struct nst_net *net, const struct nst_train_options *o, size_t batch,
		     unsigned threads, size_t *bytes, struct nst_err *err) NST_MUST_CHECK;

struct nst_trainer;

/* New trainer with weights from nst_net_init(seed).  net and pool must outlive it.  Returns 0,
 * NST_EINVAL or NST_ENOMEM. */
int nst_trainer_new(const struct nst_net *net, const struct nst_train_options *o,
		    struct nst_pool *pool, struct nst_trainer **out,
		    struct nst_err *err) NST_MUST_CHECK;
void nst_trainer_free(struct nst_trainer *t);

/* Count time to this profile, which must outlive t, or no longer (NULL).  Returns 0 or NST_ENOMEM. */
int nst_trainer_profile(struct nst_trainer *t, struct nst_profile *profile,
			struct nst_err *err) NST_MUST_CHECK;

/* One step at learning rate lr over rows[0..n); load is called once a row, as in infer.h.  The last
 * grain may be short, but one of less than nst_net_least_grain rows is refused (no variance).
 * stats are of this step.  Returns 0; NST_EINVAL with a sentence that names the step when the loss
 * or a gradient is not finite or a target is invalid; NST_ENOMEM when a larger batch than before
 * finds no memory; or the code of load.  After a failure the state is that before the step. */
int nst_trainer_step(struct nst_trainer *t, double lr, const struct nst_row *rows, size_t n,
		     nst_load_fn load, void *ctx, struct nst_step_stats *stats,
		     struct nst_err *err) NST_MUST_CHECK;

/* Complete state.  The arrays are the trainer's live memory, each of net->nfloats floats: read them
 * to save, fill them (and set the step) to resume exactly. */
struct nst_trainer_array {
	const char *name; /* "params", "ema", "momentum", "mean_square" */
	float *data;
	size_t count;
};

enum { NST_TRAINER_ARRAYS = 4 };

/* Fill out; returns the number of arrays. */
size_t nst_trainer_arrays(struct nst_trainer *t, struct nst_trainer_array out[NST_TRAINER_ARRAYS]);
float *nst_trainer_params(struct nst_trainer *t);
float *nst_trainer_ema(struct nst_trainer *t); /* NULL when off */
/* Start the average at the present parameters, as after loading weights. */
void nst_trainer_reset_ema(struct nst_trainer *t);
uint64_t nst_trainer_step_count(const struct nst_trainer *t);
void nst_trainer_set_step_count(struct nst_trainer *t, uint64_t step);

#endif
