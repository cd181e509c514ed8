/* The tables that may be built in, and the constants that all of them share. */
#ifndef NST_NN_KERNELS_TABLES_H
#define NST_NN_KERNELS_TABLES_H

#include "libcore/nn/kernels/kernels.h"

extern const struct nst_kernels nst_kernels_plain;
#if defined(__x86_64__)
extern const struct nst_kernels nst_kernels_avx2, nst_kernels_avx512;
#elif defined(__aarch64__)
extern const struct nst_kernels nst_kernels_neon;
#endif

/* exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln 2 / 2.  LN2_HI has 9 significant bits, so
 * n * LN2_HI is exact; LN2_LO is the rest of ln 2.  exp(r) = 1 + r + r^2 (C2 + ... + C6 r^4), where
 * C is our own minimax fit of the relative error (4e-9 on the interval, a fifteenth of an ulp).
 * Below EXP_MIN the result is 0, above EXP_MAX infinity.  Adding ROUND to a small number leaves the
 * nearest whole number in the low bits of the sum. */
#define NST_EXP_MIN    -104.0f
#define NST_EXP_MAX    89.0f
#define NST_EXP_LOG2E  0x1.715476p+0f
#define NST_EXP_ROUND  0x1.8p+23f
#define NST_EXP_LN2_HI 0x1.63p-1f
#define NST_EXP_LN2_LO -0x1.bd0106p-13f
#define NST_EXP_C2     0x1.fffffcp-2f
#define NST_EXP_C3     0x1.555492p-3f
#define NST_EXP_C4     0x1.5558f2p-5f
#define NST_EXP_C5     0x1.123a20p-7f
#define NST_EXP_C6     0x1.6a23d0p-10f

#endif
