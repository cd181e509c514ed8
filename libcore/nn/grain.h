/* One grain of a training batch: forward with its own batch statistics, backward to gradients of
 * all parameters, in one worker's memory.  Used by trainer.c and by tests. */
#ifndef NST_NN_GRAIN_H
#define NST_NN_GRAIN_H

#include "libcore/nn/net.h"
#include "libcore/nn/pack.h"
#include "libcore/nn/profile.h"

/* Rows of a grain for steps of that many rows, where the user names none: 32, but half of 32 to 63
 * rows, so that two threads have work. */
size_t nst_grain_rows(size_t rows);

/* What all workers share: where every activation and gradient lies. */
struct nst_grain_plan;

/* Plan for grains of up to `rows` rows.  paths: whether stochastic depth will be used.  Batch norm
 * in blocks below frozen_blocks (the stem counts with block 0; SIZE_MAX: everywhere) works with its
 * running statistics, as in inference.  net must outlive the plan. */
int nst_grain_plan_new(const struct nst_net *net, const struct nst_kernels *k, size_t rows,
		       int paths, size_t frozen_blocks, struct nst_grain_plan **out,
		       struct nst_err *err) NST_MUST_CHECK;
void nst_grain_plan_free(struct nst_grain_plan *p);

/* Let the backward pass end at this block (the stem counts with block 0): gradients of parameters
 * of blocks before it are not formed, their places in the vector mean nothing. */
void nst_grain_plan_stop(struct nst_grain_plan *p, size_t block);

/* Bytes of one nst_grain. */
size_t nst_grain_plan_bytes(const struct nst_grain_plan *p);

struct nst_grain;

int nst_grain_new(const struct nst_grain_plan *p, struct nst_grain **out,
		  struct nst_err *err) NST_MUST_CHECK;
void nst_grain_free(struct nst_grain *g);

/* Where the caller writes the images (rows,size,size,3), reads the logits (rows,classes) after
 * forward and writes the gradient of the logits before backward. */
float *nst_grain_input(struct nst_grain *g);
const float *nst_grain_logits(const struct nst_grain *g);
float *nst_grain_logits_grad(struct nst_grain *g);

/* Draw the noise of one row: which blocks it skips and which inputs of the classifier it loses.
 * Keyed by (seed, epoch, key).  Rows never given noise have none. */
void nst_grain_noise(struct nst_grain *g, size_t row, uint64_t seed, uint32_t epoch, uint64_t key,
		     double dropout, double drop_path);

/* Count the time of operations to this worker of a profile, or no longer (NULL). */
void nst_grain_profile(struct nst_grain *g, struct nst_profile *profile, unsigned worker);

/* Logits of rows [0,n). */
void nst_grain_forward(struct nst_grain *g, size_t n, const float *params,
		       const struct nst_pack *pack);

/* Gradients of all trained parameters into grad (flat vector, overwritten; gaps are left alone),
 * and in the places of running mean and variance the statistics of this grain (biased variance)
 * times `share`; frozen norms put their running statistics there.  Needs the forward pass just
 * done. */
void nst_grain_backward(struct nst_grain *g, size_t n, const float *params,
			const struct nst_pack *pack, double share, float *grad);

#endif
