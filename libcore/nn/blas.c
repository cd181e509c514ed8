/* OpenBLAS with one thread a call: workers call it side by side, which reaches 1.9x of one core on
 * two, while its own threading is erratic at the shapes of a grain. */
#include "libcore/nn/blas.h"

#include <cblas.h>

void nst_blas_init(void)
{
	openblas_set_num_threads(1);
}

void nst_blas_gemm(int a_transposed, int b_transposed, size_t m, size_t n, size_t k, const float *a,
		   const float *b, int accumulate, float *c)
{
	cblas_sgemm(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
		    b_transposed ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1,
		    a, (blasint)(a_transposed ? m : k), b, (blasint)(b_transposed ? k : n),
		    accumulate ? 1 : 0, c, (blasint)n);
}
