/* The template for AVX-512; the Makefile gives this file its instruction set. */
#include "libcore/pixel/kernels/tables.h"

#define VECTOR 64
#define PASSES nst_passes_avx512
#include "libcore/pixel/kernels/passes.inc"
