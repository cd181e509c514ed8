/* The tables that may be built in. */
#ifndef NST_PIXEL_KERNELS_TABLES_H
#define NST_PIXEL_KERNELS_TABLES_H

#include "libcore/pixel/kernels/passes.h"

extern const struct nst_passes nst_passes_plain;
#if defined(__x86_64__)
extern const struct nst_passes nst_passes_avx2, nst_passes_avx512;
#endif

/* What passes read and write beyond the columns of a chunk, at most. */
enum { NST_PASS_SLACK = 64 };

#endif
