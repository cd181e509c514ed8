/* Inference: batch norm folded into the weights, bias, activation and residual fused, tasks of a few
 * images.  The logits of an image depend on the image and the parameters alone: not on the batch it
 * came in, the number of threads, or the vector width. */
#ifndef NST_NN_INFER_H
#define NST_NN_INFER_H

#include "libcore/nn/net.h"
#include "libcore/nn/profile.h"
#include "libcore/par/pool.h"

/* Write row `row` as (size,size,3) normalised floats to dst.  Called by worker `worker` (0 to
 * threads-1), several workers at once, each row once.  Returns 0 or a code with the sentence. */
typedef int (*nst_load_fn)(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err);

/* Take the numbers (n,classes) of rows row to row + n - 1, which may be written to until it returns.
 * Called by several workers at once, each row once. */
typedef void (*nst_take_fn)(void *ctx, size_t row, size_t n, unsigned worker, float *numbers);

/* What matrix products multiply: bfloat16 rounds the operands of pointwise convolutions and of the
 * dense layer (kernels.h), sums and all the rest stay float32. */
enum nst_arithmetic { NST_FLOAT32, NST_BFLOAT16 };

struct nst_infer;

/* Prepare: folds and packs `params` (flat vector; not kept).  net and pool must outlive the result;
 * the pool does the work, so this is not to be called from a task.  Returns 0, NST_ENOMEM or
 * NST_EINVAL (NST_SIMD names a table this machine cannot run). */
int nst_infer_new(const struct nst_net *net, const float *params, enum nst_arithmetic arithmetic,
		  struct nst_pool *pool, struct nst_infer **out,
		  struct nst_err *err) NST_MUST_CHECK;

/* The same with the parameters where they lie: param[i] (i < net->nparams) has the
 * net->param[i].count floats of that parameter, in its shape.  Neither is kept. */
int nst_infer_from(const struct nst_net *net, const float *const *param,
		   enum nst_arithmetic arithmetic, struct nst_pool *pool, struct nst_infer **out,
		   struct nst_err *err) NST_MUST_CHECK;

/* Bytes that a nst_infer of this net on so many threads allocates, at most, without making one. */
int nst_infer_memory(const struct nst_net *net, enum nst_arithmetic arithmetic, unsigned threads,
		     size_t *bytes, struct nst_err *err) NST_MUST_CHECK;

/* Count the time of operations to this profile, which must outlive inf, or no longer (NULL).  Returns
 * 0 or NST_ENOMEM. */
int nst_infer_profile(struct nst_infer *inf, struct nst_profile *profile,
		      struct nst_err *err) NST_MUST_CHECK;

/* Logits (n,classes) of rows 0..n-1.  On failure the sentence is that of the first failing row. */
int nst_infer_run(struct nst_infer *inf, size_t n, nst_load_fn load, void *ctx, float *logits,
		  struct nst_err *err) NST_MUST_CHECK;

/* The same, with the logits handed on as they are made, a few rows at a time; load and take share
 * ctx.  After a failure what was taken is not all there is. */
int nst_infer_each(struct nst_infer *inf, size_t n, nst_load_fn load, nst_take_fn take, void *ctx,
		   struct nst_err *err) NST_MUST_CHECK;

void nst_infer_free(struct nst_infer *inf);

#endif
