/* The template at the width of vec_avx2.h; the Makefile gives this file its instruction set. */
#include "libcore/nn/kernels/vec_avx2.h"

#include "libcore/nn/kernels/template.inc"
