/* Philox4x32-10.  Numbers by key, never by order of arrival: see rng.h. */
#include "libcore/util/rng.h"

#include <math.h>

void nst_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3];
	uint32_t k0 = key[0], k1 = key[1];

	for (int i = 0; i < 10; i++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0;
		uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;

		c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)p1;
		c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)p0;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

/* The finaliser of SplitMix64: spreads neighbouring seeds over the key space. */
static uint64_t mix64(uint64_t x)
{
	x += 0x9E3779B97F4A7C15u;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

void nst_rng_init(struct nst_rng *r, uint64_t seed, enum nst_purpose purpose, uint32_t epoch,
		  uint64_t sample)
{
	uint64_t k = mix64(mix64(seed) ^ (uint64_t)purpose);

	r->key[0] = (uint32_t)k;
	r->key[1] = (uint32_t)(k >> 32);
	r->ctr[0] = 0;
	r->ctr[1] = epoch;
	r->ctr[2] = (uint32_t)sample;
	r->ctr[3] = (uint32_t)(sample >> 32);
	r->used = 4;
	r->has_spare = 0;
	r->spare = 0;
}

uint32_t nst_rng_u32(struct nst_rng *r)
{
	if (r->used == 4) {
		nst_philox(r->ctr, r->key, r->out);
		r->ctr[0]++;
		r->used = 0;
	}
	return r->out[r->used++];
}

uint32_t nst_rng_below(struct nst_rng *r, uint32_t n)
{
	/* Multiply-shift with rejection of the short tail (Lemire 2019). */
	uint64_t m = (uint64_t)nst_rng_u32(r) * n;

	if ((uint32_t)m < n) {
		uint32_t tail = (uint32_t)-n % n;

		while ((uint32_t)m < tail)
			m = (uint64_t)nst_rng_u32(r) * n;
	}
	return (uint32_t)(m >> 32);
}

double nst_rng_unit(struct nst_rng *r)
{
	return nst_rng_u32(r) * 0x1p-32;
}

double nst_rng_uniform(struct nst_rng *r, double lo, double hi)
{
	return lo + (hi - lo) * nst_rng_unit(r);
}

double nst_rng_normal(struct nst_rng *r)
{
	double u, v, s;

	if (r->has_spare) {
		r->has_spare = 0;
		return r->spare;
	}
	u = (nst_rng_u32(r) + 0.5) * 0x1p-32;
	v = nst_rng_unit(r) * 6.283185307179586;
	s = sqrt(-2 * log(u));
	r->spare = (float)(s * sin(v));
	r->has_spare = 1;
	return (float)(s * cos(v));
}

void nst_rng_shuffle(struct nst_rng *r, uint64_t *index, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = nst_rng_below(r, (uint32_t)i);
		uint64_t t = index[i - 1];

		index[i - 1] = index[j];
		index[j] = t;
	}
}
