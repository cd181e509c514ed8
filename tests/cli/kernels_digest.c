/* Print, for each table of kernels that this CPU can run, a digest of what the forward functions
 * make of fixed inputs: the same number for every table, compiler and machine. */
#include <stdio.h>
#include <stdlib.h>

#include "libcore/nn/kernels/kernels.h"
#include "libcore/util/rng.h"
#include "tests/cli/digest.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const enum nst_act acts[] = {NST_ACT_NONE, NST_ACT_RELU, NST_ACT_SWISH, NST_ACT_SIGMOID};

static uint64_t digest;

static void digest_add(const float *p, size_t n)
{
	digest = digest_of(digest, p, n);
}

/* n floats of stream `number`, uniform in [-2,2), which takes no function of libm to make. */
static float *block(size_t n, uint64_t number)
{
	float *p = malloc((n + 1) * sizeof(*p));
	struct nst_rng r;

	if (!p)
		abort();
	nst_rng_init(&r, 1, NST_RNG_TEST, 0, number);
	for (size_t i = 0; i < n; i++)
		p[i] = (float)nst_rng_uniform(&r, -2, 2);
	return p;
}

static void add_gemm(const struct nst_kernels *k, size_t m, size_t n, size_t terms, int transposed,
		     enum nst_act act)
{
	float *a = block(m * terms, 1), *b = block(terms * n, 2), *bias = block(n, 3);
	float *c = block(m * n, 4), *packed = block(k->pack_size(terms, n), 5);

	k->pack(terms, n, b, n, packed);
	k->gemm(m, n, terms, a, transposed ? 1 : terms, transposed ? m : 1, packed, bias, act,
		transposed, c, n);
	digest_add(c, m * n);
	free(a);
	free(b);
	free(c);
	free(bias);
	free(packed);
}

static void add_conv(const struct nst_kernels *k, const struct nst_conv *s, int depthwise,
		     enum nst_act act)
{
	size_t ny = s->n * s->ho * s->wo * s->cout;
	float *x = block(s->n * s->h * s->w * s->cin, 1), *y = block(ny, 2);
	float *bias = block(s->cout, 3);
	float *w = block(s->k * s->k * s->cin * (depthwise ? 1 : s->cout), 4);
	float *packed = block(k->conv_pack_size(s), 5);
	float *scratch = block(depthwise ? k->dw_scratch(s) : k->conv_scratch(s, 0), 6);

	if (depthwise) {
		k->dw_forward(s, x, w, bias, act, y, scratch);
	} else {
		k->conv_pack(s, w, packed);
		k->conv_forward(s, x, packed, bias, act, y, scratch);
	}
	digest_add(y, ny);
	free(x);
	free(y);
	free(w);
	free(bias);
	free(packed);
	free(scratch);
}

static void add_passes(const struct nst_kernels *k, size_t pixels, size_t c, enum nst_act act)
{
	const float path[3] = {1.25f, 0.0f, 1.25f};
	const struct nst_bn bn = {.n = 3, .pixels = pixels, .c = c, .act = act, .path = path};
	size_t n = 3 * pixels * c;
	float *x = block(n, 1), *y = block(n, 2), *residual = block(n, 3), *scale = block(3 * c, 4);

	k->bn_forward(&bn, x, scale, scale + c, residual, y);
	digest_add(y, n);
	k->scale_channels(3, pixels, c, x, scale, y);
	digest_add(y, n);
	k->mean_pool(3, pixels, c, x, y);
	digest_add(y, 3 * c);
	for (size_t i = 0; i < n; i++)
		x[i] *= 30.0f;
	k->act_forward(n, act, x, y);
	digest_add(y, n);
	for (size_t i = 0; i < n; i++)
		y[i] = nst_expf(x[i]);
	digest_add(y, n);
	free(x);
	free(y);
	free(residual);
	free(scale);
}

int main(void)
{
	static const struct nst_conv dense[] = {
		{2, 9, 11, 3, 9, 11, 17, 3, 1, 1, 1, NULL},  {2, 8, 8, 24, 4, 4, 40, 3, 2, 0, 0, NULL},
		{2, 7, 5, 16, 7, 5, 33, 1, 1, 0, 0, NULL},   {3, 8, 8, 9, 4, 4, 16, 1, 2, 0, 0, NULL},
		{1, 70, 70, 8, 70, 70, 5, 3, 1, 1, 1, NULL}, {1, 12, 13, 5, 6, 7, 20, 5, 2, 1, 2, NULL},
		{3, 9, 14, 20, 9, 14, 37, 3, 1, 1, 1, NULL}, {30, 8, 8, 64, 8, 8, 64, 3, 1, 1, 1, NULL},
	};
	static const struct nst_conv depthwise[] = {
		{2, 9, 11, 40, 9, 11, 40, 3, 1, 1, 1, NULL}, {3, 2, 2, 70, 2, 2, 70, 5, 1, 2, 2, NULL},
		{2, 8, 8, 24, 4, 4, 24, 5, 2, 1, 1, NULL},   {3, 1, 1, 33, 1, 1, 33, 3, 1, 1, 1, NULL},
	};
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	for (size_t t = 0; t < tables; t++) {
		digest = DIGEST_START;
		for (size_t a = 0; a < COUNT(acts); a++) {
			add_gemm(list[t], 31, 45, 500, 0, acts[a]);
			add_gemm(list[t], 13, 70, 300, 1, acts[a]);
			for (size_t i = 0; i < COUNT(dense); i++)
				add_conv(list[t], &dense[i], 0, acts[a]);
			for (size_t i = 0; i < COUNT(depthwise); i++)
				add_conv(list[t], &depthwise[i], 1, acts[a]);
			add_passes(list[t], 5, 37, acts[a]);
			add_passes(list[t], 21, 70, acts[a]);
		}
		printf("%-6s %016llx\n", list[t]->name, (unsigned long long)digest);
	}
	return 0;
}
