/* Training speed without files: a trainer on random images in memory, as fast as it goes.
 *
 * Usage: train ARCH SIZE CLASSES BATCH [THREADS [SECONDS]]
 * Prints images a second, over whole steps after two that warm up.  The optimizer is SGD with
 * momentum, without moving average, which is what the peers are given to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libcore/nn/trainer.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"
#include "libcore/util/rng.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(int r, const struct nst_err *err)
{
	if (r < 0) {
		fprintf(stderr, "train: %s\n", err->msg);
		exit(1);
	}
}

struct images {
	const float *data;
	size_t floats; /* of an image */
};

static int load(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct images *im = ctx;

	(void)worker;
	(void)err;
	memcpy(dst, im->data + row * im->floats, im->floats * sizeof(*dst));
	return 0;
}

static int64_t number(int argc, char **argv, int i, int64_t otherwise)
{
	int64_t n = otherwise;

	if (i < argc && nst_parse_int(argv[i], &n) < 0) {
		fprintf(stderr, "train: '%s' is not a number\n", argv[i]);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct nst_train_options o;
	struct nst_step_stats stats;
	struct nst_trainer *trainer;
	struct nst_arch arch;
	struct nst_pool *pool;
	struct nst_net *net;
	struct nst_row *row;
	struct nst_rng rng;
	struct nst_err err;
	struct images im;
	size_t batch, classes, steps = 0;
	double start = 0, seconds;
	float *data;

	if (argc < 5) {
		fprintf(stderr, "usage: train ARCH SIZE CLASSES BATCH [THREADS [SECONDS]]\n");
		return 2;
	}
	classes = (size_t)number(argc, argv, 3, 0);
	batch = (size_t)number(argc, argv, 4, 0);
	seconds = (double)number(argc, argv, 6, 4);
	must(nst_arch_find(argv[1], &arch, &err), &err);
	must(nst_net_new(&arch, (size_t)number(argc, argv, 2, 0), classes, &net, &err), &err);
	must(nst_pool_new((unsigned)number(argc, argv, 5, 0), &pool, &err), &err);
	nst_train_options_init(&o, &arch);
	o.optim = (struct nst_optim){.kind = NST_OPTIM_SGD, .momentum = 0.9};
	o.ema = 0;
	o.label_smoothing = 0;
	must(nst_trainer_new(net, &o, pool, &trainer, &err), &err);

	im.floats = net->size * net->size * 3;
	data = nst_alloc(batch * im.floats, sizeof(*data), &err);
	row = nst_zalloc(batch, sizeof(*row), &err);
	must(data && row ? 0 : err.code, &err);
	im.data = data;
	nst_rng_init(&rng, 0, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < batch * im.floats; i++)
		data[i] = (float)nst_rng_normal(&rng);
	for (size_t i = 0; i < batch; i++) {
		row[i].key = i;
		row[i].weight = 1.0f / (float)batch;
		row[i].target.class = (int32_t)nst_rng_below(&rng, (uint32_t)classes);
	}
	for (size_t step = 0; step < 3 || now() - start < seconds; step++) {
		if (step == 2)
			start = now();
		must(nst_trainer_step(trainer, 1e-3, row, batch, load, &im, &stats, &err), &err);
		steps += step >= 2;
	}
	printf("%.1f\n", (double)(steps * batch) / (now() - start));

	nst_trainer_free(trainer);
	nst_pool_free(pool);
	nst_net_free(net);
	free(data);
	free(row);
	return 0;
}
