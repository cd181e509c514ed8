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
#include "libcore/nn/mixup.h"
#include "libcore/nn/optim.h"
#include "libcore/util/role.h"

/* One row of a batch. */
struct nst_row {
	uint64_t key;   /* hash of the sample's key (and copy number): keys dropout and drop-path */
	uint32_t epoch; /* pass over the data; keys them too */
	enum nst_role role;
	float weight; /* factor of its cross-entropy in the loss: nst_loss_weights */
	struct nst_target target;
};

struct nst_train_options {
	size_t grain; /* rows, >= nst_net_least_grain; 32 */
	uint64_t seed;
	double dropout;         /* rate before the classifier, 0 <= rate < 1 */
	double drop_path;       /* rate of the block behind the last; block b has rate*b/nblocks */
	int calm_pseudo;        /* 1: neither of the two acts on pseudo-labeled rows */
	double label_smoothing; /* of classes as targets, labeled and pseudo (main.py) */
	int smooth_pseudo;      /* 0: hard pseudo labels are not smoothed */
	double temperature;     /* of soft targets, 1 */
	struct nst_optim optim;
	double ema; /* decay of the moving average, 0 = none; see nst_ema_decay */
	struct nst_mixup mixup;
	double clip; /* limit of the gradient, 0 = none */
	enum nst_clip_mode clip_mode;
	/* The stem and blocks before this one keep their weights, and their batch norm works with
	 * its running statistics, which stay as they are (noisystudent's fix_layer_num); 0 = none. */
	size_t freeze;
	/* Running statistics of batch norm are those of grains of labeled rows alone: a grain must
	 * then hold rows of one role. */
	int labeled_stats;
};

/* Options as the architecture's authors have them, a start to be overridden: grain 32, seed 0,
 * label smoothing 0.1, temperature 1, rates of the arch; EfficientNet RMSProp, weight decay 1e-5,
 * EMA .9999 (noisystudent main.py); ResNet SGD 1e-4, WideResNet Nesterov 5e-4, no EMA. */
void nst_train_options_init(struct nst_train_options *o, const struct nst_arch *arch);

/* The grain for steps of that many rows, where the user names none: 32, but half of 32 to 63 rows,
 * so that two threads have work. */
size_t nst_train_grain(size_t rows);

/* Of one step; sums, so that steps can be added. */
struct nst_step_stats {
	double loss; /* the loss form, without weight decay: sum of weight * cross-entropy */
	double labeled_loss, pseudo_loss; /* sums of cross-entropies */
	uint64_t labeled, pseudo;         /* rows */
	uint64_t labeled_correct;         /* rows whose largest logit is at the target's maximum */
	uint64_t pseudo_agree;            /* the same of pseudo rows */
};

/* Bytes that a trainer with these options will allocate for batches of `batch` rows.  Nothing of that
 * is allocated here. */
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
