/* The vector of the template: 4 floats, NEON of aarch64.  See vec_avx2.h for the words. */
#ifndef NST_NN_KERNELS_VEC_H
#define NST_NN_KERNELS_VEC_H

#include <arm_neon.h>
#include <stddef.h>

#define LANES 4
#define TABLE nst_kernels_neon
#define TABLE_NAME "neon"
/* 32 registers: 3 groups of 4 rows by 2 vectors of accumulators leave 8. */
#define GROUP  4
#define GROUPS 3
#define HALF   LANES

typedef float32x4_t V;

static inline V v_zero(void) { return vdupq_n_f32(0.0f); }
static inline V v_set1(float x) { return vdupq_n_f32(x); }
static inline V v_load(const float *p) { return vld1q_f32(p); }
static inline void v_store(float *p, V v) { vst1q_f32(p, v); }
static inline void v_stream(float *p, V v) { vst1q_f32(p, v); }
static inline void v_stream_end(void) {}

static inline V v_load_n(const float *p, size_t n)
{
	V v;

	if (n == LANES)
		return v_load(p);
	v = vld1q_lane_f32(p, v_zero(), 0);
	if (n > 1)
		v = vld1q_lane_f32(p + 1, v, 1);
	if (n > 2)
		v = vld1q_lane_f32(p + 2, v, 2);
	return v;
}

static inline void v_store_n(float *p, V v, size_t n)
{
	if (n == LANES) {
		v_store(p, v);
		return;
	}
	vst1q_lane_f32(p, v, 0);
	if (n > 1)
		vst1q_lane_f32(p + 1, v, 1);
	if (n > 2)
		vst1q_lane_f32(p + 2, v, 2);
}

static inline V v_fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
static inline V v_fnma(V a, V b, V c) { return vfmsq_f32(c, a, b); }
static inline V v_add(V a, V b) { return vaddq_f32(a, b); }
static inline V v_sub(V a, V b) { return vsubq_f32(a, b); }
static inline V v_mul(V a, V b) { return vmulq_f32(a, b); }
static inline V v_div(V a, V b) { return vdivq_f32(a, b); }
static inline V v_sqrt(V a) { return vsqrtq_f32(a); }
static inline V v_greater(V a, V b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline V v_less(V a, V b) { return vbslq_f32(vcltq_f32(a, b), a, b); }

static inline V v_where_positive(V x, V then)
{
	return vbslq_f32(vcgtq_f32(x, v_zero()), then, v_zero());
}

static inline V v_times_power2(V x, V n)
{
	int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(n), 23);

	return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
}

#endif
