/* The vector of the template: 16 floats, AVX-512 (F, BW, DQ, VL).  See vec_avx2.h for the words. */
#ifndef NST_NN_KERNELS_VEC_H
#define NST_NN_KERNELS_VEC_H

#include <immintrin.h>
#include <stddef.h>

#define LANES 16
#define TABLE nst_kernels_avx512
#define TABLE_NAME "avx512"
/* 32 registers: 3 groups of 4 rows by 2 vectors of accumulators leave 8. */
#define GROUP  4
#define GROUPS 3
#define HALF   8

typedef __m512 V;

static inline V v_zero(void) { return _mm512_setzero_ps(); }
static inline V v_set1(float x) { return _mm512_set1_ps(x); }
static inline V v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, V v) { _mm512_storeu_ps(p, v); }
static inline void v_stream(float *p, V v) { _mm512_stream_ps(p, v); }
static inline void v_stream_end(void) { _mm_sfence(); }

static inline __mmask16 v_mask(size_t n) { return (__mmask16)((1u << n) - 1); }

static inline V v_load_n(const float *p, size_t n)
{
	return n == LANES ? v_load(p) : _mm512_maskz_loadu_ps(v_mask(n), p);
}

static inline void v_store_n(float *p, V v, size_t n)
{
	if (n == LANES)
		v_store(p, v);
	else
		_mm512_mask_storeu_ps(p, v_mask(n), v);
}

static inline V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
static inline V v_fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
static inline V v_add(V a, V b) { return _mm512_add_ps(a, b); }
static inline V v_sub(V a, V b) { return _mm512_sub_ps(a, b); }
static inline V v_mul(V a, V b) { return _mm512_mul_ps(a, b); }
static inline V v_div(V a, V b) { return _mm512_div_ps(a, b); }
static inline V v_sqrt(V a) { return _mm512_sqrt_ps(a); }
static inline V v_greater(V a, V b) { return _mm512_max_ps(a, b); }
static inline V v_less(V a, V b) { return _mm512_min_ps(a, b); }

static inline V v_where_positive(V x, V then)
{
	return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), then);
}

static inline V v_times_power2(V x, V n)
{
	__m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(n), 23);

	return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), exponent));
}

/* Half a vector: half the work of a multiplier. */
typedef __m256 H;

static inline H h_zero(void) { return _mm256_setzero_ps(); }
static inline H h_set1(float x) { return _mm256_set1_ps(x); }
static inline H h_load(const float *p) { return _mm256_loadu_ps(p); }
static inline H h_add(H a, H b) { return _mm256_add_ps(a, b); }
static inline H h_fma(H a, H b, H c) { return _mm256_fmadd_ps(a, b, c); }

static inline H h_load_n(const float *p, size_t n)
{
	return n == HALF ? h_load(p) : _mm256_maskz_loadu_ps((__mmask8)v_mask(n), p);
}

static inline void h_store_n(float *p, H v, size_t n)
{
	if (n == HALF)
		_mm256_storeu_ps(p, v);
	else
		_mm256_mask_storeu_ps(p, (__mmask8)v_mask(n), v);
}

#endif
