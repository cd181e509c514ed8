/* Inference speed of the net alone, on random images in memory.
 *
 * Usage: infer ARCH SIZE CLASSES BATCH [THREADS [SECONDS [bfloat16]]]
 * Prints images a second after two batches that warm up, and the memory used in MiB. */
#include "libcore/nn/infer.h"
#include "tests/bench/bench.h"

int main(int argc, char **argv)
{
	struct nst_infer *infer;
	struct nst_err err;
	struct bench b;
	size_t batches = 0;
	double start = 0;
	float *params, *logits;
	enum nst_arithmetic arithmetic =
		argc > 7 && strcmp(argv[7], "bfloat16") == 0 ? NST_BFLOAT16 : NST_FLOAT32;

	bench_init(&b, argc, argv);
	params = nst_alloc_aligned(b.net->nfloats, sizeof(*params), &err);
	logits = nst_alloc(b.batch, b.classes * sizeof(*logits), &err);
	must(params && logits ? 0 : err.code, &err);
	nst_net_init(b.net, 1, params);
	must(nst_infer_new(b.net, params, arithmetic, b.pool, &infer, &err), &err);
	for (size_t n = 0; n < 3 || now() - start < b.seconds; n++) {
		if (n == 2)
			start = now();
		must(nst_infer_run(infer, b.batch, bench_load, &b, logits, &err), &err);
		batches += n >= 2;
	}
	bench_print((double)(batches * b.batch), now() - start, (double)b.net->macs);
	nst_infer_free(infer);
	bench_release(&b);
	free(params);
	free(logits);
	return 0;
}
