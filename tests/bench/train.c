/* Training speed without files: a trainer on random images in memory, as fast as it goes.
 *
 * Usage: train ARCH SIZE CLASSES BATCH [THREADS [SECONDS]]
 * Prints images a second, over whole steps after two that warm up, and the memory used in MiB.  The
 * optimizer is SGD with momentum, without moving average, which is what the peers are given to do. */
#include "libcore/nn/grain.h"
#include "libcore/nn/trainer.h"
#include "tests/bench/bench.h"

int main(int argc, char **argv)
{
	struct nst_train_options o;
	struct nst_step_stats stats;
	struct nst_trainer *trainer;
	struct nst_row *row;
	struct nst_rng rng;
	struct nst_err err;
	struct bench b;
	size_t steps = 0;
	double start = 0;

	bench_init(&b, argc, argv);
	nst_train_options_init(&o, &b.net->arch);
	o.optim = (struct nst_optim){.kind = NST_OPTIM_SGD, .momentum = 0.9};
	o.grain = nst_grain_rows(b.batch);
	o.ema = 0;
	o.label_smoothing = 0;
	must(nst_trainer_new(b.net, &o, b.pool, &trainer, &err), &err);
	row = nst_zalloc(b.batch, sizeof(*row), &err);
	must(row ? 0 : err.code, &err);
	nst_rng_init(&rng, 0, NST_RNG_TEST, 1, 0);
	for (size_t i = 0; i < b.batch; i++) {
		row[i].key = i;
		row[i].weight = 1.0f / (float)b.batch;
		row[i].target.class = (int32_t)nst_rng_below(&rng, (uint32_t)b.classes);
	}
	for (size_t step = 0; step < 3 || now() - start < b.seconds; step++) {
		if (step == 2)
			start = now();
		must(nst_trainer_step(trainer, 1e-3, row, b.batch, bench_load, &b, &stats, &err), &err);
		steps += step >= 2;
	}
	bench_print((double)(steps * b.batch), now() - start, 3 * (double)b.net->macs);
	nst_trainer_free(trainer);
	bench_release(&b);
	free(row);
	return 0;
}
