/* The template for AVX2; the Makefile gives this file its instruction set. */
#include "libcore/pixel/kernels/tables.h"

#define VECTOR 32
#define PASSES nst_passes_avx2
#include "libcore/pixel/kernels/passes.inc"
