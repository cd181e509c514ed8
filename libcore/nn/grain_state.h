/* What the plan of a grain decides and its passes use: segments, places in the arena, the small
 * arrays of operations. */
#ifndef NST_NN_GRAIN_STATE_H
#define NST_NN_GRAIN_STATE_H

#include "libcore/nn/grain.h"
#include "libcore/nn/plan.h"

struct segment {
	size_t first, end; /* operations */
	size_t chunk;      /* images, a power of two */
	size_t band;       /* lines of output at a time, of a chunk of one image; or 0 */
	size_t in_lines, out_lines; /* then of use at a time, of what its convolution reads and writes */
	int far_in, far_out; /* gradients of its input, and its output, go past the caches */
};

/* A place in the arena: of the whole grain, or of one chunk, or of the lines of use to a band. */
struct place {
	size_t offset;
	int local;
};

/* What the plan knows of an operation beyond struct nst_op. */
struct op_plan {
	size_t segment;
	size_t norm;      /* operation that normalises the output, or NST_NONE */
	size_t state;     /* offset of its small persistent arrays */
	size_t scaled_by; /* squeeze-and-excitation that scales the weights of this convolution */
	int scales;       /* it is one that does so, and leaves its input as it is */
	int frozen;       /* BN with running statistics */
	int path;         /* stochastic depth is in use here */
	int redo;         /* the backward pass forms the output again */
	int add_in;       /* gradient of `in` is added to what is there */
	int add_residual; /* the same for `residual` */
	int alias_in;     /* gradient of `in` is that of `out`, same memory */
	int alias_residual;
};

struct nst_grain_plan {
	const struct nst_net *net;
	const struct nst_kernels *k;
	size_t rows;
	size_t nsegments;
	size_t stop; /* the last segment of the backward pass */
	struct segment *segment;
	struct op_plan *op;
	/* By tensor: where it is in the forward and in the backward pass, its gradient, slopes of
	 * the activation that made it. */
	struct place *act, *again, *grad, *slope;
	size_t arena, state;      /* floats */
	size_t kernel_scratch, tensor_scratch, sum_scratch;
	size_t band; /* bytes */
	size_t widest; /* channels */
};

static inline size_t floats_of(const struct nst_tensor *t)
{
	return t->h * t->w * t->c;
}

/* Slopes are formed with the output, for activations that do not show them as relu does. */
static inline int has_slope(const struct nst_op *o)
{
	return o->kind == NST_OP_BN && o->act != NST_ACT_NONE && o->act != NST_ACT_RELU;
}

/* Does norm i feed squeeze-and-excitation?  Nothing else does. */
static inline int feeds_se(const struct nst_net *net, size_t i)
{
	return i + 1 < net->nops && net->op[i + 1].kind == NST_OP_SE;
}

/* ---- small persistent arrays of an operation ----------------------------------------------- */

/* Of a norm: statistics, what they become, gradients; sums; factors of stochastic depth. */
struct norm_state {
	float *mean, *var, *istd, *scale, *shift;
	float *slope, *offset; /* of pass 2, from its gradients */
	double *sum_a, *sum_b; /* forward: mean and M2 so far; backward: sums of dgamma and dbeta */
	float *path;
};

static inline size_t norm_state_floats(size_t c, size_t rows)
{
	return 7 * NST_ROUND16(c) + 2 * NST_ROUND16(2 * c) + NST_ROUND16(rows);
}

static inline struct norm_state norm_state(float *at, size_t c)
{
	size_t step = NST_ROUND16(c);
	float *sums = at + 7 * step;

	return (struct norm_state){
		.mean = at,
		.var = at + step,
		.istd = at + 2 * step,
		.scale = at + 3 * step,
		.shift = at + 4 * step,
		.slope = at + 5 * step,
		.offset = at + 6 * step,
		.sum_a = (double *)(void *)sums,
		.sum_b = (double *)(void *)(sums + NST_ROUND16(2 * c)),
		.path = sums + 2 * NST_ROUND16(2 * c),
	};
}

/* Of squeeze-and-excitation, for all rows: pooled input (c), middle before and after its activation
 * (squeeze), factors (c).  In the end gradients stand where `before` and the factors did. */
struct se_state {
	float *pooled, *before, *middle, *factor;
};

static inline size_t se_state_floats(size_t c, size_t squeeze, size_t rows)
{
	return 2 * NST_ROUND16(rows * c) + 2 * NST_ROUND16(rows * squeeze);
}

static inline struct se_state se_state(float *at, size_t c, size_t squeeze, size_t rows, size_t from)
{
	float *before = at + NST_ROUND16(rows * c), *middle = before + NST_ROUND16(rows * squeeze);
	struct se_state s = { at + from * c, before + from * squeeze, middle + from * squeeze,
			      middle + NST_ROUND16(rows * squeeze) + from * c };

	return s;
}

/* What the backward pass of squeeze-and-excitation works in, for the m images of a chunk: the
 * gradient of its input is that of its output * times + plus, both (m,c); `times` is that of the
 * factors at first.  Of the middle (m,squeeze). */
struct se_back {
	float *times, *plus, *middle;
};

static inline size_t se_scratch_floats(size_t m, size_t c, size_t squeeze)
{
	return 2 * NST_ROUND16(m * c) + NST_ROUND16(m * squeeze);
}

static inline struct se_back se_back(float *at, size_t m, size_t c)
{
	size_t step = NST_ROUND16(m * c);

	return (struct se_back){ at, at + step, at + 2 * step };
}

#endif
