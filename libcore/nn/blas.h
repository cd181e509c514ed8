/* The one place that knows BLAS: the matrix products of gradients of dense layers. */
#ifndef NST_NN_BLAS_H
#define NST_NN_BLAS_H

#include <stddef.h>

/* Let every call run in its caller's thread.  Call before the first product. */
void nst_blas_init(void);

/* c (m,n) = op(a) (m,k) * op(b) (k,n) [+ c], row-major, dense rows; op transposes when its flag is
 * set, so a is (k,m) and b is (n,k) then. */
void nst_blas_gemm(int a_transposed, int b_transposed, size_t m, size_t n, size_t k, const float *a,
		   const float *b, int accumulate, float *c);

#endif
