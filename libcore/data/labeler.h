/* One or several models that label images together: probabilities of rows, without any noise unless
 * it is asked for.
 *
 * The distribution of a row is the softmax of the logits over the temperature, averaged over the
 * models in the order they were named.  It depends on the image and the models alone (with noise
 * also on the key and the seed), not on the other rows, the number of threads or the machine. */
#ifndef NST_DATA_LABELER_H
#define NST_DATA_LABELER_H

#include <stddef.h>

#include "libcore/data/classes.h"
#include "libcore/data/dataset.h"
#include "libcore/data/modelfile.h"
#include "libcore/data/noise.h"
#include "libcore/nn/infer.h"
#include "libcore/nn/profile.h"
#include "libcore/par/pool.h"

struct nst_labeler;

/* Read the models.  Their class tables must hold the same names; the order is that of the first.
 * pool must outlive the labeler. */
int nst_labeler_new(struct nst_labeler **l, const char *const *paths, size_t n,
		    enum nst_weights weights, double temperature, enum nst_arithmetic arithmetic,
		    struct nst_pool *pool, struct nst_err *err) NST_MUST_CHECK;
void nst_labeler_free(struct nst_labeler *l);

/* Put noise on every model and its input, each as its own training had it where r does not say.
 * Draws are keyed by (seed, epoch 0, sample); all models get the same.  Call it before
 * nst_labeler_profile and nst_labeler_begin. */
int nst_labeler_noise(struct nst_labeler *l, const struct nst_noise_request *r, struct nst_err *err)
	NST_MUST_CHECK;

/* Count time to this profile, which must outlive l: operations are those of the first model.  Call it
 * before nst_labeler_begin. */
int nst_labeler_profile(struct nst_labeler *l, struct nst_profile *profile, struct nst_err *err)
	NST_MUST_CHECK;

/* Class table of the first model, and the uuids of all, separated by blanks; they belong to l. */
struct nst_classes nst_labeler_classes(const struct nst_labeler *l);
const char *nst_labeler_uuids(const struct nst_labeler *l);

/* Number of models, and their images: parents of what is made with them. */
size_t nst_labeler_models(const struct nst_labeler *l);
const struct nst_image *nst_labeler_image(const struct nst_labeler *l, size_t i);

/* Tell how far it is while it works: how many rows' images have been loaded since, by all models
 * together, divided by their number.  Called now and then by the thread that calls nst_labeler_run and
 * its like, from inside of them; NULL: no longer. */
void nst_labeler_progress(struct nst_labeler *l, void (*at)(void *ctx, uint64_t rows), void *ctx);

/* Turn to the rows of a sealed table, which must outlive the calls of run that follow. */
int nst_labeler_begin(struct nst_labeler *l, const struct nst_dataset *ds, struct nst_err *err)
	NST_MUST_CHECK;

/* Rows to ask for at a time: enough for threads not to wait for the last one of them too often, few
 * enough for their probabilities not to take much memory.  No result depends on it. */
size_t nst_labeler_batch(const struct nst_labeler *l);

/* Probabilities p (n, classes) of rows first to first + n - 1. */
int nst_labeler_run(struct nst_labeler *l, uint64_t first, size_t n, float *p,
		    struct nst_err *err) NST_MUST_CHECK;

/* The same, handed on as they are made: row 0 of `take` is row `first`. */
int nst_labeler_each(struct nst_labeler *l, uint64_t first, size_t n, nst_take_fn take, void *ctx,
		     struct nst_err *err) NST_MUST_CHECK;

/* Those of any n rows. */
int nst_labeler_run_rows(struct nst_labeler *l, const uint64_t *row, size_t n, float *p,
			 struct nst_err *err) NST_MUST_CHECK;

/* What these are made of: logits (n, models, classes), not divided by the temperature, classes in
 * the order of the first model. */
int nst_labeler_logits(struct nst_labeler *l, uint64_t first, size_t n, float *logits,
		       struct nst_err *err) NST_MUST_CHECK;

/* Divide logits by another temperature > 0 from now on. */
void nst_labeler_set_temperature(struct nst_labeler *l, double temperature);
double nst_labeler_temperature(const struct nst_labeler *l);

#endif
