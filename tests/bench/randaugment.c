/* Speed of RandAugment on one core, on smooth random pictures in memory.
 *
 * Usage: randaugment SIZE SETTING [SECONDS]        (SETTING: n2,m9)
 * Prints images a second and the memory used in MiB. */
#include "libcore/augment/randaugment.h"
#include "libcore/pixel/resize.h"
#include "tests/bench/bench.h"

enum { PICTURES = 64 };

int main(int argc, char **argv)
{
	struct nst_resizer resizer = {0};
	struct nst_randaugment ra;
	struct nst_rng rng;
	struct nst_err err;
	uint8_t *pictures, *work, *tmp, *coarse;
	size_t size = (size_t)number(argc, argv, 1, 224), bytes = size * size * 3, done = 0;
	size_t few = size / 8 + 1;
	double seconds = (double)number(argc, argv, 3, 4), start;

	if (argc < 3) {
		fprintf(stderr, "usage: %s SIZE SETTING [SECONDS]\n", argv[0]);
		return 2;
	}
	must(nst_randaugment_parse(argv[2], size, &ra, &err), &err);
	pictures = nst_alloc(PICTURES, bytes, &err);
	work = nst_alloc(2, bytes, &err);
	coarse = nst_alloc(few * few, 3, &err);
	must(pictures && work && coarse ? 0 : err.code, &err);
	tmp = work + bytes;
	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < PICTURES; i++) {
		for (size_t j = 0; j < few * few * 3; j++)
			coarse[j] = (uint8_t)nst_rng_below(&rng, 256);
		must(nst_resize(&resizer, coarse, few, few, NULL, NST_BICUBIC, pictures + i * bytes,
				size, size, &err), &err);
	}
	start = now();
	do {
		for (size_t i = 0; i < PICTURES; i++, done++) {
			memcpy(work, pictures + i * bytes, bytes);
			nst_rng_init(&rng, 1, NST_RNG_AUGMENT, 0, done);
			nst_randaugment_apply(&ra, &rng, work, size, size, tmp);
		}
	} while (now() - start < seconds);
	bench_print((double)done, now() - start, 0);
	nst_resizer_release(&resizer);
	free(pictures);
	free(work);
	free(coarse);
	return 0;
}
