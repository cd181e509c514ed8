/* Functions that are compiled for instruction sets which a CPU may lack are reached by way of tables, one
 * for each kind; here is decided which. */
#include "libcore/util/simd.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
	[NST_SIMD_PLAIN] = "plain",
#if defined(__x86_64__)
	[NST_SIMD_AVX2] = "avx2",
	[NST_SIMD_AVX512] = "avx512",
#elif defined(__aarch64__)
	[NST_SIMD_NEON] = "neon",
#endif
};

const char *nst_simd_name(enum nst_simd kind)
{
	return names[kind];
}

int nst_simd_runs(enum nst_simd kind)
{
#if defined(__x86_64__)
	if (kind == NST_SIMD_AVX2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	if (kind == NST_SIMD_AVX512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
		       __builtin_cpu_supports("fma");
#endif
	(void)kind;
	return 1; /* NEON, too, which every aarch64 has */
}

int nst_simd_choose(enum nst_simd *kind, const char **why)
{
	const char *wanted = getenv("NST_SIMD");
	enum nst_simd k = NST_SIMD_KINDS;

	*kind = NST_SIMD_PLAIN;
	if (!wanted || !*wanted) {
		while (!nst_simd_runs(--k))
			;
		*kind = k;
		return 0;
	}
	for (k = NST_SIMD_PLAIN; k < NST_SIMD_KINDS; k++) {
		if (strcmp(wanted, names[k]))
			continue;
		if (nst_simd_runs(k)) {
			*kind = k;
			return 0;
		}
		*why = "this CPU cannot run the kernels that NST_SIMD names";
		return -1;
	}
#if defined(__x86_64__)
	*why = "NST_SIMD must be plain, avx2 or avx512";
#elif defined(__aarch64__)
	*why = "NST_SIMD must be plain or neon";
#else
	*why = "NST_SIMD must be plain";
#endif
	return -1;
}
