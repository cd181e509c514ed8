/* Inference with noise: grains of a few rows, in parallel, forward only. */
#include "libcore/nn/noised.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/nn/grain.h"

enum {
	GRAIN_MOST = 16,         /* rows of a grain, a power of two; results do not depend on it */
	GRAIN_BYTES = 256 << 20, /* fewer rows where they would take more */
};

struct nst_noised {
	const struct nst_net *net;
	double dropout, drop_path;
	uint64_t seed;
	struct nst_pool *pool;
	size_t rows; /* of a grain */
	struct nst_grain_plan *plan;
	struct nst_pack *pack;
	struct nst_grain **grain; /* of each worker */
	float *params;            /* flat */
	/* Of the run under way. */
	size_t n;
	const uint64_t *key;
	nst_load_fn load;
	void *ctx;
	float *logits;
	struct nst_err *failure; /* the first of each grain, code 0 for none */
};

/* The plan with the most rows that memory is spent on. */
static int plan_new(struct nst_noised *x, const struct nst_kernels *k, struct nst_err *err)
{
	for (x->rows = GRAIN_MOST;; x->rows /= 2) {
		int r = nst_grain_plan_new(x->net, k, x->rows, x->drop_path > 0, SIZE_MAX, &x->plan,
					   err);

		if (r || x->rows == 1 || nst_grain_plan_bytes(x->plan) <= GRAIN_BYTES)
			return r;
		nst_grain_plan_free(x->plan);
		x->plan = NULL;
	}
}

static int prepare(struct nst_noised *x, const float *const *param, struct nst_err *err)
{
	const struct nst_net *net = x->net;
	unsigned threads = nst_pool_threads(x->pool);
	const char *why = "";
	const struct nst_kernels *k = nst_kernels_get(&why);

	if (!k)
		return nst_fail(err, NST_EINVAL, "%s", why);
	x->params = nst_alloc_aligned(net->nfloats, sizeof(*x->params), err);
	x->grain = nst_zalloc(threads, sizeof(*x->grain), err);
	if (!x->params || !x->grain || plan_new(x, k, err) || nst_pack_new(net, k, &x->pack, err))
		return err->code;
	memset(x->params, 0, net->nfloats * sizeof(*x->params));
	for (size_t i = 0; i < net->nparams; i++)
		memcpy(x->params + net->param[i].offset, param[i],
		       net->param[i].count * sizeof(*x->params));
	nst_pack_fill(x->pack, x->params, x->pool);
	for (unsigned w = 0; w < threads; w++) {
		if (nst_grain_new(x->plan, &x->grain[w], err))
			return err->code;
	}
	return 0;
}

int nst_noised_new(const struct nst_net *net, const float *const *param, double dropout,
		   double drop_path, uint64_t seed, struct nst_pool *pool, struct nst_noised **out,
		   struct nst_err *err)
{
	struct nst_noised *x = nst_zalloc(1, sizeof(*x), err);

	*out = NULL;
	if (!x)
		return err->code;
	x->net = net;
	x->dropout = dropout;
	x->drop_path = drop_path;
	x->seed = seed;
	x->pool = pool;
	if (prepare(x, param, err)) {
		nst_noised_free(x);
		return err->code;
	}
	*out = x;
	return 0;
}

void nst_noised_free(struct nst_noised *x)
{
	if (!x)
		return;
	for (unsigned w = 0; x->grain && w < nst_pool_threads(x->pool); w++)
		nst_grain_free(x->grain[w]);
	free(x->grain);
	nst_pack_free(x->pack);
	nst_grain_plan_free(x->plan);
	free(x->params);
	free(x);
}

int nst_noised_profile(struct nst_noised *x, struct nst_profile *profile, struct nst_err *err)
{
	for (unsigned w = 0; w < nst_pool_threads(x->pool); w++)
		nst_grain_profile(x->grain[w], profile, w);
	return nst_profile_net(profile, x->net, err);
}

static void grain_task(void *ctx, size_t number, unsigned worker)
{
	struct nst_noised *x = ctx;
	struct nst_grain *g = x->grain[worker];
	size_t image = x->net->size * x->net->size * 3, classes = x->net->classes;
	size_t first = number * x->rows, left = x->n - first;
	size_t n = left < x->rows ? left : x->rows;
	struct nst_err *err = &x->failure[number];

	err->code = 0;
	for (size_t i = 0; i < n; i++) {
		if (x->load(x->ctx, first + i, worker, nst_grain_input(g) + i * image, err))
			return;
		nst_grain_noise(g, i, x->seed, 0, x->key[first + i], x->dropout, x->drop_path);
	}
	nst_grain_forward(g, n, x->params, x->pack);
	memcpy(x->logits + first * classes, nst_grain_logits(g), n * classes * sizeof(*x->logits));
}

int nst_noised_run(struct nst_noised *x, size_t n, const uint64_t *key, nst_load_fn load, void *ctx,
		   float *logits, struct nst_err *err)
{
	size_t grains = (n + x->rows - 1) / x->rows;
	int r = 0;

	x->failure = nst_alloc(grains, sizeof(*x->failure), err);
	if (!x->failure)
		return err->code;
	x->n = n;
	x->key = key;
	x->load = load;
	x->ctx = ctx;
	x->logits = logits;
	nst_pool_run(x->pool, grains, grain_task, x);
	for (size_t i = 0; i < grains && r == 0; i++) {
		if (x->failure[i].code) {
			*err = x->failure[i];
			r = err->code;
		}
	}
	free(x->failure);
	return r;
}
