/* FNV-1a of floats, 64 bits: what the programs share that print digests of results. */
#ifndef NST_TESTS_CLI_DIGEST_H
#define NST_TESTS_CLI_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGEST_START 0xcbf29ce484222325u

/* The digest with n more floats behind what it is of, each from its lowest byte on. */
static inline uint64_t digest_of(uint64_t digest, const float *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, p + i, sizeof(bits));
		for (int shift = 0; shift < 32; shift += 8)
			digest = (digest ^ (bits >> shift & 0xff)) * 0x100000001b3u;
	}
	return digest;
}

#endif
