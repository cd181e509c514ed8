/* Which table runs: the widest one the CPU knows, or the one NST_SIMD names.
 *
 * The tables are compiled for instruction sets that this CPU may lack, so this file, compiled for
 * the baseline, is the only way to them. */
#include "libcore/nn/kernels/tables.h"
#include "libcore/util/simd.h"

static const struct nst_kernels *const built_in[NST_SIMD_KINDS] = {
	[NST_SIMD_PLAIN] = &nst_kernels_plain,
#if defined(__x86_64__)
	[NST_SIMD_AVX2] = &nst_kernels_avx2,
	[NST_SIMD_AVX512] = &nst_kernels_avx512,
#elif defined(__aarch64__)
	[NST_SIMD_NEON] = &nst_kernels_neon,
#endif
};

size_t nst_kernels_all(const struct nst_kernels *list[4])
{
	size_t n = 0;

	for (enum nst_simd k = NST_SIMD_PLAIN; k < NST_SIMD_KINDS; k++)
		if (nst_simd_runs(k))
			list[n++] = built_in[k];
	return n;
}

const struct nst_kernels *nst_kernels_get(const char **why)
{
	enum nst_simd kind;

	return nst_simd_choose(&kind, why) < 0 ? NULL : built_in[kind];
}
