/* Inference with the noise of training: dropout and stochastic depth on, batch norm with its
 * running statistics.  What a noised teacher is made of (Xie et al. 2020, table 6).
 *
 * It goes by the forward pass of training (grain.h) and not by that of infer.h, whose
 * convolutions have their norms folded in.  The logits of a row depend on its image, its key, the
 * seed and the parameters alone: not on the rows beside it, the number of threads, or the vector
 * width. */
#ifndef NST_NN_NOISED_H
#define NST_NN_NOISED_H

#include "libcore/nn/infer.h"

struct nst_noised;

/* Prepare.  param as for nst_infer_from, not kept; rates in [0,1): dropout before the classifier,
 * drop_path of the block behind the last (nst_train_options).  net and pool must outlive the
 * result. Returns 0, NST_ENOMEM or NST_EINVAL. */
int nst_noised_new(const struct nst_net *net, const float *const *param, double dropout,
		   double drop_path, uint64_t seed, struct nst_pool *pool, struct nst_noised **out,
		   struct nst_err *err) NST_MUST_CHECK;
void nst_noised_free(struct nst_noised *x);

/* Count the time of operations to this profile, which must outlive x.  Returns 0 or NST_ENOMEM. */
int nst_noised_profile(struct nst_noised *x, struct nst_profile *profile,
		       struct nst_err *err) NST_MUST_CHECK;

/* Logits (n,classes) of rows 0..n-1, the noise of row i drawn for (seed, epoch 0, key[i]).  On
 * failure the sentence is that of the first failing row. */
int nst_noised_run(struct nst_noised *x, size_t n, const uint64_t *key, nst_load_fn load, void *ctx,
		   float *logits, struct nst_err *err) NST_MUST_CHECK;

#endif
