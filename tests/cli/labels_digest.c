/* Print, for some architectures, a digest of the probabilities that nets make of pictures: resized,
 * normalised, through the net and its softmax, by the kernels that NST_SIMD names.  Pictures and weights
 * are made without a function of libm, so that all machines have the same. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcore/image/preprocess.h"
#include "libcore/nn/infer.h"
#include "libcore/select/target.h"
#include "libcore/util/rng.h"
#include "tests/cli/digest.h"

enum { ROWS = 5, CLASSES = 11, THREADS = 2 };

static void must(int rc, const struct nst_err *err)
{
	if (rc < 0) {
		fprintf(stderr, "labels_digest: %s\n", err->msg);
		exit(1);
	}
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

/* Weights with which what goes through the net keeps its size by and large. */
static void fill(const struct nst_param *p, struct nst_rng *r, float *out)
{
	const size_t fan_in = p->rank == 4 ? p->count / p->shape[3] : p->shape[0];
	const int spread = p->role == NST_PARAM_GAMMA || p->role == NST_PARAM_VAR;
	const double half = p->role == NST_PARAM_WEIGHT ? sqrt(3.0 / (double)fan_in) : 0.5;

	for (size_t i = 0; i < p->count; i++)
		out[p->offset + i] = (float)(nst_rng_uniform(r, -half, half) + (spread ? 1 : 0));
}

/* Row `row` is a picture of its own size, which comes 9 rows at a time. */
static int load(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct nst_preprocess *how = ctx;
	struct nst_preprocessor w = {0};
	const size_t high = 90 + 7 * row, wide = 110 - 5 * row;
	uint8_t *rgb = allocate(high * wide, 3);
	struct nst_rng r;
	int rc;

	(void)worker;
	nst_rng_init(&r, 1, NST_RNG_TEST, 2, row);
	for (size_t i = 0; i < 3 * high * wide; i++)
		rgb[i] = (uint8_t)(128 + 60 * (i / 200 % 3) + nst_rng_below(&r, 120));
	rc = nst_preprocess_begin(how, &w, high, wide, dst, err);
	for (size_t y = 0; rc == 0 && y < high; y += 9)
		nst_preprocess_take(&w, rgb + 3 * wide * y, y, high - y < 9 ? high - y : 9);
	nst_preprocessor_release(&w);
	free(rgb);
	return rc;
}

static void label(const char *name, size_t size, struct nst_pool *pool)
{
	float p[ROWS * CLASSES], *params, most = 0;
	struct nst_preprocess how;
	struct nst_infer *infer;
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_rng r;
	struct nst_err err;

	must(nst_arch_find(name, &arch, &err), &err);
	must(nst_net_new(&arch, size, CLASSES, &net, &err), &err);
	params = allocate(net->nfloats, sizeof(*params));
	for (size_t i = 0; i < net->nparams; i++) {
		nst_rng_init(&r, 1, NST_RNG_TEST, 1, i);
		fill(&net->param[i], &r, params);
	}
	nst_preprocess_init(&how, size);
	must(nst_infer_new(net, params, NST_FLOAT32, pool, &infer, &err), &err);
	must(nst_infer_run(infer, ROWS, load, &how, p, &err), &err);
	for (size_t i = 0; i < ROWS * CLASSES; i++)
		most = fmaxf(most, fabsf(p[i]));
	/* Logits of 4 at most: of probabilities that are all 0 or 1 a digest would say little. */
	for (size_t i = 0; i < ROWS; i++)
		nst_softmax(p + CLASSES * i, CLASSES, most / 4.0, p + CLASSES * i);
	printf("%s %016llx\n", name, (unsigned long long)digest_of(DIGEST_START, p, ROWS * CLASSES));
	nst_infer_free(infer);
	nst_net_free(net);
	free(params);
}

int main(void)
{
	struct nst_pool *pool;
	struct nst_err err;

	must(nst_pool_new(THREADS, &pool, &err), &err);
	label("efficientnet-b0", 64, pool);
	label("efficientnet-b0-32", 32, pool);
	label("resnet18", 64, pool);
	label("resnet20", 32, pool);
	nst_pool_free(pool);
	return 0;
}
