/* The template at the width of vec_neon.h; the Makefile gives this file its instruction set. */
#include "libcore/nn/kernels/vec_neon.h"

#include "libcore/nn/kernels/template.inc"
