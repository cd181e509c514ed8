/* The template for vectors of 16 bytes, which SSE2 and NEON have and compilers make up elsewhere; and
 * the way to all tables. */
#include "libcore/pixel/kernels/tables.h"

#define VECTOR 16
#define PASSES nst_passes_plain
#include "libcore/pixel/kernels/passes.inc"

/* Inputs as integers, and across as bytes. */
size_t nst_passes_room(size_t span)
{
	const size_t for_across = ROWS * (3 * span + NST_PASS_SLACK) * (sizeof(int32_t) + 1);
	const size_t for_down = BLOCK * span * sizeof(int32_t);

	return for_across > for_down ? for_across : for_down;
}

const struct nst_passes *nst_passes_get(enum nst_simd kind)
{
	static const struct nst_passes *const built_in[NST_SIMD_KINDS] = {
		[NST_SIMD_PLAIN] = &nst_passes_plain,
#if defined(__x86_64__)
		[NST_SIMD_AVX2] = &nst_passes_avx2,
		[NST_SIMD_AVX512] = &nst_passes_avx512,
#elif defined(__aarch64__)
		[NST_SIMD_NEON] = &nst_passes_plain,
#endif
	};

	return built_in[kind];
}
