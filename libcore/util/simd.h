/* Which vectors are used, where there are functions for several kinds. */
#ifndef NST_UTIL_SIMD_H
#define NST_UTIL_SIMD_H

#include "libcore/util/err.h"

/* The kinds that this architecture has, the narrowest first. */
enum nst_simd {
	NST_SIMD_PLAIN, /* what every machine of the architecture has */
#if defined(__x86_64__)
	NST_SIMD_AVX2,   /* with FMA */
	NST_SIMD_AVX512, /* F, BW, DQ and VL */
#elif defined(__aarch64__)
	NST_SIMD_NEON,
#endif
	NST_SIMD_KINDS
};

/* "plain", "avx2", "avx512", "neon". */
const char *nst_simd_name(enum nst_simd kind);

/* Has this CPU got them? */
int nst_simd_runs(enum nst_simd kind);

/* The widest this CPU has, or those that NST_SIMD in the environment names: returns 0, or -1 and a
 * sentence in *why if it names none or some that this CPU cannot run; *kind is plain then. */
int nst_simd_choose(enum nst_simd *kind, const char **why) NST_MUST_CHECK;

#endif
