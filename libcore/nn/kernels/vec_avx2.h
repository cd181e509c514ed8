/* The vector of the template: 8 floats, AVX2 and FMA.
 *
 * Every width defines the same words:
 *   LANES, TABLE, TABLE_NAME   floats in a vector, symbol and name of the table
 *   GROUP, GROUPS              register tile of a matrix product: GROUPS groups of GROUP rows, by
 *                              two vectors
 *   HALF, H, h_zero ...        the same words for half a vector of HALF floats, with which such a
 *                              tile may end; where there is none, HALF is LANES and H is V
 *   v_load_n, v_store_n        the first n floats only, 1 <= n <= LANES; others are 0 or untouched
 *   v_stream, v_stream_end     v_store to a whole vector's boundary, past the caches; makes what was
 *                              streamed so far precede later stores
 *   v_fma, v_fnma              c + a * b and c - a * b, rounded once
 *   v_greater(a,b)             a > b ? a : b, so b where one is NaN; v_less likewise
 *   v_where_positive(x,then)   x > 0 ? then : 0
 *   v_times_power2(x,n)        x * 2^m, m being the low bits of n; all numbers normal */
#ifndef NST_NN_KERNELS_VEC_H
#define NST_NN_KERNELS_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 8
#define TABLE nst_kernels_avx2
#define TABLE_NAME "avx2"
/* 16 registers: 3 groups of 2 rows by 2 vectors of accumulators leave 4. */
#define GROUP  2
#define GROUPS 3
#define HALF   LANES

typedef __m256 V;

static inline V v_zero(void) { return _mm256_setzero_ps(); }
static inline V v_set1(float x) { return _mm256_set1_ps(x); }
static inline V v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, V v) { _mm256_storeu_ps(p, v); }
static inline void v_stream(float *p, V v) { _mm256_stream_ps(p, v); }
static inline void v_stream_end(void) { _mm_sfence(); }

static inline __m256i v_mask(size_t n)
{
	static const int32_t ones_then_zeros[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};

	return _mm256_loadu_si256((const __m256i *)(const void *)(ones_then_zeros + LANES - n));
}

static inline V v_load_n(const float *p, size_t n)
{
	return n == LANES ? v_load(p) : _mm256_maskload_ps(p, v_mask(n));
}

static inline void v_store_n(float *p, V v, size_t n)
{
	if (n == LANES)
		v_store(p, v);
	else
		_mm256_maskstore_ps(p, v_mask(n), v);
}

static inline V v_fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
static inline V v_fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
static inline V v_add(V a, V b) { return _mm256_add_ps(a, b); }
static inline V v_sub(V a, V b) { return _mm256_sub_ps(a, b); }
static inline V v_mul(V a, V b) { return _mm256_mul_ps(a, b); }
static inline V v_div(V a, V b) { return _mm256_div_ps(a, b); }
static inline V v_sqrt(V a) { return _mm256_sqrt_ps(a); }
static inline V v_greater(V a, V b) { return _mm256_max_ps(a, b); }
static inline V v_less(V a, V b) { return _mm256_min_ps(a, b); }

static inline V v_where_positive(V x, V then)
{
	return _mm256_and_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ), then);
}

static inline V v_times_power2(V x, V n)
{
	__m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(n), 23);

	return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}

#endif
