/* What the ways to multiply bfloat16 share; bf16.c chooses. */
#ifndef NST_NN_KERNELS_BF16_H
#define NST_NN_KERNELS_BF16_H

#include <stdint.h>
#include <string.h>

#include "libcore/nn/kernels/kernels.h"

/* The 16 upper bits of x rounded to nearest, ties to even, as vcvtneps2bf16 does: subnormals become
 * zeros, NaN stays NaN. */
static inline uint32_t nst_bf16_bits(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	if ((bits & 0x7f800000) == 0)
		return bits >> 16 & 0x8000;
	if (x != x)
		return bits >> 16 | 0x40;
	return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static inline float nst_bf16_round(float x)
{
	uint32_t bits = nst_bf16_bits(x) << 16;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

#if defined(__x86_64__)
/* Only where the CPU has AVX512_BF16; as in kernels.h, without scratch. */
size_t nst_bf16_avx512_pack_size(size_t k, size_t n);
void nst_bf16_avx512_pack(size_t k, size_t n, const float *b, size_t ldb, float *packed);
void nst_bf16_avx512_gemm(const struct nst_bf16_product *p);
#endif

#endif
