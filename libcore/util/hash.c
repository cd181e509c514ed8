/* The one file that sees xxhash.h. */
#include "libcore/util/hash.h"

#include <stdlib.h>
#include <xxhash.h>

struct nst_hash {
	XXH3_state_t *s64, *s128;
};

uint64_t nst_hash64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}


struct nst_hash *nst_hash_new(void)
{
	struct nst_hash *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->s64 = XXH3_createState();
	h->s128 = XXH3_createState();
	if (!h->s64 || !h->s128) {
		nst_hash_free(h);
		return NULL;
	}
	XXH3_64bits_reset(h->s64);
	XXH3_128bits_reset(h->s128);
	return h;
}

void nst_hash_add(struct nst_hash *h, const void *p, size_t n)
{
	XXH3_64bits_update(h->s64, p, n);
	XXH3_128bits_update(h->s128, p, n);
}

void nst_hash_digest(const struct nst_hash *h, uint8_t out[16])
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(h->s128));
	for (int i = 0; i < 16; i++)
		out[i] = c.digest[i];
}

uint64_t nst_hash_digest64(const struct nst_hash *h)
{
	return XXH3_64bits_digest(h->s64);
}

void nst_hash_free(struct nst_hash *h)
{
	if (!h)
		return;
	XXH3_freeState(h->s64);
	XXH3_freeState(h->s128);
	free(h);
}
