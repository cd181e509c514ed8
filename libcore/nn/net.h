/* A net: an architecture with an input size and a number of classes, unrolled into a list of
 * operations, the activations between them, and one table of parameters.
 *
 * All parameters of a net live in one flat vector of `nfloats` floats, each tensor on a multiple of
 * 16 floats, the gaps 0.  Order of the vector:
 *   [0, ndecay)        weights and biases that decay: everything but batch norm (noisystudent rule)
 *   [ndecay, ntrain)   gamma and beta of batch norm
 *   [ntrain, nfloats)  running mean and variance of batch norm (not trained by gradients)
 * Gradients, EMA and optimizer slots are vectors of the same layout. */
#ifndef NST_NN_NET_H
#define NST_NN_NET_H

#include <stdint.h>

#include "libcore/nn/arch.h"

enum nst_param_role {
	NST_PARAM_WEIGHT,
	NST_PARAM_BIAS,
	NST_PARAM_GAMMA,
	NST_PARAM_BETA,
	NST_PARAM_MEAN,
	NST_PARAM_VAR
};

/* A tensor of the flat vector.  Shapes: convolution (KH,KW,Cin,Cout), depthwise (KH,KW,C), dense
 * (Cin,Cout), vectors (C). Names follow timm and torchvision: "blocks.0.0.conv_dw.weight",
 * "layer1.0.bn1.running_mean", "fc.bias". */
struct nst_param {
	char name[56];
	enum nst_param_role role;
	size_t rank, shape[4];
	size_t count;  /* product of shape */
	size_t offset; /* floats */
};

enum nst_op_kind {
	NST_OP_CONV,     /* out = in * param[0] */
	NST_OP_DW,       /* the same, depthwise */
	NST_OP_BN,       /* out = act(path * norm(in) + residual); gamma, beta, mean, var */
	NST_OP_SE,       /* out = in * sigmoid(W2 act(W1 mean(in) + b1) + b2); W1, b1, W2, b2 */
	NST_OP_SHORTCUT, /* out = in sub-sampled by stride, zero channels appended */
	NST_OP_MAXPOOL,  /* out = the largest of each window of in */
	NST_OP_ADD,      /* out = path * in + residual */
	NST_OP_POOL,     /* out (1,1,c) = mean over pixels of in; dropout in training */
	NST_OP_DENSE,    /* out = in * param[0] + param[1] */
};

#define NST_NONE ((size_t)-1)

struct nst_op {
	enum nst_op_kind kind;
	enum nst_act act;
	size_t in, out;      /* tensor numbers */
	size_t residual;     /* tensor number or NST_NONE (BN, ADD) */
	size_t param[4];     /* parameter numbers */
	struct nst_conv geo; /* CONV, DW, SHORTCUT, MAXPOOL; n is 0 */
	size_t squeeze;      /* SE: width of the middle */
	size_t block;        /* number of the block from 0; the stem is 0, the head the last */
	int path;            /* stochastic depth acts here, at rate drop_path * block / nblocks */
};

struct nst_tensor {
	size_t h, w, c; /* of one image */
};

struct nst_net {
	struct nst_arch arch;
	size_t size, classes;
	size_t nparams;
	struct nst_param *param; /* in the order of the net */
	size_t ndecay, ntrain, nfloats;
	size_t ncounted; /* trained parameters without gaps: the published count */
	uint64_t macs;   /* multiply-adds of convolutions and dense layers for one image */
	size_t nops;
	struct nst_op *op; /* in order of execution; the last writes the logits */
	size_t ntensors;
	struct nst_tensor *tensor; /* 0 is the input (size,size,3) */
	size_t nblocks;            /* blocks of all stages */
};

/* Build the net for size x size x 3 images (size 0: the arch's own).  Returns 0 and a net to be
 * freed, or NST_EINVAL (an input too small, no classes), NST_ELIMIT, NST_ENOMEM. */
int nst_net_new(const struct nst_arch *arch, size_t size, size_t classes, struct nst_net **out,
		struct nst_err *err) NST_MUST_CHECK;
void nst_net_free(struct nst_net *net);

/* The parameter of that name, or NULL. */
const struct nst_param *nst_net_find(const struct nst_net *net, const char *name);

/* What an operation is called: a parameter's name without its last word, "blocks.0.0.conv_dw", of
 * squeeze-and-excitation without the last two; what has no parameters by its kind and block,
 * "add.3".  out has NST_OP_NAME bytes. */
enum { NST_OP_NAME = sizeof(((struct nst_param *)0)->name) };
void nst_op_name(const struct nst_net *net, const struct nst_op *o, char *out);

/* How many entries of param[] an operation of that kind has. */
size_t nst_op_tensors(enum nst_op_kind kind);

/* Multiply-adds of an operation for one image; the sum over all is net->macs. */
uint64_t nst_op_macs(const struct nst_net *net, const struct nst_op *o);

/* Its trained parameters; the sum over all is net->ncounted. */
size_t nst_op_params(const struct nst_net *net, const struct nst_op *o);

/* Rows that batch statistics need at least: 2 where a norm has but one pixel of an image, whose
 * variance would be 0, else 1.  Norms in blocks below frozen_blocks have none (grain.h). */
size_t nst_net_least_grain(const struct nst_net *net, size_t frozen_blocks);

/* Fill the flat vector with initial values; each tensor from its own stream (seed, its number). */
void nst_net_init(const struct nst_net *net, uint64_t seed, float *params);
/* The same for one tensor, e.g. a new classifier on a loaded net. */
void nst_net_init_param(const struct nst_net *net, size_t number, uint64_t seed, float *params);

#endif
