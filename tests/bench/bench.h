/* What the benchmarks of nets share: a clock, arguments, random images in memory. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "libcore/nn/net.h"
#include "libcore/par/pool.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"
#include "libcore/util/rng.h"

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void must(int r, const struct nst_err *err)
{
	if (r < 0) {
		fprintf(stderr, "bench: %s\n", err->msg);
		exit(1);
	}
}

static inline int64_t number(int argc, char **argv, int i, int64_t otherwise)
{
	int64_t n = otherwise;

	if (i < argc && nst_parse_int(argv[i], &n) < 0) {
		fprintf(stderr, "bench: '%s' is not a number\n", argv[i]);
		exit(2);
	}
	return n;
}

/* ARCH SIZE CLASSES BATCH [THREADS [SECONDS]], and the net, pool and images they stand for. */
struct bench {
	struct nst_net *net;
	struct nst_pool *pool;
	size_t batch, classes;
	double seconds;
	float *images;
	size_t floats; /* of an image */
};

static inline void bench_init(struct bench *b, int argc, char **argv)
{
	struct nst_arch arch;
	struct nst_rng rng;
	struct nst_err err;

	if (argc < 5) {
		fprintf(stderr, "usage: %s ARCH SIZE CLASSES BATCH [THREADS [SECONDS]]\n", argv[0]);
		exit(2);
	}
	b->classes = (size_t)number(argc, argv, 3, 0);
	b->batch = (size_t)number(argc, argv, 4, 0);
	b->seconds = (double)number(argc, argv, 6, 4);
	must(nst_arch_find(argv[1], &arch, &err), &err);
	must(nst_net_new(&arch, (size_t)number(argc, argv, 2, 0), b->classes, &b->net, &err), &err);
	must(nst_pool_new((unsigned)number(argc, argv, 5, 0), &b->pool, &err), &err);
	b->floats = b->net->size * b->net->size * 3;
	b->images = nst_alloc(b->batch * b->floats, sizeof(*b->images), &err);
	must(b->images ? 0 : err.code, &err);
	nst_rng_init(&rng, 0, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < b->batch * b->floats; i++)
		b->images[i] = (float)nst_rng_normal(&rng);
}

static inline int bench_load(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct bench *b = ctx;

	(void)worker;
	(void)err;
	memcpy(dst, b->images + row * b->floats, b->floats * sizeof(*dst));
	return 0;
}

/* "IMAGES-A-SECOND MIB MACS": the result, the most memory the process had, and the multiply-adds that
 * the mathematics of an image asks for, 0 where they are not what limits. */
static inline void bench_print(double images, double seconds, double macs)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("%.1f %.0f %.0f\n", images / seconds, (double)usage.ru_maxrss / 1024, macs);
}

static inline void bench_release(struct bench *b)
{
	nst_pool_free(b->pool);
	nst_net_free(b->net);
	free(b->images);
}

#endif
