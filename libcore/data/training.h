/* A training run: rows, net, trainer, validation, checkpoints, from the first step to the model.
 *
 *	nst_training_new(&t, &o, &err)
 *	nst_training_resume(t, "student.h5.ckpt", &err)            -- where that file exists
 *	while (!nst_training_done(t))
 *		if (nst_training_step(t, &epoch, &err) > 0) ...    -- an epoch ended
 *		nst_training_save(t, "student.h5.ckpt", &err)      -- at any step
 *	nst_training_build(t, &build, &err)                        -- the model
 *
 * The bytes of the model depend on the settings, the rows, the seed and the CPU type, not on the
 * number of threads or on interruptions. */
#ifndef NST_DATA_TRAINING_H
#define NST_DATA_TRAINING_H

#include <stdint.h>

#include "libcore/data/dataset.h"
#include "libcore/data/labeler.h"
#include "libcore/data/modelfile.h"
#include "libcore/data/settings.h"
#include "libcore/io/list.h"
#include "libcore/nn/profile.h"
#include "libcore/par/pool.h"

struct nst_training;

/* Everything is borrowed and must outlive the training. */
struct nst_training_options {
	const struct nst_settings *settings;
	const struct nst_dataset *rows;       /* sealed */
	const struct nst_dataset *validation; /* sealed with the classes of rows; or NULL */
	uint64_t validate_every;              /* epochs; the end is always validated */
	const struct nst_modelfile *init;     /* start from its weights; or NULL */
	int init_classifier;                  /* 0: the classifier starts anew */
	struct nst_labeler *teacher;          /* labels the pseudo rows of each step; or NULL */
	uint64_t cache;                       /* bytes for decoded images */
	int plan_only;                        /* for nst_training_plan: nothing large is allocated */
	struct nst_pool *pool;
	struct nst_profile *profile;          /* of the threads of the pool; or NULL */
};

/* What happened since the last epoch ended.  Means over rows; NaN where there were none. */
struct nst_epoch {
	double epoch;                /* position: whole but at the end of the run */
	uint64_t step;               /* steps so far */
	double lr;                   /* of its last step */
	double loss;                 /* the loss form, mean over steps */
	double labeled_loss, labeled_accuracy;
	double pseudo_loss, pseudo_agreement;
	double val_top1, val_nll;    /* NaN when not validated here */
};

/* For people: "epoch 3: loss 1.2345, labeled 1.2345 (67.89% right), ..."; returns out. */
char *nst_epoch_format(const struct nst_epoch *e, char *out, size_t size);

/* Set everything up.  Refuses unlabeled rows, a batch that leaves a grain of one row where that has
 * no statistics (nst_net_least_grain), an init that does not fit. */
int nst_training_new(struct nst_training **t, const struct nst_training_options *o,
		     struct nst_err *err) NST_MUST_CHECK;
void nst_training_free(struct nst_training *t);

/* Sentences about what is legal but probably not meant, e.g. a class without rows. */
const struct nst_list *nst_training_warnings(const struct nst_training *t);

/* Append what the run will do to lines of text: rows, steps, parameters, arithmetic, memory, and the
 * settings. */
int nst_training_plan(const struct nst_training *t, struct nst_list *lines, struct nst_err *err)
	NST_MUST_CHECK;

size_t nst_training_batch(const struct nst_training *t);        /* rows of a step */
uint64_t nst_training_steps(const struct nst_training *t);      /* in all */
uint64_t nst_training_step_count(const struct nst_training *t); /* done */
int nst_training_done(const struct nst_training *t);

/* One step.  Returns 1 with *epoch when it ended an epoch (the log then has a line more), 0, or a
 * negative code; after an error only nst_training_free may follow. */
int nst_training_step(struct nst_training *t, struct nst_epoch *epoch, struct nst_err *err)
	NST_MUST_CHECK;

/* Write the log so far to a file, atomically: tab-separated lines, the first one names the columns.
 * It has no times, so the log of a resumed run equals that of one without a break. */
int nst_training_write_log(const struct nst_training *t, const char *path, struct nst_err *err)
	NST_MUST_CHECK;

/* Write the whole state to a file, atomically; continue from one.  A file of another run is refused
 * with a sentence that says what differs.  resume must come before the first step. */
int nst_training_save(const struct nst_training *t, const char *path, struct nst_err *err)
	NST_MUST_CHECK;
int nst_training_resume(struct nst_training *t, const char *path, struct nst_err *err)
	NST_MUST_CHECK;

/* The model as it is now, with weights, moving average, settings and log; its parents are the
 * inputs and the model that training started from.  b borrows from t. */
int nst_training_build(const struct nst_training *t, struct nst_modelfile_build *b,
		       struct nst_err *err) NST_MUST_CHECK;

#endif
