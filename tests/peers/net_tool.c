/* Runs a net of libcore/nn on raw files, for net_torch.py.
 *
 *   net_tool ARCH PAD SIZE CLASSES              print "name dim dim ... offset" of every parameter
 *   net_tool ARCH PAD SIZE CLASSES ROWS DIR     read DIR/params, DIR/images (rows,size,size,3) and
 *       DIR/dlogits (rows,classes); write DIR/infer and DIR/logits (rows,classes), DIR/grad
 *
 * All files are native floats; params and grad are flat vectors as in net.h.  PAD is same,
 * symmetric or own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/nn/blas.h"
#include "libcore/nn/grain.h"
#include "libcore/nn/infer.h"
#include "libcore/util/num.h"

static void check(int r, const struct nst_err *err)
{
	if (r) {
		fprintf(stderr, "net_tool: %s\n", err->msg);
		exit(1);
	}
}

static float *floats(size_t n)
{
	struct nst_err err;
	float *p = nst_alloc_aligned(n, sizeof(float), &err);

	check(!p, &err);
	memset(p, 0, n * sizeof(float));
	return p;
}

static void transfer(const char *dir, const char *name, int write, float *data, size_t n)
{
	char path[4096];
	FILE *f;
	size_t done;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, write ? "wb" : "rb");
	if (!f) {
		perror(path);
		exit(1);
	}
	done = write ? fwrite(data, sizeof(float), n, f) : fread(data, sizeof(float), n, f);
	if (done != n || fclose(f)) {
		fprintf(stderr, "net_tool: '%s' has not %zu floats\n", path, n);
		exit(1);
	}
}

struct source {
	const float *images;
	size_t floats;
};

static int load(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct source *s = ctx;

	(void)worker;
	(void)err;
	memcpy(dst, s->images + row * s->floats, s->floats * sizeof(float));
	return 0;
}

static size_t number(const char *text)
{
	int64_t n;

	if (nst_parse_int(text, &n) || n < 1) {
		fprintf(stderr, "net_tool: '%s' is not a count\n", text);
		exit(2);
	}
	return (size_t)n;
}

static void run(const struct nst_net *net, size_t rows, const char *dir)
{
	struct source source = { NULL, net->size * net->size * 3 };
	float *params = floats(net->nfloats), *images = floats(rows * source.floats);
	float *logits = floats(rows * net->classes), *grad = floats(net->nfloats);
	const struct nst_kernels *k = nst_kernels_get(&(const char *){ NULL });
	struct nst_pool *pool;
	struct nst_infer *inf;
	struct nst_grain_plan *plan;
	struct nst_grain *g;
	struct nst_pack *pack;
	struct nst_err err;

	transfer(dir, "params", 0, params, net->nfloats);
	transfer(dir, "images", 0, images, rows * source.floats);
	source.images = images;
	check(nst_pool_new(0, &pool, &err), &err);
	check(nst_infer_new(net, params, NST_FLOAT32, pool, &inf, &err), &err);
	check(nst_infer_run(inf, rows, load, &source, logits, &err), &err);
	transfer(dir, "infer", 1, logits, rows * net->classes);

	nst_blas_init();
	check(nst_grain_plan_new(net, k, rows, 0, 0, &plan, &err), &err);
	check(nst_grain_new(plan, &g, &err), &err);
	check(nst_pack_new(net, k, &pack, &err), &err);
	nst_pack_fill(pack, params, pool);
	memcpy(nst_grain_input(g), images, rows * source.floats * sizeof(float));
	nst_grain_forward(g, rows, params, pack);
	memcpy(logits, nst_grain_logits(g), rows * net->classes * sizeof(float));
	transfer(dir, "logits", 1, logits, rows * net->classes);
	transfer(dir, "dlogits", 0, nst_grain_logits_grad(g), rows * net->classes);
	nst_grain_backward(g, rows, params, pack, 1, grad);
	transfer(dir, "grad", 1, grad, net->nfloats);

	nst_pack_free(pack);
	nst_grain_free(g);
	nst_grain_plan_free(plan);
	nst_infer_free(inf);
	nst_pool_free(pool);
	free(grad);
	free(logits);
	free(images);
	free(params);
}

int main(int argc, char **argv)
{
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_err err;

	if (argc != 5 && argc != 7) {
		fprintf(stderr, "usage: net_tool ARCH PAD SIZE CLASSES [ROWS DIR]\n");
		return 2;
	}
	check(nst_arch_find(argv[1], &arch, &err), &err);
	if (strcmp(argv[2], "own"))
		arch.pad = strcmp(argv[2], "same") ? NST_PAD_SYMMETRIC : NST_PAD_SAME;
	check(nst_net_new(&arch, number(argv[3]), number(argv[4]), &net, &err), &err);
	if (argc == 7) {
		run(net, number(argv[5]), argv[6]);
	} else {
		for (size_t i = 0; i < net->nparams; i++) {
			const struct nst_param *p = &net->param[i];

			printf("%s", p->name);
			for (size_t d = 0; d < p->rank; d++)
				printf(" %zu", p->shape[d]);
			printf(" %zu\n", p->offset);
		}
	}
	nst_net_free(net);
	return fflush(stdout) ? 1 : 0;
}
