/* XXH3-64 and -128 (libxxhash): checksums of samples and datasets, uuids, key hashes. */
#ifndef NST_UTIL_HASH_H
#define NST_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64, seed 0, of n bytes: the `checksum` of the format. */
uint64_t nst_hash64(const void *p, size_t n);

/* Running XXH3-128; free(NULL) is allowed.  new returns NULL on lack of memory. */
struct nst_hash;
struct nst_hash *nst_hash_new(void);
void nst_hash_add(struct nst_hash *h, const void *p, size_t n);
void nst_hash_digest(const struct nst_hash *h, uint8_t out[16]); /* big-endian (canonical) */
uint64_t nst_hash_digest64(const struct nst_hash *h);            /* XXH3-64 of the same bytes */
void nst_hash_free(struct nst_hash *h);

#endif
