/* Products of bfloat16: by the CPU's own instruction, or else by the float32 product of the table at
 * hand.
 *
 * The product of two bfloat16 is exact in float32, so rounded terms make the float32 product what the
 * instruction computes, once the terms of each pair are exchanged: that adds the odd one first.  It
 * is compiled for the baseline and the only way to bf16_avx512.c. */
#include "libcore/nn/kernels/bf16.h"

#include "libcore/nn/kernels/tables.h"

enum { ROWS = 96 }; /* rounded at a time: whole tiles of every table */

/* Does this table go by the instruction here? */
static int has_instruction(const struct nst_kernels *t)
{
#if defined(__x86_64__)
	return t == &nst_kernels_avx512 && __builtin_cpu_supports("avx512bf16");
#else
	(void)t;
	return 0;
#endif
}

static size_t even(size_t k)
{
	return k + k % 2;
}

/* Row p of a product is row p ^ 1 of the matrix, rounded; the one beyond an odd k is 0. */
static void exchange_rows(size_t k, size_t n, const float *b, size_t ldb, float *to)
{
	for (size_t p = 0; p < even(k); p++)
		for (size_t j = 0; j < n; j++)
			*to++ = (p ^ 1) < k ? nst_bf16_round(b[(p ^ 1) * ldb + j]) : 0.0f;
}

/* The same of rows [first, first+rows) of a, times their factors. */
static void exchange_columns(const struct nst_bf16_product *x, size_t first, size_t rows, float *to)
{
	for (size_t r = first; r < first + rows; r++) {
		const float *a = x->a + r * x->lda;
		const float *factor = x->factor ? x->factor + r / x->pixels * x->k : NULL;

		for (size_t p = 0; p < even(x->k); p++) {
			size_t i = p ^ 1;

			*to++ = i < x->k ? nst_bf16_round(factor ? a[i] * factor[i] : a[i]) : 0.0f;
		}
	}
}

size_t nst_bf16_pack_size(const struct nst_kernels *t, size_t k, size_t n)
{
#if defined(__x86_64__)
	if (has_instruction(t))
		return nst_bf16_avx512_pack_size(k, n);
#endif
	return t->pack_size(even(k), n) + even(k) * n; /* behind it, what is to be packed */
}

void nst_bf16_pack(const struct nst_kernels *t, size_t k, size_t n, const float *b, size_t ldb,
		   float *packed)
{
	float *rounded;

#if defined(__x86_64__)
	if (has_instruction(t)) {
		nst_bf16_avx512_pack(k, n, b, ldb, packed);
		return;
	}
#endif
	rounded = packed + t->pack_size(even(k), n);
	exchange_rows(k, n, b, ldb, rounded);
	t->pack(even(k), n, rounded, n, packed);
}

size_t nst_bf16_scratch(const struct nst_kernels *t, size_t k)
{
	return has_instruction(t) ? 0 : ROWS * even(k);
}

void nst_bf16_gemm(const struct nst_kernels *t, const struct nst_bf16_product *p, float *scratch)
{
	const size_t k = even(p->k);

#if defined(__x86_64__)
	if (has_instruction(t)) {
		nst_bf16_avx512_gemm(p);
		return;
	}
#endif
	for (size_t i = 0; i < p->m; i += ROWS) {
		size_t rows = p->m - i < ROWS ? p->m - i : ROWS;

		exchange_columns(p, i, rows, scratch);
		t->gemm(rows, p->n, k, scratch, k, 1, p->packed, p->bias, p->act, 0,
			p->c + i * p->ldc, p->ldc);
	}
}
