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

/* exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln 2 / 2, exp(r) = 1 + r + r^2 (C2 + ... +
 * C5 r^3), where C is our own minimax fit of the relative error (1.06e-7 on the interval, less than
 * an ulp).  LN2, the float next to ln 2, is 1.9e-9 too large, which a fused r = x - n * LN2 lets
 * grow to 2.4e-7 of the result where n is 127 and to nothing where an activation is not yet flat: a
 * second term of ln 2 and a sixth power would cost every activation of every net 13 % of its time.
 * x must be between -EXP_MOST and EXP_MOST, where 2^n can be added to the exponent.  Adding ROUND to
 * a small number leaves the nearest whole number in the low bits of the sum. */
#define NST_EXP_MOST  87.0f
#define NST_EXP_LOG2E 0x1.715476p+0f
#define NST_EXP_ROUND 0x1.8p+23f
#define NST_EXP_LN2   0x1.62e430p-1f
#define NST_EXP_C2    0x1.fffdfcp-2f
#define NST_EXP_C3    0x1.5557b0p-3f
#define NST_EXP_C4    0x1.572a64p-5f
#define NST_EXP_C5    0x1.106250p-7f

/* 3x3 convolutions by F(4x4,3x3) (winograd.inc): points A and B, their powers, and one over the
 * products of differences that divide the filter's values at 0, at +-A and at +-B. */
#define NST_WINO_A          0.625f
#define NST_WINO_A2         0.390625f
#define NST_WINO_A3         0.244140625f
#define NST_WINO_B          1.25f
#define NST_WINO_B2         1.5625f
#define NST_WINO_B3         1.953125f
#define NST_WINO_A2B2       0.6103515625f
#define NST_WINO_A2_PLUS_B2 1.953125f
#define NST_WINO_N0         (1 / 0.6103515625f)
#define NST_WINO_NA         (-1 / 0.91552734375f) /* 1 / (2 A^2 (A^2 - B^2)) */
#define NST_WINO_NB         (1 / 3.662109375f)    /* 1 / (2 B^2 (B^2 - A^2)) */

/* Is a convolution done so?  It depends on the shape of an image alone, so that all tables agree:
 * there must be channels enough to pay for the spreading, no more weights (36 for 9, at most 56 MiB)
 * than some images together pay for, and at least 8 of the 16 pixels of a tile on average. */
static inline int nst_wino_fits(const struct nst_conv *s)
{
	return s->k == 3 && s->stride == 1 && s->pad_top == 1 && s->pad_left == 1 &&
	       s->ho == s->h && s->wo == s->w && s->cin >= 16 && s->cout >= 16 &&
	       s->cin * s->cout <= 640 * 640 &&
	       8 * ((s->h + 3) / 4) * ((s->w + 3) / 4) <= s->h * s->w;
}

#endif
