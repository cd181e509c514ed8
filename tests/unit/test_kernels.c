/* Every table of kernels against the plain one, and the plain one against mathematics.
 *
 * Where kernels.h promises the same bits, results are compared with memcmp; gradients may differ by
 * a few roundings of the sum of the absolute values of their terms, which the plain kernels compute
 * from absolute inputs.  Outputs, packed filters and scratch start as NaN, and all blocks are of
 * exact size, so a float that is not written or not owned shows (the latter under ASan). */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libcore/nn/kernels/kernels.h"
#include "libcore/nn/kernels/tables.h"
#include "libcore/util/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct nst_kernels *tables[4];
static size_t ntables;
#define PLAIN (tables[0])

static const enum nst_act acts[] = {NST_ACT_NONE, NST_ACT_RELU, NST_ACT_SWISH, NST_ACT_SIGMOID};
static const size_t channels[] = {1, 3, 5, 8, 16, 17, 24, 33, 40, 70};

/* ---- blocks --------------------------------------------------------------------------------- */

/* Blocks of a test are freed together. */
static void *blocks[256];
static size_t nblocks;

static void *keep(void *p)
{
	assert_non_null(p);
	assert_true(nblocks < COUNT(blocks));
	blocks[nblocks++] = p;
	return p;
}

static void drop_all(void)
{
	while (nblocks)
		free(blocks[--nblocks]);
}

/* n floats of NaN. */
static float *blank(size_t n)
{
	float *p = keep(malloc(n ? n * sizeof(*p) : 1));

	memset(p, 0xff, n * sizeof(*p));
	return p;
}

static float *copy_of(const float *from, size_t n)
{
	float *p = blank(n);

	memcpy(p, from, n * sizeof(*p));
	return p;
}

static struct nst_rng rng;

static float *random_block(size_t n)
{
	float *p = blank(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (float)nst_rng_normal(&rng);
	return p;
}

static float *absolute(const float *from, size_t n)
{
	float *p = blank(n);

	for (size_t i = 0; i < n; i++)
		p[i] = fabsf(from[i]);
	return p;
}

static char what[200]; /* the case at hand, for messages */

static void same_bits(const float *got, const float *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(got + i, want + i, sizeof(*got)))
			fail_msg("%s: element %zu is %.9g, not %.9g", what, i, got[i], want[i]);
}

/* |got - want| <= eps * size, where size is the sum of the absolute terms. */
static void near_by(const float *got, const float *want, const float *size, size_t n, double eps)
{
	for (size_t i = 0; i < n; i++) {
		double bound = eps * (fabs((double)size[i]) + 1e-30);

		if (!(fabs((double)got[i] - want[i]) <= bound))
			fail_msg("%s: element %zu is %.9g, not %.9g (allowed %g)", what, i, got[i],
				 want[i], bound);
	}
}

static int setup(void **state)
{
	(void)state;
	ntables = nst_kernels_all(tables);
	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drop_all();
	return 0;
}

/* ---- choice of the table -------------------------------------------------------------------- */

static void test_choice(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_true(ntables >= 1 && ntables <= 4);
	assert_string_equal(PLAIN->name, "plain");
	for (size_t t = 0; t < ntables; t++) {
		setenv("NST_SIMD", tables[t]->name, 1);
		assert_ptr_equal(nst_kernels_get(&why), tables[t]);
	}
	assert_null(why);
	setenv("NST_SIMD", "", 1);
	assert_ptr_equal(nst_kernels_get(&why), tables[ntables - 1]);
	setenv("NST_SIMD", "mmx", 1);
	assert_null(nst_kernels_get(&why));
	assert_non_null(why);
	unsetenv("NST_SIMD");
	assert_ptr_equal(nst_kernels_get(&why), tables[ntables - 1]);
}

/* ---- exp and activations -------------------------------------------------------------------- */

static float from_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

/* Distance to the next larger float. */
static double ulp_of(double x)
{
	float f = (float)fabs(x);

	return (double)nextafterf(f, INFINITY) - f;
}

static void test_exp(void **state)
{
	double worst = 0;

	(void)state;
	/* A prime step through all floats of either sign. */
	for (uint32_t bits = 0; bits < 0xff800000u - 1009; bits += 1009) {
		float x = from_bits(bits), got;
		double want, error;

		if (!(fabsf(x) <= 87.0f))
			continue;
		got = nst_expf(x);
		want = exp((double)x);
		/* ln 2 is a float, 1.9e-9 off, and is taken |x| / ln 2 times. */
		error = fabs((double)got - want) - fabs(x) / 0.693 * 1.91e-9 * want;
		error /= ulp_of(want);
		worst = error > worst ? error : worst;
	}
	assert_true(worst <= 3.0);
	assert_true(nst_expf(0.0f) == 1.0f && nst_expf(-0.0f) == 1.0f);
	assert_true(nst_expf(-INFINITY) == nst_expf(-87.0f) && nst_expf(1e30f) == nst_expf(87.0f));
	assert_true(isnan(nst_expf(NAN)));
}

static double ideal_act(enum nst_act act, double x)
{
	switch (act) {
	case NST_ACT_RELU:
		return x > 0 ? x : 0;
	case NST_ACT_SWISH:
		return x / (1 + exp(-x));
	case NST_ACT_SIGMOID:
		return 1 / (1 + exp(-x));
	default:
		return x;
	}
}

static void test_act(void **state)
{
	const size_t n = 4099;
	float *x = random_block(n), *dy = random_block(n);

	(void)state;
	for (size_t i = 0; i < n; i++)
		x[i] *= 0.02f * (float)(i % 1024) + 0.01f;
	x[0] = 0.0f;
	x[1] = -0.0f;
	x[2] = 88.5f;
	x[3] = -88.5f;
	x[4] = 1000.0f;
	x[5] = -1000.0f;
	x[6] = -87.0f;
	x[7] = 1e-40f;
	x[8] = 3e38f;
	for (size_t a = 0; a < COUNT(acts); a++) {
		float *want = blank(n), *slope = blank(n);

		snprintf(what, sizeof(what), "act %d plain", acts[a]);
		PLAIN->act_forward(n, acts[a], x, want);
		PLAIN->act_backward(n, acts[a], x, dy, slope);
		for (size_t i = 0; i < n; i++) {
			double v = x[i], h = 1e-5 * (1 + fabs(v)), ideal = ideal_act(acts[a], v);
			double rise = ideal_act(acts[a], v + h) - ideal_act(acts[a], v - h);

			/* Where the exponential ends, swish is -1.4e-36 instead of less. */
			assert_true(fabs(want[i] - ideal) <= 1e-6 * fabs(ideal) + 2e-36);
			if (fabs(v) > h || acts[a] != NST_ACT_RELU)
				assert_true(fabs(slope[i] - dy[i] * rise / (2 * h)) <=
					    2e-6 * fabs(dy[i]));
		}
		for (size_t t = 0; t < ntables; t++) {
			for (size_t count = 0; count < n; count = count * 3 / 2 + 1) {
				float *y = blank(n), *dx = copy_of(dy, n);

				snprintf(what, sizeof(what), "act %d count %zu %s", acts[a], count,
					 tables[t]->name);
				tables[t]->act_forward(count, acts[a], x, y);
				same_bits(y, want, count);
				assert_true(isnan(y[count]));
				tables[t]->act_backward(count, acts[a], x, dx, dx);
				near_by(dx, slope, dy, count, 1e-6);
				free(blocks[--nblocks]);
				free(blocks[--nblocks]);
			}
		}
	}
}

static float nan_with_payload(void)
{
	return from_bits(0x7fc00001);
}

/* A loss that has become NaN must stay visible through every activation. */
static void test_act_nan(void **state)
{
	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		for (size_t a = 0; a < COUNT(acts); a++) {
			float x[19], y[19];

			for (size_t i = 0; i < COUNT(x); i++)
				x[i] = i % 3 ? 1.0f : i % 2 ? NAN : nan_with_payload();
			tables[t]->act_forward(COUNT(x), acts[a], x, y);
			for (size_t i = 0; i < COUNT(x); i++)
				assert_int_equal(!!isnan(y[i]), i % 3 == 0);
		}
	}
}

/* ---- matrix product ------------------------------------------------------------------------- */

static float *packed_for(const struct nst_kernels *t, size_t k, size_t n, const float *b,
			 size_t ldb)
{
	float *p = blank(t->pack_size(k, n));

	t->pack(k, n, b, ldb, p);
	return p;
}

struct product {
	size_t m, n, k;
	int transposed, strided, accumulate, bias;
	enum nst_act act;
};

static void check_product(const struct product *p)
{
	size_t a_row = p->transposed ? 1 : p->strided ? 2 * p->k + 3 : p->k + 1;
	size_t a_col = p->transposed ? p->m + 2 : p->strided ? 2 : 1;
	size_t ldb = p->n + 3, ldc = p->n + 1;
	size_t a_size = p->k ? (p->m - 1) * a_row + (p->k - 1) * a_col + 1 : 0;
	size_t b_size = p->k ? (p->k - 1) * ldb + p->n : 0, c_size = (p->m - 1) * ldc + p->n;
	float *a = random_block(a_size), *b = random_block(b_size), *c0 = random_block(c_size);
	float *bias = p->bias ? random_block(p->n) : NULL, *want = copy_of(c0, c_size);

	if (!p->accumulate)
		for (size_t i = 0; i < p->m; i++)
			memset(c0 + i * ldc, 0xff, p->n * sizeof(*c0));
	for (size_t i = 0; i < p->m; i++) {
		for (size_t j = 0; j < p->n; j++) {
			float sum = p->accumulate ? c0[i * ldc + j] : 0.0f;

			for (size_t q = 0; q < p->k; q++)
				sum = fmaf(a[i * a_row + q * a_col], b[q * ldb + j], sum);
			want[i * ldc + j] = sum + (bias ? bias[j] : 0.0f);
		}
		PLAIN->act_forward(p->n, p->act, want + i * ldc, want + i * ldc);
	}
	for (size_t t = 0; t < ntables; t++) {
		float *c = copy_of(c0, c_size);

		snprintf(what, sizeof(what), "gemm %zux%zux%zu%s%s%s act %d %s", p->m, p->n, p->k,
			 p->transposed ? " transposed" : p->strided ? " strided" : "",
			 p->accumulate ? " add" : "", bias ? " bias" : "", p->act, tables[t]->name);
		tables[t]->gemm(p->m, p->n, p->k, a, a_row, a_col,
				packed_for(tables[t], p->k, p->n, b, ldb), bias, p->act,
				p->accumulate, c, ldc);
		same_bits(c, want, c_size);
	}
	drop_all();
}

static void test_gemm(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 4, 7, 8, 11, 12, 13, 16, 24, 29, 33, 40, 65, 129};

	(void)state;
	for (size_t i = 0; i < 600; i++) {
		struct product p = {
			.m = sizes[nst_rng_below(&rng, COUNT(sizes))],
			.n = sizes[nst_rng_below(&rng, COUNT(sizes))],
			.k = sizes[nst_rng_below(&rng, COUNT(sizes))],
			.transposed = i % 3 == 1,
			.strided = i % 3 == 2,
			.accumulate = (int)nst_rng_below(&rng, 2),
			.bias = (int)nst_rng_below(&rng, 2),
			.act = acts[nst_rng_below(&rng, COUNT(acts))],
		};

		check_product(&p);
	}
}

/* Sizes beyond one block of the cache in each direction, and sums of no terms. */
static void test_gemm_blocks(void **state)
{
	static const struct product cases[] = {
		{.m = 30, .n = 300, .k = 900}, {.m = 30, .n = 300, .k = 900, .transposed = 1},
		{.m = 14, .n = 20, .k = 530, .strided = 1, .bias = 1, .act = NST_ACT_SWISH},
		{.m = 500, .n = 17, .k = 20, .bias = 1, .act = NST_ACT_RELU},
		{.m = 5, .n = 520, .k = 384, .accumulate = 1, .bias = 1},
		{.m = 5, .n = 9, .k = 0}, {.m = 5, .n = 9, .k = 0, .transposed = 1},
		{.m = 5, .n = 9, .k = 0, .accumulate = 1, .bias = 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_product(&cases[i]);
}

/* ---- matrix product of bfloat16 ------------------------------------------------------------- */

static float flushed(float x)
{
	return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x;
}

/* The nearest float of 8 significant bits, even at ties: the twin of a rounding by bits. */
static float rounded(float x)
{
	int e;
	float m = frexpf(flushed(x), &e); /* rintf rounds ties to even */

	return isfinite(x) ? ldexpf(rintf(ldexpf(m, 8)), e - 8) : x;
}

static float bf16_term(const float *a, const float *factor, size_t p)
{
	return rounded(factor ? a[p] * factor[p] : a[p]);
}

/* An element as the instruction's description has it. */
static float bf16_sum(size_t k, const float *a, const float *factor, const float *b, size_t ldb)
{
	float sum = 0.0f;

	for (size_t p = 0; p < k; p += 2) {
		if (p + 1 < k)
			sum = flushed(fmaf(bf16_term(a, factor, p + 1), rounded(b[(p + 1) * ldb]), sum));
		sum = flushed(fmaf(bf16_term(a, factor, p), rounded(b[p * ldb]), sum));
	}
	return sum;
}

/* c of a table, whose columns beyond n stay what they are, NaN. */
static float *bf16_product(const struct nst_kernels *t, struct nst_bf16_product p, const float *b,
			   size_t ldb)
{
	float *packed = blank(nst_bf16_pack_size(t, p.k, p.n));

	p.c = blank((p.m - 1) * p.ldc + p.n);
	p.packed = packed;
	nst_bf16_pack(t, p.k, p.n, b, ldb, packed);
	nst_bf16_gemm(t, &p, blank(nst_bf16_scratch(t, p.k)));
	return p.c;
}

/* A product by every table against the description of an element; with a factor, if pixels says how
 * many rows each of its own is for. */
static void check_bf16(struct nst_bf16_product p, int with_bias)
{
	const size_t ldb = p.n + 3, size = (p.m - 1) * (p.n + 1) + p.n;
	const float *b = random_block((p.k - 1) * ldb + p.n);
	float *want = blank(size);

	p.lda = p.k + 1;
	p.ldc = p.n + 1;
	p.a = random_block((p.m - 1) * p.lda + p.k);
	p.factor = p.pixels ? random_block((p.m + p.pixels - 1) / p.pixels * p.k) : NULL;
	p.bias = with_bias ? random_block(p.n) : NULL;
	for (size_t i = 0; i < p.m; i++) {
		const float *factor = p.factor ? p.factor + i / p.pixels * p.k : NULL;

		for (size_t j = 0; j < p.n; j++)
			want[i * p.ldc + j] = bf16_sum(p.k, p.a + i * p.lda, factor, b + j, ldb) +
					      (p.bias ? p.bias[j] : 0.0f);
		PLAIN->act_forward(p.n, p.act, want + i * p.ldc, want + i * p.ldc);
	}
	for (size_t t = 0; t < ntables; t++) {
		snprintf(what, sizeof(what), "bf16 %zux%zux%zu pixels %zu%s act %d %s", p.m, p.n, p.k,
			 p.pixels, p.bias ? " bias" : "", p.act, tables[t]->name);
		same_bits(bf16_product(tables[t], p, b, ldb), want, size);
	}
	drop_all();
}

static void test_bf16(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 5, 8, 13, 16, 17, 24, 31, 32, 33, 48, 50, 65, 130};

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		struct nst_bf16_product p = {
			.m = sizes[nst_rng_below(&rng, COUNT(sizes))],
			.n = sizes[nst_rng_below(&rng, COUNT(sizes))],
			.k = sizes[nst_rng_below(&rng, COUNT(sizes))],
			.pixels = i % 2 ? sizes[nst_rng_below(&rng, COUNT(sizes))] : 0,
			.act = acts[nst_rng_below(&rng, COUNT(acts))],
		};

		check_bf16(p, (int)nst_rng_below(&rng, 2));
	}
}

/* Beyond a block of rows and of terms. */
static void test_bf16_blocks(void **state)
{
	struct nst_bf16_product many = {.m = 1100, .n = 17, .k = 9, .act = NST_ACT_SWISH};
	struct nst_bf16_product long_ones = {.m = 27, .n = 40, .k = 5379, .act = NST_ACT_RELU};
	struct nst_bf16_product plain = {.m = 30, .n = 49, .k = 1152};

	(void)state;
	for (int factors = 0; factors < 2; factors++) {
		many.pixels = factors ? 49 : 0;
		long_ones.pixels = factors ? 4 : 0;
		plain.pixels = factors ? 15 : 0;
		check_bf16(many, 1);
		check_bf16(long_ones, 1);
		check_bf16(plain, 1);
	}
}

/* Ties, overflow to infinity, subnormals, infinities, NaN; each times 1. */
static void test_bf16_rounding(void **state)
{
	static const uint32_t in[] = {0x3f808000, 0x3f818000, 0x3f808001, 0x3f80ffff, 0x7f7fffff,
				      0x807fffff, 0x00800000, 0xff800000, 0x7f800001, 0xffc00000};
	static const uint32_t out[] = {0x3f800000, 0x3f820000, 0x3f810000, 0x3f810000, 0x7f800000,
				       0, 0x00800000, 0xff800000, 0x7fc00000, 0x7fc00000};
	const float one = 1.0f;
	float a[COUNT(in)];
	const struct nst_bf16_product p = {
		.m = COUNT(in), .n = 1, .k = 1, .a = a, .lda = 1, .ldc = 1,
	};

	(void)state;
	memcpy(a, in, sizeof(a));
	for (size_t t = 0; t < ntables; t++) {
		float *c = bf16_product(tables[t], p, &one, 1);

		for (size_t i = 0; i < COUNT(in); i++) {
			float want = from_bits(out[i]);

			assert_true(isnan(want) ? isnan(c[i]) : c[i] == want);
		}
	}
}

/* A NaN among the factors is a NaN in every sum that has it, and in no other. */
static void test_bf16_nan(void **state)
{
	struct nst_bf16_product p = {
		.m = 15, .n = 21, .k = 7, .lda = 7, .act = NST_ACT_RELU, .ldc = 21,
	};
	float *a = random_block(p.m * p.k), *b = random_block(p.k * p.n);

	(void)state;
	p.a = a;
	a[4 * p.k + 6] = NAN;
	b[3 * p.n + 20] = NAN;
	for (size_t t = 0; t < ntables; t++) {
		float *c = bf16_product(tables[t], p, b, p.n);

		for (size_t i = 0; i < p.m * p.n; i++)
			assert_int_equal(!!isnan(c[i]), i / p.n == 4 || i % p.n == 20);
	}
}

/* ---- convolutions --------------------------------------------------------------------------- */

static size_t x_size(const struct nst_conv *s)
{
	return s->n * s->h * s->w * s->cin;
}

static size_t y_size(const struct nst_conv *s)
{
	return s->n * s->ho * s->wo * s->cout;
}

/* Random geometry, tensorflow's "same" and torch's symmetric padding among it. */
static struct nst_conv random_conv(int depthwise)
{
	static const size_t kernel[] = {1, 2, 3, 3, 3, 5, 5, 7};
	struct nst_conv s = {
		.n = 1 + nst_rng_below(&rng, 3),
		.h = 1 + nst_rng_below(&rng, 11),
		.w = 1 + nst_rng_below(&rng, 19),
		.k = kernel[nst_rng_below(&rng, COUNT(kernel))],
		.stride = 1 + nst_rng_below(&rng, 3) % 2 + (nst_rng_below(&rng, 10) == 0),
		.cin = channels[nst_rng_below(&rng, COUNT(channels))],
		.cout = channels[nst_rng_below(&rng, COUNT(channels))],
	};
	size_t pad_h = nst_rng_below(&rng, (uint32_t)s.k);
	size_t pad_w = nst_rng_below(&rng, (uint32_t)s.k);

	if (depthwise)
		s.cout = s.cin;
	/* The padding behind is whatever the output size implies. */
	s.pad_top = pad_h;
	s.pad_left = pad_w;
	s.ho = (s.h + 2 * pad_h >= s.k ? (s.h + 2 * pad_h - s.k) / s.stride : 0) + 1;
	s.wo = (s.w + 2 * pad_w >= s.k ? (s.w + 2 * pad_w - s.k) / s.stride : 0) + 1;
	if (nst_rng_below(&rng, 2)) { /* same */
		s.ho = (s.h + s.stride - 1) / s.stride;
		s.wo = (s.w + s.stride - 1) / s.stride;
		pad_h = (s.ho - 1) * s.stride + s.k;
		pad_w = (s.wo - 1) * s.stride + s.k;
		s.pad_top = pad_h > s.h ? (pad_h - s.h) / 2 : 0;
		s.pad_left = pad_w > s.w ? (pad_w - s.w) / 2 : 0;
	}
	return s;
}

static void name_conv(const struct nst_conv *s, const char *kind, const char *table)
{
	snprintf(what, sizeof(what),
		 "%s n %zu, %zux%zux%zu to %zux%zux%zu, k %zu, stride %zu, pad %zu %zu, %s", kind,
		 s->n, s->h, s->w, s->cin, s->ho, s->wo, s->cout, s->k, s->stride, s->pad_top,
		 s->pad_left, table);
}

/* The three functions of a dense or depthwise convolution, packing included. */
static void forward(const struct nst_kernels *t, int depthwise, const struct nst_conv *s,
		    const float *x, const float *w, const float *bias, enum nst_act act, float *y)
{
	if (depthwise) {
		t->dw_forward(s, x, w, bias, act, y, blank(t->dw_scratch(s)));
	} else {
		float *packed = blank(t->conv_pack_size(s));

		t->conv_pack(s, w, packed);
		t->conv_forward(s, x, packed, bias, act, y, blank(t->conv_scratch(s, 0)));
	}
}

static void data_grad(const struct nst_kernels *t, int depthwise, const struct nst_conv *s,
		      const float *dy, const float *w, float *dx)
{
	if (depthwise) {
		t->dw_data_grad(s, dy, w, dx, blank(t->dw_scratch(s)));
	} else {
		float *packed = blank(t->conv_pack_grad_size(s));

		t->conv_pack_grad(s, w, packed);
		t->conv_data_grad(s, dy, packed, dx, blank(t->conv_scratch(s, 1)));
	}
}

static void weight_grad(const struct nst_kernels *t, int depthwise, const struct nst_conv *s,
			const float *x, const float *dy, int accumulate, float *dw)
{
	if (depthwise)
		t->dw_weight_grad(s, x, dy, accumulate, dw, blank(t->dw_scratch(s)));
	else
		t->conv_weight_grad(s, x, dy, accumulate, dw, blank(t->conv_scratch(s, 1)));
}

/* Minimal filtering goes through sums that are larger than the result. */
static double weight_eps(int depthwise, const struct nst_conv *s)
{
	return !depthwise && nst_wino_fits(s) ? 4e-6 : 3e-6;
}

static void check_conv(int depthwise, const struct nst_conv *s, enum nst_act act, int with_bias)
{
	size_t nx = x_size(s), ny = y_size(s);
	size_t nw = s->k * s->k * s->cin * (depthwise ? 1 : s->cout);
	float *x = random_block(nx), *w = random_block(nw), *dy = random_block(ny);
	float *bias = with_bias ? random_block(s->cout) : NULL;
	float *y0 = blank(ny), *dx0 = blank(nx), *dw0 = blank(nw);
	float *dx_size = blank(nx), *dw_size = blank(nw), *start = random_block(nw);
	float *more0 = blank(nw), *more_size;

	forward(PLAIN, depthwise, s, x, w, bias, act, y0);
	data_grad(PLAIN, depthwise, s, dy, w, dx0);
	weight_grad(PLAIN, depthwise, s, x, dy, 0, dw0);
	for (size_t i = 0; i < nw; i++)
		more0[i] = start[i];
	weight_grad(PLAIN, depthwise, s, x, dy, 1, more0);
	data_grad(PLAIN, depthwise, s, absolute(dy, ny), absolute(w, nw), dx_size);
	weight_grad(PLAIN, depthwise, s, absolute(x, nx), absolute(dy, ny), 0, dw_size);
	more_size = absolute(start, nw);
	for (size_t i = 0; i < nw; i++) {
		more_size[i] += dw_size[i];
		near_by(&more0[i], (float[]){ dw0[i] + start[i] }, &more_size[i], 1, 1e-6);
	}
	for (size_t t = 1; t < ntables; t++) {
		float *y = blank(ny), *dx = blank(nx), *dw = blank(nw);

		name_conv(s, depthwise ? "depthwise forward" : "conv forward", tables[t]->name);
		forward(tables[t], depthwise, s, x, w, bias, act, y);
		same_bits(y, y0, ny);
		name_conv(s, depthwise ? "depthwise data" : "conv data", tables[t]->name);
		data_grad(tables[t], depthwise, s, dy, w, dx);
		near_by(dx, dx0, dx_size, nx, 2e-6);
		name_conv(s, depthwise ? "depthwise weights" : "conv weights", tables[t]->name);
		weight_grad(tables[t], depthwise, s, x, dy, 0, dw);
		near_by(dw, dw0, dw_size, nw, weight_eps(depthwise, s));
		for (size_t i = 0; i < nw; i++)
			dw[i] = start[i];
		weight_grad(tables[t], depthwise, s, x, dy, 1, dw);
		near_by(dw, more0, more_size, nw, weight_eps(depthwise, s));
	}
	drop_all();
}

static void check_random_convs(int depthwise, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct nst_conv s = random_conv(depthwise);

		check_conv(depthwise, &s, acts[i % COUNT(acts)], i / 4 % 2);
	}
}

static void test_conv(void **state)
{
	(void)state;
	check_random_convs(0, 250);
}

/* y = x * w in double, and the sum of the absolute terms. */
static void direct_sums(const struct nst_conv *s, const float *x, const float *w, double *y,
			double *size)
{
	for (size_t e = 0; e < y_size(s); e++) {
		size_t co = e % s->cout, pixel = e / s->cout, image = pixel / (s->ho * s->wo);
		size_t i = pixel / s->wo % s->ho, j = pixel % s->wo;

		y[e] = size[e] = 0;
		for (size_t t = 0; t < s->k * s->k * s->cin; t++) {
			size_t yy = i * s->stride + t / s->cin / s->k - s->pad_top;
			size_t xx = j * s->stride + t / s->cin % s->k - s->pad_left;
			double term;

			if (yy >= s->h || xx >= s->w)
				continue;
			term = (double)x[((image * s->h + yy) * s->w + xx) * s->cin + t % s->cin] *
			       w[t * s->cout + co];
			y[e] += term;
			size[e] += fabs(term);
		}
	}
}

/* 3x3 filters of stride 1 take fewer multiplications where that pays: the result is not that of
 * the direct sum to the bit, but as near as rounding allows. */
static void test_conv_minimal(void **state)
{
	static const size_t wide[] = {16, 17, 24, 32, 40, 64, 128};

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		struct nst_conv s = {
			.n = 1 + nst_rng_below(&rng, 4), .k = 3, .stride = 1,
			.pad_top = 1, .pad_left = 1,
			.h = 4 + nst_rng_below(&rng, 15), .w = 4 + nst_rng_below(&rng, 15),
			.cin = wide[nst_rng_below(&rng, COUNT(wide))],
			.cout = wide[nst_rng_below(&rng, COUNT(wide))],
		};
		size_t ny = s.n * s.h * s.w * s.cout;
		float *x, *w, *y;
		double *sum, *size;

		s.ho = s.h;
		s.wo = s.w;
		check_conv(0, &s, acts[i % COUNT(acts)], i / 4 % 2);
		x = random_block(x_size(&s));
		w = random_block(9 * s.cin * s.cout);
		y = blank(ny);
		sum = malloc(2 * ny * sizeof(*sum));
		assert_non_null(sum);
		size = sum + ny;
		direct_sums(&s, x, w, sum, size);
		for (size_t t = 0; t < ntables; t++) {
			name_conv(&s, "conv against direct sums", tables[t]->name);
			forward(tables[t], 0, &s, x, w, NULL, NST_ACT_NONE, y);
			for (size_t e = 0; e < ny; e++)
				if (!(fabs(y[e] - sum[e]) <= 3e-6 * size[e]))
					fail_msg("%s: %zu: %.9g, not %.9g (of %g)", what, e, y[e], sum[e],
						 size[e]);
		}
		free(sum);
		drop_all();
	}
}

static void test_depthwise(void **state)
{
	(void)state;
	check_random_convs(1, 400);
}

/* Shapes of real nets, and images larger than a block of scratch. */
static void test_conv_real(void **state)
{
	static const struct nst_conv dense[] = {
		{2, 32, 32, 3, 32, 32, 16, 3, 1, 1, 1, NULL}, {3, 8, 8, 64, 8, 8, 64, 3, 1, 1, 1, NULL},
		{2, 16, 16, 32, 8, 8, 64, 3, 2, 1, 1, NULL},  {3, 16, 16, 32, 8, 8, 64, 1, 2, 0, 0, NULL},
		{2, 32, 32, 3, 16, 16, 32, 3, 2, 0, 0, NULL}, {3, 8, 8, 40, 8, 8, 24, 1, 1, 0, 0, NULL},
		{1, 90, 90, 8, 90, 90, 8, 3, 1, 1, 1, NULL},  {1, 90, 90, 8, 45, 45, 8, 3, 2, 0, 0, NULL},
		{1, 60, 60, 3, 30, 30, 8, 7, 2, 3, 3, NULL},  {2, 7, 7, 48, 7, 7, 48, 3, 1, 1, 1, NULL},
		/* Runs of taps in parts, two at a time and one by one; filters of more columns than a
		 * block, which ask for several images in one, but not for all; no line of taps; pixels
		 * without a tap, where a run has parts. */
		{10, 4, 3, 130, 4, 3, 264, 3, 1, 1, 0, NULL}, {5, 8, 6, 130, 4, 3, 264, 3, 2, 0, 0, NULL},
		{2, 7, 5, 60, 7, 5, 258, 3, 1, 0, 2, NULL},   {2, 9, 9, 70, 5, 5, 24, 5, 2, 2, 2, NULL},
		{7, 9, 9, 220, 5, 5, 30, 1, 2, 0, 0, NULL},   {2, 1, 9, 40, 3, 5, 30, 1, 2, 2, 0, NULL},
		{2, 5, 6, 20, 3, 3, 390, 1, 2, 0, 0, NULL},
		/* Weight gradients from copies, in parts by pixels, rows and columns, and in one; of few
		 * pixels; and in parts from where they lie. */
		{2, 14, 14, 250, 14, 14, 256, 1, 1, 0, 0, NULL}, {3, 7, 7, 70, 7, 7, 128, 1, 1, 0, 0, NULL},
		{1, 13, 13, 66, 13, 13, 300, 1, 1, 0, 0, NULL}, {1, 7, 9, 244, 7, 9, 256, 1, 1, 0, 0, NULL},
		{2, 14, 14, 300, 14, 14, 90, 1, 1, 0, 0, NULL}, {2, 14, 14, 50, 14, 14, 130, 1, 1, 0, 0, NULL},
		/* Minimal filtering with more weights than a cache holds. */
		{2, 7, 7, 300, 7, 7, 264, 3, 1, 1, 1, NULL},
	};
	static const struct nst_conv depthwise[] = {
		{2, 16, 16, 96, 8, 8, 96, 3, 2, 0, 0, NULL},  {3, 8, 8, 144, 8, 8, 144, 5, 1, 2, 2, NULL},
		{9, 4, 4, 240, 4, 4, 240, 3, 1, 1, 1, NULL},  {40, 2, 2, 72, 2, 2, 72, 5, 1, 2, 2, NULL},
		{70, 2, 2, 40, 1, 1, 40, 5, 2, 1, 1, NULL},   {300, 1, 1, 24, 1, 1, 24, 5, 1, 2, 2, NULL},
		{1, 56, 56, 24, 56, 56, 24, 3, 1, 1, 1, NULL}, {1, 57, 57, 20, 29, 29, 20, 5, 2, 2, 2, NULL},
	};

	(void)state;
	assert_true(nst_wino_fits(&dense[COUNT(dense) - 1]));
	for (size_t i = 0; i < COUNT(dense); i++)
		check_conv(0, &dense[i], NST_ACT_NONE, 0);
	for (size_t i = 0; i < COUNT(depthwise); i++)
		check_conv(1, &depthwise[i], NST_ACT_NONE, 0);
}

/* The result for an image must not depend on its neighbours in the grain. */
static void test_conv_single_images(void **state)
{
	const struct nst_conv grain = {5, 9, 7, 24, 5, 4, 40, 3, 2, 1, 1, NULL};
	struct nst_conv one = grain;
	float *x = random_block(x_size(&grain)), *w = random_block(3 * 3 * 24 * 40);

	(void)state;
	one.n = 1;
	for (size_t t = 0; t < ntables; t++) {
		float *y = blank(y_size(&grain)), *alone = blank(y_size(&grain));

		name_conv(&one, "conv alone", tables[t]->name);
		forward(tables[t], 0, &grain, x, w, NULL, NST_ACT_SWISH, y);
		for (size_t i = 0; i < grain.n; i++)
			forward(tables[t], 0, &one, x + i * x_size(&one), w, NULL, NST_ACT_SWISH,
				alone + i * y_size(&one));
		same_bits(alone, y, y_size(&grain));
	}
}

/* The three results of a convolution, one behind the other. */
static float *all_results(const struct nst_kernels *t, const struct nst_conv *s, const float *x,
			  const float *w, const float *dy)
{
	float *y = blank(y_size(s) + x_size(s) + s->k * s->k * s->cin * s->cout);

	forward(t, 0, s, x, w, NULL, NST_ACT_NONE, y);
	data_grad(t, 0, s, dy, w, y + y_size(s));
	weight_grad(t, 0, s, x, dy, 0, y + y_size(s) + x_size(s));
	return y;
}

/* Asking for memory changes no result, and asks for what it was told to, no more: the places end
 * where they should, one after the other.  plain asks for nothing. */
static void test_conv_ahead(void **state)
{
	/* Matrix products, a direct convolution with its phases, one by winograd.inc. */
	static const struct nst_conv cases[] = {
		{2, 9, 7, 40, 9, 7, 72, 1, 1, 0, 0, NULL},
		{2, 9, 7, 70, 9, 7, 100, 1, 1, 0, 0, NULL},
		{2, 9, 7, 24, 5, 4, 40, 3, 2, 1, 1, NULL},
		{2, 8, 8, 32, 8, 8, 48, 3, 1, 1, 1, NULL},
	};
	static const size_t floats[NST_AHEAD_PLACES] = {1000, 1, 777}, many = 1 << 20;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct nst_conv s = cases[i];
		size_t nw = s.k * s.k * s.cin * s.cout, all = x_size(&s) + y_size(&s) + nw;
		float *x = random_block(x_size(&s)), *w = random_block(nw);
		float *dy = random_block(y_size(&s)), *other = random_block(many);

		for (size_t t = 0; t < ntables; t++) {
			struct nst_ahead ahead = {{{NULL, 0}}};
			float *with, *without;

			name_conv(&s, "ahead", tables[t]->name);
			s.ahead = NULL;
			without = all_results(tables[t], &s, x, w, dy);
			for (size_t a = 0; a < NST_AHEAD_PLACES; a++) {
				ahead.place[a].at = other + a * 3;
				ahead.place[a].floats = floats[a];
			}
			s.ahead = &ahead;
			with = all_results(tables[t], &s, x, w, dy);
			same_bits(with, without, all);
			for (size_t a = 0; t > 0 && a < NST_AHEAD_PLACES; a++) {
				assert_ptr_equal(ahead.place[a].at, other + a * 3 + floats[a]);
				assert_int_equal(ahead.place[a].floats, 0);
			}
			/* Fewer steps than lines: the rest is left. */
			ahead.place[0].at = other;
			ahead.place[0].floats = many;
			all_results(tables[t], &s, x, w, dy);
			assert_ptr_equal(ahead.place[0].at + ahead.place[0].floats, other + many);
			assert_true(ahead.place[0].floats > 0);
			assert_int_equal(ahead.place[0].floats < many, t > 0);
		}
		drop_all();
	}
}

/* With loss = sum of dy * y, the slope of the loss along any input or weight, by differences of the
 * forward function; both are linear, so a step of 1 is exact but for rounding. */
static double dot(const float *a, const float *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static void check_slopes(const struct nst_kernels *t, int depthwise, const struct nst_conv *s)
{
	size_t nx = x_size(s), ny = y_size(s);
	size_t nw = s->k * s->k * s->cin * (depthwise ? 1 : s->cout);
	float *x = random_block(nx), *w = random_block(nw), *dy = random_block(ny), *y = blank(ny);
	float *dx = blank(nx), *dw = blank(nw);
	double size = sqrt((double)ny) * 20;

	name_conv(s, "slopes", t->name);
	data_grad(t, depthwise, s, dy, w, dx);
	weight_grad(t, depthwise, s, x, dy, 0, dw);
	for (size_t i = 0; i < nx + nw; i += 1 + (nx + nw) / 40) {
		float *at = i < nx ? x + i : w + i - nx, old = *at;
		double up, down, got = i < nx ? dx[i] : dw[i - nx];

		*at = old + 0.5f;
		forward(t, depthwise, s, x, w, NULL, NST_ACT_NONE, y);
		up = dot(y, dy, ny);
		*at = old - 0.5f;
		forward(t, depthwise, s, x, w, NULL, NST_ACT_NONE, y);
		down = dot(y, dy, ny);
		*at = old;
		if (fabs(up - down - got) > 1e-5 * size)
			fail_msg("%s: slope of input %zu is %g, not %g", what, i, got, up - down);
	}
	drop_all();
}

static void test_conv_slopes(void **state)
{
	static const struct nst_conv cases[] = {
		{2, 5, 6, 5, 5, 6, 19, 3, 1, 1, 1, NULL}, {2, 6, 7, 8, 3, 4, 5, 3, 2, 1, 1, NULL},
		{2, 7, 6, 3, 4, 3, 17, 5, 2, 2, 1, NULL}, {1, 5, 5, 6, 5, 5, 7, 1, 1, 0, 0, NULL},
		{1, 6, 6, 16, 3, 3, 9, 1, 2, 0, 0, NULL}, {1, 6, 4, 5, 3, 2, 6, 3, 2, 0, 0, NULL},
	};

	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		for (size_t i = 0; i < COUNT(cases); i++) {
			struct nst_conv s = cases[i];

			check_slopes(tables[t], 0, &s);
			s.cout = s.cin;
			check_slopes(tables[t], 1, &s);
		}
	}
}

/* ---- batch normalisation -------------------------------------------------------------------- */

static void test_bn_stats(void **state)
{
	static const size_t rows[] = {1, 2, 3, 5, 64, 67, 300, 2050};
	static const float far[3] = {0.0f, 500.0f, -7.0f};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t j = 0; j < COUNT(channels) + 1; j++) {
			size_t c = j < COUNT(channels) ? channels[j] : 1300;
			float *z = random_block(rows[i] * c), *mean0 = blank(c), *var0 = blank(c);

			/* Means from 0 to 1000 deviations away from 0. */
			for (size_t e = 0; e < rows[i] * c; e++)
				z[e] = 0.5f * z[e] + far[e % c % 3];
			PLAIN->bn_stats(rows[i], c, z, mean0, var0);
			for (size_t t = 1; t < ntables; t++) {
				float *mean = blank(c), *var = blank(c);

				snprintf(what, sizeof(what), "bn_stats %zux%zu %s", rows[i], c,
					 tables[t]->name);
				tables[t]->bn_stats(rows[i], c, z, mean, var);
				for (size_t e = 0; e < c; e++) {
					double m = fabs((double)mean[e] - mean0[e]);
					double v = fabs((double)var[e] - var0[e]);

					if (!(m <= 1e-6 * (1 + fabs((double)mean0[e]))) ||
					    !(v <= 1e-5 * var0[e]))
						fail_msg("%s: channel %zu has %g %g, not %g %g",
							 what, e, mean[e], var[e], mean0[e],
							 var0[e]);
				}
			}
			drop_all();
		}
	}
}

static void test_bn_stats_nan(void **state)
{
	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		float z[15] = {1, 2, 3, 4, NAN, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
		float mean[3], var[3];

		tables[t]->bn_stats(5, 3, z, mean, var);
		assert_true(isnan(mean[1]) && isnan(var[1]));
		assert_true(mean[0] == 7.0f && mean[2] == 9.0f && var[0] == 18.0f);
	}
}

struct norm {
	struct nst_bn s;
	size_t count;
	float *z, *residual, *dy, *gamma, *beta, *mean, *istd, *scale, *shift, *path, *times, *plus;
	float *slope, *offset; /* of pass 2 */
};

/* What differs between images. */
enum { PATH = 1, SCALED = 2 };

static struct norm random_norm(size_t n, size_t pixels, size_t c, enum nst_act act, int images)
{
	struct norm b = {
		.s = {.n = n, .pixels = pixels, .c = c, .act = act}, .count = n * pixels * c,
	};

	b.z = random_block(b.count);
	b.residual = random_block(b.count);
	b.dy = random_block(b.count);
	b.gamma = random_block(c);
	b.beta = random_block(c);
	b.mean = blank(c);
	b.istd = blank(c);
	b.scale = blank(c);
	b.shift = blank(c);
	b.slope = blank(c);
	b.offset = blank(c);
	b.path = blank(n);
	for (size_t i = 0; i < n; i++)
		b.path[i] = i % 3 == 1 ? 0.0f : 1.25f;
	b.s.path = images & PATH ? b.path : NULL;
	b.times = random_block(n * c);
	b.plus = random_block(n * c);
	b.s.times = images & SCALED ? b.times : NULL;
	b.s.plus = images & SCALED ? b.plus : NULL;
	for (size_t e = 0; e < b.count; e++)
		b.z[e] = 2.0f * b.z[e] + 1.5f;
	PLAIN->bn_stats(n * pixels, c, b.z, b.mean, b.istd);
	for (size_t j = 0; j < c; j++) {
		b.istd[j] = 1.0f / sqrtf(b.istd[j] + 1e-3f);
		b.scale[j] = b.gamma[j] * b.istd[j];
		b.shift[j] = b.beta[j] - b.mean[j] * b.scale[j];
	}
	return b;
}

/* dz = scale * (path*g - dbeta/rows - (z-mean)*istd * dgamma/rows) */
static void norm_factors(struct norm *b, const float *dgamma, const float *dbeta)
{
	const float rows = (float)(b->s.n * b->s.pixels);

	for (size_t j = 0; j < b->s.c; j++) {
		b->slope[j] = -b->scale[j] * b->istd[j] * dgamma[j] / rows;
		b->offset[j] = -b->scale[j] * dbeta[j] / rows;
	}
}

/* The same sums, g elsewhere, dy as it was. */
static void check_far(const struct nst_kernels *k, const struct norm *b, const float *behind,
		      const float *g, const float *dgamma, const float *dbeta)
{
	const size_t c = b->s.c;
	float *dy = copy_of(b->dy, b->count), *sums[2] = {blank(c), blank(c)};
	struct nst_bn s = b->s;

	/* Where vectors may begin, and where they may not. */
	for (size_t off = 0; off < 2; off++) {
		float *room = blank(b->count + 17);

		s.far = room + (size_t)(-(uintptr_t)room % 64) / sizeof(*room) + off;
		k->bn_backward_sums(&s, dy, behind, b->z, b->mean, b->istd, sums[0], sums[1]);
		same_bits(s.far, g, b->count);
		same_bits(dy, b->dy, b->count);
		same_bits(sums[0], dgamma, c);
		same_bits(sums[1], dbeta, c);
	}
}

static void check_norm(size_t n, size_t pixels, size_t c, enum nst_act act, int images,
		       int residual)
{
	struct norm b = random_norm(n, pixels, c, act, images);
	float *res = residual ? b.residual : NULL, *y0 = blank(b.count), *g0 = copy_of(b.dy, b.count);
	float *dgamma0 = blank(c), *dbeta0 = blank(c), *dz0 = blank(b.count);
	float *slope0 = blank(b.count), *behind0 = y0;
	float *ones = blank(b.count), *sums = blank(c);
	int slopes = act == NST_ACT_SWISH || act == NST_ACT_SIGMOID;

	if (slopes) {
		PLAIN->bn_forward_slope(&b.s, b.z, b.scale, b.shift, y0, slope0);
		behind0 = slope0;
	}
	PLAIN->bn_forward(&b.s, b.z, b.scale, b.shift, res, y0);
	PLAIN->bn_backward_sums(&b.s, g0, behind0, b.z, b.mean, b.istd, dgamma0, dbeta0);
	norm_factors(&b, dgamma0, dbeta0);
	PLAIN->bn_backward_data(&b.s, g0, b.z, b.mean, b.scale, b.slope, b.offset, dz0);
	for (size_t e = 0; e < b.count; e++)
		ones[e] = 8.0f; /* of the size of the terms */
	for (size_t j = 0; j < c; j++)
		sums[j] = 8.0f * (float)(n * pixels);
	for (size_t t = 0; t < ntables; t++) {
		const struct nst_kernels *k = tables[t];
		float *y = copy_of(b.z, b.count), *g = copy_of(b.dy, b.count);
		float *dgamma = blank(c), *dbeta = blank(c), *dz = blank(b.count);

		snprintf(what, sizeof(what), "bn %zux%zux%zu act %d%s%s%s %s", n, pixels, c, act,
			 images & PATH ? " path" : "", images & SCALED ? " scaled" : "",
			 residual ? " residual" : "", k->name);
		k->bn_forward(&b.s, y, b.scale, b.shift, res, y);
		same_bits(y, y0, b.count);
		if (slopes) {
			k->bn_forward_slope(&b.s, b.z, b.scale, b.shift, y, dz);
			near_by(y, y0, ones, b.count, 1e-6);
			near_by(dz, slope0, ones, b.count, 1e-6);
		}
		k->bn_backward_sums(&b.s, g, behind0, b.z, b.mean, b.istd, dgamma, dbeta);
		same_bits(g, g0, b.count);
		near_by(dgamma, dgamma0, sums, c, 1e-6);
		near_by(dbeta, dbeta0, sums, c, 1e-6);
		check_far(k, &b, behind0, g0, dgamma, dbeta);
		k->bn_backward_data(&b.s, g0, b.z, b.mean, b.scale, b.slope, b.offset, dz);
		near_by(dz, dz0, ones, b.count, 2e-6);
		/* In the place of g. */
		k->bn_backward_data(&b.s, g, b.z, b.mean, b.scale, b.slope, b.offset, g);
		near_by(g, dz0, ones, b.count, 2e-6);
	}
	drop_all();
}

static void test_bn(void **state)
{
	static const size_t pixels[] = {1, 4, 9, 70};

	(void)state;
	for (size_t i = 0; i < COUNT(channels) + 1; i++) {
		size_t c = i < COUNT(channels) ? channels[i] : 1290;

		for (size_t p = 0; p < COUNT(pixels); p++) {
			for (int images = 0; images <= (PATH | SCALED); images++) {
				check_norm(3, pixels[p], c, NST_ACT_NONE, images, 0);
				check_norm(3, pixels[p], c, NST_ACT_NONE, images, 1);
				check_norm(3, pixels[p], c, NST_ACT_RELU, images, 0);
				check_norm(3, pixels[p], c, NST_ACT_RELU, images, 1);
				if (images & PATH)
					continue;
				check_norm(3, pixels[p], c, NST_ACT_SWISH, images, 0);
				check_norm(3, pixels[p], c, NST_ACT_SIGMOID, images, 0);
			}
		}
	}
}

/* Without activation there is no y to read. */
static void test_bn_without_y(void **state)
{
	struct norm b = random_norm(2, 5, 7, NST_ACT_NONE, 0);
	float *dgamma = blank(7), *dbeta = blank(7), *dz = blank(b.count);

	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		tables[t]->bn_backward_sums(&b.s, b.dy, NULL, b.z, b.mean, b.istd, dgamma, dbeta);
		norm_factors(&b, dgamma, dbeta);
		tables[t]->bn_backward_data(&b.s, b.dy, b.z, b.mean, b.scale, b.slope, b.offset, dz);
		assert_false(isnan(dz[b.count - 1]));
	}
}

/* Loss of the whole chain statistics, normalisation, path, residual, act; in double, from the
 * definition, as a function of z, gamma and beta. */
static double norm_loss(const struct norm *b, const float *residual)
{
	size_t c = b->s.c, rows = b->s.n * b->s.pixels;
	double loss = 0;

	for (size_t j = 0; j < c; j++) {
		double mean = 0, var = 0;

		for (size_t r = 0; r < rows; r++)
			mean += b->z[r * c + j] / (double)rows;
		for (size_t r = 0; r < rows; r++)
			var += pow(b->z[r * c + j] - mean, 2) / (double)rows;
		for (size_t r = 0; r < rows; r++) {
			double xhat = (b->z[r * c + j] - mean) / sqrt(var + 1e-3);
			double v = xhat * b->gamma[j] + b->beta[j], dy = b->dy[r * c + j];
			size_t image = r / b->s.pixels;

			if (b->s.path)
				v *= b->s.path[image];
			if (residual)
				v += residual[r * c + j];
			if (b->s.times)
				dy = dy * b->s.times[image * c + j] + b->s.plus[image * c + j];
			loss += ideal_act(b->s.act, v) * dy;
		}
	}
	return loss;
}

/* Its slope along one of the inputs. */
static double norm_slope(const struct norm *b, const float *residual, float *at)
{
	float old = *at, up = old + 1e-3f, down = old - 1e-3f;
	double high, low;

	*at = up;
	high = norm_loss(b, residual);
	*at = down;
	low = norm_loss(b, residual);
	*at = old;
	return (high - low) / ((double)up - down);
}

/* Shift the residual so that nothing is near the kink of RELU, where there is no slope. */
static void leave_kink(const struct norm *b)
{
	struct nst_bn s = b->s;
	float *v = blank(b->count);

	s.act = NST_ACT_NONE;
	PLAIN->bn_forward(&s, b->z, b->scale, b->shift, b->residual, v);
	for (size_t i = 0; i < b->count; i++)
		if (fabsf(v[i]) < 0.1f)
			b->residual[i] += v[i] < 0 ? -0.1f : 0.1f;
}

static void test_bn_slopes(void **state)
{
	const size_t n = 3, pixels = 6, c = 19;

	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		for (size_t i = 0; i < 2 * COUNT(acts); i++) {
			const enum nst_act act = acts[i / 2];
			const int slopes = act > NST_ACT_RELU;
			struct norm b = random_norm(n, pixels, c, act,
						    (slopes ? 0 : PATH) | (i % 2 ? SCALED : 0));
			float *res = slopes ? NULL : b.residual;
			float *y = blank(b.count), *behind = blank(b.count);
			float *grad[4] = {blank(b.count), blank(c), blank(c),
					  copy_of(b.dy, b.count)};
			float *input[4] = {b.z, b.gamma, b.beta, b.residual};
			const size_t size[4] = {b.count, c, c, res ? b.count : 0};

			if (act == NST_ACT_RELU)
				leave_kink(&b);
			snprintf(what, sizeof(what), "bn slopes act %d%s %s", act,
				 i % 2 ? " scaled" : "", tables[t]->name);
			tables[t]->bn_forward(&b.s, b.z, b.scale, b.shift, res, y);
			if (slopes)
				tables[t]->bn_forward_slope(&b.s, b.z, b.scale, b.shift, y, behind);
			tables[t]->bn_backward_sums(&b.s, grad[3], slopes ? behind : y, b.z, b.mean,
						    b.istd, grad[1], grad[2]);
			norm_factors(&b, grad[1], grad[2]);
			tables[t]->bn_backward_data(&b.s, grad[3], b.z, b.mean, b.scale, b.slope, b.offset,
						    grad[0]);
			for (size_t k = 0; k < 4; k++) {
				for (size_t e = 0; e < size[k]; e++) {
					double slope = norm_slope(&b, res, &input[k][e]);

					if (fabs(slope - grad[k][e]) > 2e-4 * (1 + fabs(slope)))
						fail_msg("%s: input %zu of %zu has %g, not %g",
							 what, e, k, grad[k][e], slope);
				}
			}
			drop_all();
		}
	}
}

/* ---- pooling and scaling -------------------------------------------------------------------- */

static void test_pool_and_scale(void **state)
{
	static const size_t pixels[] = {1, 2, 4, 49, 64};

	(void)state;
	for (size_t i = 0; i < COUNT(pixels) * COUNT(channels); i++) {
		const size_t p = pixels[i % COUNT(pixels)], c = channels[i / COUNT(pixels)], n = 3;
		const size_t count = n * p * c;
		float *x = random_block(count), *s = random_block(n * c), *dy = random_block(count);
		float *mean0 = blank(n * c), *spread0 = copy_of(x, count), *scaled0 = blank(count);
		float *ds0 = blank(n * c), *ds_size = blank(n * c);

		PLAIN->mean_pool(n, p, c, x, mean0);
		PLAIN->mean_pool_grad(n, p, c, s, (int)i % 2, spread0);
		PLAIN->scale_channels(n, p, c, x, s, scaled0);
		PLAIN->scale_channels_sums(n, p, c, absolute(x, count), absolute(dy, count),
					   ds_size);
		PLAIN->scale_channels_sums(n, p, c, x, dy, ds0);
		for (size_t t = 1; t < ntables; t++) {
			float *mean = blank(n * c), *spread = copy_of(x, count);
			float *scaled = blank(count), *ds = blank(n * c);

			snprintf(what, sizeof(what), "pool, scale %zux%zu %s", p, c,
				 tables[t]->name);
			tables[t]->mean_pool(n, p, c, x, mean);
			same_bits(mean, mean0, n * c);
			tables[t]->mean_pool_grad(n, p, c, s, (int)i % 2, spread);
			same_bits(spread, spread0, count);
			tables[t]->scale_channels(n, p, c, x, s, scaled);
			same_bits(scaled, scaled0, count);
			tables[t]->scale_channels_sums(n, p, c, x, dy, ds);
			near_by(ds, ds0, ds_size, n * c, 1e-6);
		}
		drop_all();
	}
}

/* Channels that make strips of vectors of every length, at every width of a vector. */
static void test_mean_pool_wide(void **state)
{
	(void)state;
	for (size_t c = 44; c < 300; c += c % 7 + 1) {
		float *x = random_block(2 * 9 * c), *want = blank(2 * c);

		PLAIN->mean_pool(2, 9, c, x, want);
		for (size_t t = 1; t < ntables; t++) {
			float *mean = blank(2 * c);

			snprintf(what, sizeof(what), "mean of %zu channels %s", c, tables[t]->name);
			tables[t]->mean_pool(2, 9, c, x, mean);
			same_bits(mean, want, 2 * c);
		}
		drop_all();
	}
}

static void test_mean_pool_value(void **state)
{
	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		const float x[12] = {1, 10, 2, 20, 6, 60, -1, 0, -1, 3, -1, 0};
		const float dy[4] = {3, 6, 9, 12};
		float y[4], dx[12], s[4];

		tables[t]->mean_pool(2, 3, 2, x, y);
		assert_true(y[0] == 3 && y[1] == 30 && y[2] == -1 && y[3] == 1);
		tables[t]->mean_pool_grad(2, 3, 2, dy, 0, dx);
		for (size_t i = 0; i < 12; i++)
			assert_true(dx[i] == dy[i / 6 * 2 + i % 2] / 3);
		tables[t]->scale_channels_sums(2, 3, 2, x, x, s);
		assert_true(s[0] == 41 && s[1] == 4100 && s[2] == 3 && s[3] == 9);
	}
}

/* The most outputs that each read at least one pixel. */
static size_t outputs_with_a_pixel(size_t size, size_t stride, size_t pad)
{
	return (size - 1 + pad) / stride + 1;
}

static void test_max_pool(void **state)
{
	(void)state;
	for (size_t i = 0; i < 60; i++) {
		struct nst_conv s = random_conv(1);
		size_t nx = x_size(&s), ny;
		float *x, *y0, *dy, *dx0;
		unsigned char *arg0;

		/* Every output must have a pixel to take. */
		s.ho = outputs_with_a_pixel(s.h, s.stride, s.pad_top);
		s.wo = outputs_with_a_pixel(s.w, s.stride, s.pad_left);
		ny = y_size(&s);
		x = random_block(nx);
		y0 = blank(ny);
		dy = random_block(ny);
		dx0 = blank(nx);
		arg0 = keep(malloc(ny));
		PLAIN->max_pool(&s, x, y0, arg0);
		PLAIN->max_pool_grad(&s, dy, arg0, dx0);
		for (size_t t = 1; t < ntables; t++) {
			float *y = blank(ny), *dx = blank(nx);
			unsigned char *arg = keep(malloc(ny));

			name_conv(&s, "max_pool", tables[t]->name);
			tables[t]->max_pool(&s, x, y, arg);
			same_bits(y, y0, ny);
			assert_memory_equal(arg, arg0, ny);
			memset(y, 0, ny * sizeof(*y));
			tables[t]->max_pool(&s, x, y, NULL);
			same_bits(y, y0, ny);
			tables[t]->max_pool_grad(&s, dy, arg, dx);
			same_bits(dx, dx0, nx);
		}
		drop_all();
	}
}

static void test_max_pool_value(void **state)
{
	const struct nst_conv s = {1, 3, 3, 1, 2, 2, 1, 3, 2, 1, 1, NULL};
	const float x[9] = {1, -5, 2, 4, 0, 3, 4, 8, -1}, dy[4] = {10, 20, 30, 40};

	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		float y[4], dx[9];
		unsigned char arg[4];

		tables[t]->max_pool(&s, x, y, arg);
		assert_true(y[0] == 4 && y[1] == 3 && y[2] == 8 && y[3] == 8);
		assert_true(arg[0] == 7 && arg[1] == 7 && arg[2] == 5 && arg[3] == 3);
		tables[t]->max_pool_grad(&s, dy, arg, dx);
		assert_true(dx[3] == 10 && dx[5] == 20 && dx[7] == 70 && dx[0] == 0 && dx[8] == 0);
	}
}

/* What is copied past the caches arrives, whatever the alignment, and nothing beside it changes. */
static void test_stream(void **state)
{
	(void)state;
	for (size_t t = 0; t < ntables; t++) {
		for (size_t at = 0; at < 17; at++) {
			for (size_t n = 0; n < 80; n += 1 + n / 9) {
				float *x = random_block(n + 17), *y = random_block(n + 34);
				float *want = copy_of(y, n + 34);

				memcpy(want + at, x, n * sizeof(*x));
				tables[t]->stream(n, x, y + at);
				assert_memory_equal(y, want, (n + 34) * sizeof(*y));
				drop_all();
			}
		}
	}
}

/* Lines of a convolution, forward and data gradient, are those of the whole. */
static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < 300; i++) {
		struct nst_conv s = random_conv(1), part;
		float *x, *w = random_block(s.k * s.k * s.cin), *dy, *y, *dx, *lines;
		size_t first, count, from, line;

		s.n = 1;
		x = random_block(x_size(&s));
		dy = random_block(y_size(&s));
		y = blank(y_size(&s));
		dx = blank(x_size(&s));
		lines = blank(x_size(&s) + y_size(&s));
		name_conv(&s, "lines", "plain");
		forward(PLAIN, 1, &s, x, w, NULL, NST_ACT_NONE, y);
		data_grad(PLAIN, 1, &s, dy, w, dx);

		first = nst_rng_below(&rng, (uint32_t)s.ho);
		count = 1 + nst_rng_below(&rng, (uint32_t)(s.ho - first));
		part = nst_conv_lines(&s, first, count, &from);
		line = s.wo * s.cin;
		assert_true(part.ho == count && from + part.h <= s.h);
		forward(PLAIN, 1, &part, x + from * s.w * s.cin, w, NULL, NST_ACT_NONE, lines);
		same_bits(lines, y + first * line, count * line);

		first = nst_rng_below(&rng, (uint32_t)s.h);
		count = 1 + nst_rng_below(&rng, (uint32_t)(s.h - first));
		part = nst_conv_lines_grad(&s, first, count, &from);
		line = s.w * s.cin;
		assert_true(part.h == count && from + part.ho <= s.ho);
		data_grad(PLAIN, 1, &part, dy + from * s.wo * s.cin, w, lines);
		same_bits(lines, dx + first * line, count * line);
		drop_all();
	}
}

/* ---- parameters ----------------------------------------------------------------------------- */

static void test_optimizers(void **state)
{
	(void)state;
	for (size_t n = 1; n < 60; n += 3) {
		float *grad = random_block(n), *w = random_block(n), *m = random_block(n);
		float *ms = absolute(random_block(n), n);

		for (size_t t = 0; t < ntables; t++) {
			const struct nst_kernels *k = tables[t];
			float *w1 = copy_of(w, n), *m1 = copy_of(m, n), *w2 = copy_of(w, n);
			float *m2 = copy_of(m, n), *w3 = copy_of(w, n), *m3 = copy_of(m, n);
			float *s3 = copy_of(ms, n), *e = copy_of(m, n), *sum = copy_of(m, n);

			k->sgd(n, grad, 0.1f, 0.9f, 0.01f, 0, m1, w1);
			k->sgd(n, grad, 0.1f, 0.9f, 0.01f, 1, m2, w2);
			k->rmsprop_tf(n, grad, 0.1f, 0.8f, 0.9f, 0.001f, 0.01f, s3, m3, w3);
			k->ema(n, w, 0.75f, e);
			k->add(n, w, sum);
			for (size_t i = 0; i < n; i++) {
				double g = grad[i] + 0.01 * w[i], slot = 0.9 * m[i] + g;
				double s = ms[i] + 0.2 * (g * g - ms[i]);
				double mom = 0.9 * m[i] + 0.1 * g / sqrt(s + 0.001);

				assert_true(fabs(m1[i] - slot) < 2e-6);
				assert_true(fabs(w1[i] - (w[i] - 0.1 * slot)) < 2e-6);
				assert_true(fabs(m2[i] - slot) < 2e-6);
				assert_true(fabs(w2[i] - (w[i] - 0.1 * (g + 0.9 * slot))) < 2e-6);
				assert_true(fabs(s3[i] - s) < 1e-5);
				assert_true(fabs(m3[i] - mom) < 2e-5);
				assert_true(fabs(w3[i] - (w[i] - mom)) < 2e-5);
				assert_true(fabs(e[i] - (m[i] + 0.25 * (w[i] - m[i]))) < 1e-6);
				assert_true(sum[i] == m[i] + w[i]);
			}
		}
		drop_all();
	}
}

/* One number among others that is none is found wherever it is, whatever the others are. */
static void test_all_finite(void **state)
{
	const float bad[] = {INFINITY, -INFINITY, NAN};

	(void)state;
	for (size_t n = 1; n < 70; n += 3) {
		float *x = random_block(n);

		x[n / 2] = -FLT_MAX;
		x[n / 3] = FLT_MIN / 8; /* subnormal */
		for (size_t t = 0; t < ntables; t++) {
			assert_true(tables[t]->all_finite(n, x));
			for (size_t i = 0; i < 3 * n; i++) {
				float was = x[i / 3];

				x[i / 3] = bad[i % 3];
				assert_false(tables[t]->all_finite(n, x));
				x[i / 3] = was;
			}
		}
		assert_true(PLAIN->all_finite(0, x));
		drop_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_choice, teardown),
		cmocka_unit_test_teardown(test_exp, teardown),
		cmocka_unit_test_teardown(test_act, teardown),
		cmocka_unit_test_teardown(test_act_nan, teardown),
		cmocka_unit_test_teardown(test_gemm, teardown),
		cmocka_unit_test_teardown(test_gemm_blocks, teardown),
		cmocka_unit_test_teardown(test_conv, teardown),
		cmocka_unit_test_teardown(test_conv_minimal, teardown),
		cmocka_unit_test_teardown(test_conv_real, teardown),
		cmocka_unit_test_teardown(test_conv_single_images, teardown),
		cmocka_unit_test_teardown(test_conv_ahead, teardown),
		cmocka_unit_test_teardown(test_conv_slopes, teardown),
		cmocka_unit_test_teardown(test_depthwise, teardown),
		cmocka_unit_test_teardown(test_bn_stats, teardown),
		cmocka_unit_test_teardown(test_bn_stats_nan, teardown),
		cmocka_unit_test_teardown(test_bn, teardown),
		cmocka_unit_test_teardown(test_bn_without_y, teardown),
		cmocka_unit_test_teardown(test_bn_slopes, teardown),
		cmocka_unit_test_teardown(test_pool_and_scale, teardown),
		cmocka_unit_test_teardown(test_mean_pool_wide, teardown),
		cmocka_unit_test_teardown(test_mean_pool_value, teardown),
		cmocka_unit_test_teardown(test_max_pool, teardown),
		cmocka_unit_test_teardown(test_max_pool_value, teardown),
		cmocka_unit_test_teardown(test_optimizers, teardown),
		cmocka_unit_test_teardown(test_all_finite, teardown),
		cmocka_unit_test_teardown(test_stream, teardown),
		cmocka_unit_test_teardown(test_lines, teardown),
		cmocka_unit_test_teardown(test_bf16, teardown),
		cmocka_unit_test_teardown(test_bf16_blocks, teardown),
		cmocka_unit_test_teardown(test_bf16_rounding, teardown),
		cmocka_unit_test_teardown(test_bf16_nan, teardown),
	};

	return cmocka_run_group_tests_name("kernels", tests, setup, NULL);
}
