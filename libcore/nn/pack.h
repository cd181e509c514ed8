/* Weights in the order the kernels read them: made once a step, shared by all workers. */
#ifndef NST_NN_PACK_H
#define NST_NN_PACK_H

#include "libcore/nn/net.h"
#include "libcore/par/pool.h"

struct nst_pack;

/* Memory for the packed weights of a net, with those of data gradients. */
int nst_pack_new(const struct nst_net *net, const struct nst_kernels *k, struct nst_pack **out,
		 struct nst_err *err) NST_MUST_CHECK;
void nst_pack_free(struct nst_pack *p);

/* Bytes of that memory. */
size_t nst_pack_bytes(const struct nst_net *net, const struct nst_kernels *k);

/* Pack from the flat vector `params`, operations in parallel. */
void nst_pack_fill(struct nst_pack *p, const float *params, struct nst_pool *pool);

/* Packed weight `which` (0: the first; 1: W2 of squeeze-and-excitation) of operation `op`. */
const float *nst_pack_forward(const struct nst_pack *p, size_t op, int which);
/* For conv_data_grad; NULL for a convolution of the input image. */
const float *nst_pack_gradient(const struct nst_pack *p, size_t op);

#endif
