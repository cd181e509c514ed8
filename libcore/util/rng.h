/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011).
 *
 * A generator is a pure function of (seed, purpose, epoch, sample), so a number never depends on
 * the order in which samples arrive, on the thread or on the rank that draws it. */
#ifndef NST_UTIL_RNG_H
#define NST_UTIL_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What the numbers are for; keeps streams with one seed apart.  Never renumber. */
enum nst_purpose {
	NST_RNG_SPLIT = 1,    /* nst-pack --take, --stratify */
	NST_RNG_COPIES = 2,   /* nst-filter: which rows are duplicated */
	NST_RNG_ORDER = 3,    /* order of rows in an epoch */
	NST_RNG_MIX = 4,      /* nst-mix: sub-sampling, order */
	NST_RNG_INIT = 5,     /* initial weights; sample = tensor number */
	NST_RNG_AUGMENT = 6,  /* crop, flip, RandAugment; sample = key hash */
	NST_RNG_DROPOUT = 7,  /* dropout; sample = key hash */
	NST_RNG_DROPPATH = 8, /* stochastic depth; sample = key hash */
	NST_RNG_CORRUPT = 9,  /* nst-corrupt */
	NST_RNG_DEMO = 10,    /* the demo's image generator */
	NST_RNG_MIXUP = 11,   /* mixup, cutmix; sample = key hash */
	NST_RNG_LABELS = 12,  /* which labeled rows count in the loss; sample = key hash */
	NST_RNG_TEST = 99,
};

struct nst_rng {
	uint32_t key[2];  /* from seed and purpose */
	uint32_t ctr[4];  /* block, epoch, sample low, sample high */
	uint32_t out[4];  /* current block */
	unsigned used;    /* of out[] */
	float spare;      /* second normal of a pair */
	int has_spare;
};

/* Start the stream of (seed, purpose, epoch, sample).  Caller's memory; nothing to release. */
void nst_rng_init(struct nst_rng *r, uint64_t seed, enum nst_purpose purpose, uint32_t epoch,
		  uint64_t sample);

uint32_t nst_rng_u32(struct nst_rng *r);                  /* uniform over 2^32 */
uint32_t nst_rng_below(struct nst_rng *r, uint32_t n);    /* uniform in [0,n), unbiased; n > 0 */
double nst_rng_unit(struct nst_rng *r);                   /* uniform in [0,1), 32 bits */
double nst_rng_uniform(struct nst_rng *r, double lo, double hi);
double nst_rng_normal(struct nst_rng *r);                 /* mean 0, deviation 1 (Box-Muller) */

/* The raw block function, for tests against the published vectors. */
void nst_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/* Fisher-Yates shuffle of n indices in place. */
void nst_rng_shuffle(struct nst_rng *r, uint64_t *index, size_t n);

#endif
