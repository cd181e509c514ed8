/* Which table runs: the widest one the CPU knows, or the one NST_SIMD names.
 *
 * The tables are compiled for instruction sets that this CPU may lack, so this file, compiled for
 * the baseline, is the only way to them. */
#include <stdlib.h>
#include <string.h>

#include "libcore/nn/kernels/tables.h"

static int cpu_runs(const struct nst_kernels *t)
{
#if defined(__x86_64__)
	if (t == &nst_kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	if (t == &nst_kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
		       __builtin_cpu_supports("fma");
#endif
	(void)t;
	return 1; /* the plain table, and NEON, which every aarch64 has */
}

/* In order of preference, the narrowest first. */
static const struct nst_kernels *const built_in[] = {
	&nst_kernels_plain,
#if defined(__x86_64__)
	&nst_kernels_avx2,
	&nst_kernels_avx512,
#elif defined(__aarch64__)
	&nst_kernels_neon,
#endif
};
#define NBUILT (sizeof(built_in) / sizeof(built_in[0]))

size_t nst_kernels_all(const struct nst_kernels *list[4])
{
	size_t n = 0;

	for (size_t i = 0; i < NBUILT; i++)
		if (cpu_runs(built_in[i]))
			list[n++] = built_in[i];
	return n;
}

const struct nst_kernels *nst_kernels_get(const char **why)
{
	const char *wanted = getenv("NST_SIMD");
	const struct nst_kernels *list[4];

	if (!wanted || !*wanted)
		return list[nst_kernels_all(list) - 1];
	for (size_t i = 0; i < NBUILT; i++) {
		if (strcmp(wanted, built_in[i]->name))
			continue;
		if (cpu_runs(built_in[i]))
			return built_in[i];
		*why = "this CPU cannot run the kernels that NST_SIMD names";
		return NULL;
	}
#if defined(__x86_64__)
	*why = "NST_SIMD must be plain, avx2 or avx512";
#elif defined(__aarch64__)
	*why = "NST_SIMD must be plain or neon";
#else
	*why = "NST_SIMD must be plain";
#endif
	return NULL;
}
