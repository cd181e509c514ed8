/* Speed of every kernel on the shapes of real nets, one thread: GFLOP/s of the multiply-adds that
 * the mathematics asks for, as a fraction of what the multipliers of this core can do (measured
 * with registers only), or GB/s for kernels that are bound by memory.  Best of several runs, in
 * processor time of the thread, so that neighbours on the machine disturb little.
 *
 * Usage: kernels [TABLE [WORD]]; with WORD only lines whose name begins with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "libcore/nn/kernels/kernels.h"
#include "libcore/util/mem.h"
#include "libcore/util/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GRAIN 32

static const struct nst_kernels *k;
static const char *word = "";
static double peak; /* GFLOP/s */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the peak ------------------------------------------------------------------------------- */

#define CHAINS 12
#define ROUNDS 20000000

#define PEAK_LOOP(type, set, fma)                                                                  \
	type sum[CHAINS], a = set(1.000001f), b = set(-1e-7f);                                     \
	float out = 0;                                                                             \
	for (int i = 0; i < CHAINS; i++)                                                           \
		sum[i] = set((float)i);                                                            \
	for (int r = 0; r < ROUNDS / CHAINS; r++)                                                  \
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) sum[i] = fma;            \
	for (int i = 0; i < CHAINS; i++)                                                           \
		out += ((float *)&sum[i])[0];                                                      \
	return out

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float spin_avx512(void)
{
	PEAK_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps(sum[i], a, b));
}

__attribute__((target("avx2,fma"))) static float spin_avx2(void)
{
	PEAK_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps(sum[i], a, b));
}
#elif defined(__aarch64__)
static float spin_neon(void)
{
	PEAK_LOOP(float32x4_t, vdupq_n_f32, vfmaq_f32(b, sum[i], a));
}
#endif

static double measure_peak(void)
{
	float (*spin)(void) = NULL;
	volatile float sink;
	double best = 1e30;

#if defined(__x86_64__)
	spin = k->lanes == 16 ? spin_avx512 : k->lanes == 8 ? spin_avx2 : NULL;
#elif defined(__aarch64__)
	spin = k->lanes == 4 ? spin_neon : NULL;
#endif
	if (!spin)
		return 1.0;
	for (int i = 0; i < 7; i++) {
		double start = now(), t;

		sink = spin();
		(void)sink;
		t = now() - start;
		best = t < best ? t : best;
	}
	return 2e-9 * (double)k->lanes * ROUNDS / best;
}

/* ---- measuring ------------------------------------------------------------------------------ */

static void die(const struct nst_err *err)
{
	fprintf(stderr, "kernels: %s\n", err->msg);
	exit(1);
}

static float *block(size_t n)
{
	struct nst_err err;
	struct nst_rng r;
	float *p = nst_alloc_aligned(n + 1, sizeof(*p), &err);

	if (!p)
		die(&err);
	nst_rng_init(&r, 1, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < n; i++)
		p[i] = (float)nst_rng_uniform(&r, -1, 1);
	return p;
}

/* One measured call: arguments in a struct, so that the loop of repetitions is written once. */
struct job {
	struct nst_conv s;
	struct nst_bn bn;
	float *x, *y, *w, *dw, *packed, *packed_grad, *scratch, *c[6];
	float *dx, *dy;
	size_t m, n, terms;
};

static double seconds(void (*run)(const struct job *), const struct job *j)
{
	double best = 1e30, begin = now();
	size_t times = 1;

	for (int i = 0; i < 200 && now() - begin < 0.15; i++) {
		double start = now(), t;

		for (size_t r = 0; r < times; r++)
			run(j);
		t = (now() - start) / (double)times;
		if (t * (double)times < 1e-3)
			times = (size_t)(1.5e-3 / t) + 1;
		best = t < best ? t : best;
	}
	return best;
}

static void report(const char *kind, const char *shape, double macs, double bytes,
		   void (*run)(const struct job *), const struct job *j)
{
	double t;

	if (strncmp(kind, word, strlen(word)))
		return;
	t = seconds(run, j);
	printf("%-16s %-34s %9.1f us", kind, shape, 1e6 * t);
	if (macs > 0)
		printf(" %7.1f GFLOP/s %4.0f %%", 2e-9 * macs / t, 200e-9 * macs / t / peak);
	if (bytes > 0)
		printf(" %7.1f GB/s", 1e-9 * bytes / t);
	putchar('\n');
	fflush(stdout);
}

/* ---- dense products ------------------------------------------------------------------------- */

static void run_gemm(const struct job *j)
{
	k->gemm(j->m, j->n, j->terms, j->x, j->terms, 1, j->packed, NULL, NST_ACT_NONE, 0, j->y,
		j->n);
}

static void run_gemm_act(const struct job *j)
{
	k->gemm(j->m, j->n, j->terms, j->x, j->terms, 1, j->packed, j->w, NST_ACT_SWISH, 0, j->y,
		j->n);
}

static void run_gemm_transposed(const struct job *j)
{
	k->gemm(j->m, j->n, j->terms, j->x, 1, j->m, j->packed, NULL, NST_ACT_NONE, 0, j->y, j->n);
}

static void bench_gemm(void)
{
	static const size_t shapes[][3] = {
		{8192, 16, 96},   {2048, 96, 24},   {2048, 24, 144}, {2048, 144, 24},
		{512, 144, 40},   {512, 40, 240},   {512, 240, 40},  {128, 240, 80},
		{128, 80, 480},   {128, 480, 112},  {128, 112, 672}, {128, 672, 112},
		{32, 672, 192},   {32, 192, 1152},  {32, 1152, 192}, {32, 1152, 320},
		{32, 320, 1280},  {32, 1280, 1000}, {12544, 32, 16}, {12544, 16, 96},
		{3136, 24, 144},  {3136, 144, 24},  {784, 40, 240},  {196, 480, 80},
		{196, 112, 672},  {49, 1152, 192},  {1, 1280, 1000}, {1024, 1024, 1024},
	};

	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct job j = {.m = shapes[i][0], .terms = shapes[i][1], .n = shapes[i][2]};
		double macs = (double)j.m * (double)j.n * (double)j.terms;
		char name[64];

		j.x = block(j.m * j.terms);
		j.w = block(j.terms * j.n);
		j.y = block(j.m * j.n);
		j.packed = block(k->pack_size(j.terms, j.n));
		k->pack(j.terms, j.n, j.w, j.n, j.packed);
		snprintf(name, sizeof(name), "m %zu k %zu n %zu", j.m, j.terms, j.n);
		report("gemm", name, macs, 0, run_gemm, &j);
		report("gemm swish", name, macs, 0, run_gemm_act, &j);
		report("gemm transposed", name, macs, 0, run_gemm_transposed, &j);
		free(j.x);
		free(j.w);
		free(j.y);
		free(j.packed);
	}
}

/* ---- convolutions --------------------------------------------------------------------------- */

static void run_conv_forward(const struct job *j)
{
	k->conv_forward(&j->s, j->x, j->packed, NULL, NST_ACT_NONE, j->y, j->scratch);
}

static void run_conv_data(const struct job *j)
{
	k->conv_data_grad(&j->s, j->dy, j->packed_grad, j->dx, j->scratch);
}

static void run_conv_weights(const struct job *j)
{
	k->conv_weight_grad(&j->s, j->x, j->dy, 0, j->dw, j->scratch);
}

static void run_conv_pack(const struct job *j)
{
	k->conv_pack(&j->s, j->w, j->packed);
	k->conv_pack_grad(&j->s, j->w, j->packed_grad);
}

static void run_dw_forward(const struct job *j)
{
	k->dw_forward(&j->s, j->x, j->w, NULL, NST_ACT_NONE, j->y, j->scratch);
}

static void run_dw_data(const struct job *j)
{
	k->dw_data_grad(&j->s, j->dy, j->w, j->dx, j->scratch);
}

static void run_dw_weights(const struct job *j)
{
	k->dw_weight_grad(&j->s, j->x, j->dy, 0, j->dw, j->scratch);
}

/* Multiply-adds without those of padding, for one channel in and out. */
static double useful_taps(const struct nst_conv *s)
{
	double lines = 0, columns = 0;

	for (size_t i = 0; i < s->ho; i++)
		for (size_t a = 0; a < s->k; a++)
			lines += i * s->stride + a - s->pad_top < s->h;
	for (size_t i = 0; i < s->wo; i++)
		for (size_t a = 0; a < s->k; a++)
			columns += i * s->stride + a - s->pad_left < s->w;
	return (double)s->n * lines * columns;
}

/* size, cin, cout, k, stride: "same" padding as TensorFlow places it. */
struct shape {
	size_t n, size, cin, cout, k, stride;
};

static void bench_convs(int depthwise, const struct shape *shapes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct shape *f = &shapes[i];
		size_t out = (f->size + f->stride - 1) / f->stride;
		size_t span = (out - 1) * f->stride + f->k;
		size_t pad = span > f->size ? (span - f->size) / 2 : 0, weights, nx, ny;
		struct job j = {.s = {f->n, f->size, f->size, f->cin, out, out, f->cout, f->k,
				      f->stride, pad, pad}};
		double macs = useful_taps(&j.s) * (double)f->cin *
			      (depthwise ? 1.0 : (double)f->cout);
		char name[64];

		weights = f->k * f->k * f->cin * (depthwise ? 1 : f->cout);
		nx = f->n * f->size * f->size * f->cin;
		ny = f->n * out * out * f->cout;
		j.x = block(nx);
		j.dx = block(nx);
		j.y = block(ny);
		j.dy = block(ny);
		j.w = block(weights);
		j.dw = block(weights);
		j.scratch = block(depthwise ? k->dw_scratch(&j.s) : k->conv_scratch(&j.s, 1));
		j.packed = block(depthwise ? 0 : k->conv_pack_size(&j.s));
		j.packed_grad = block(depthwise ? 0 : k->conv_pack_grad_size(&j.s));
		snprintf(name, sizeof(name), "%zu x %zux%zu %zu>%zu k%zu s%zu", f->n, f->size,
			 f->size, f->cin, f->cout, f->k, f->stride);
		if (depthwise) {
			double bytes = 4.0 * (double)(nx + ny);

			report("dw forward", name, macs, bytes, run_dw_forward, &j);
			report("dw data", name, macs, bytes, run_dw_data, &j);
			report("dw weights", name, macs, bytes, run_dw_weights, &j);
		} else {
			k->conv_pack(&j.s, j.w, j.packed);
			k->conv_pack_grad(&j.s, j.w, j.packed_grad);
			report("conv forward", name, macs, 0, run_conv_forward, &j);
			report("conv data", name, macs, 0, run_conv_data, &j);
			report("conv weights", name, macs, 0, run_conv_weights, &j);
			report("conv pack", name, 0, 12.0 * (double)weights, run_conv_pack, &j);
		}
		free(j.x);
		free(j.dx);
		free(j.y);
		free(j.dy);
		free(j.w);
		free(j.dw);
		free(j.scratch);
		free(j.packed);
		free(j.packed_grad);
	}
}

static const struct shape dense[] = {
	{GRAIN, 32, 3, 16, 3, 1},    {GRAIN, 32, 16, 16, 3, 1},  {GRAIN, 32, 16, 32, 3, 2},
	{GRAIN, 16, 32, 32, 3, 1},   {GRAIN, 16, 32, 64, 3, 2},  {GRAIN, 8, 64, 64, 3, 1},
	{GRAIN, 32, 32, 32, 3, 1},   {GRAIN, 32, 16, 32, 1, 1},  {GRAIN, 32, 32, 64, 1, 2},
	{GRAIN, 32, 32, 64, 3, 2},   {GRAIN, 16, 64, 64, 3, 1},  {GRAIN, 16, 64, 128, 1, 2},
	{GRAIN, 16, 64, 128, 3, 2},  {GRAIN, 8, 128, 128, 3, 1}, {GRAIN, 32, 3, 32, 3, 2},
	{GRAIN, 16, 96, 24, 1, 1},   {GRAIN, 8, 40, 240, 1, 1},  {GRAIN, 2, 672, 112, 1, 1},
	{GRAIN, 1, 1152, 192, 1, 1}, {1, 224, 3, 32, 3, 2},      {1, 56, 64, 64, 3, 1},
};

static const struct shape depthwise[] = {
	{GRAIN, 16, 32, 32, 3, 1},   {GRAIN, 16, 96, 96, 3, 2},  {GRAIN, 8, 144, 144, 3, 1},
	{GRAIN, 8, 144, 144, 5, 2},  {GRAIN, 4, 240, 240, 5, 1}, {GRAIN, 4, 240, 240, 3, 2},
	{GRAIN, 2, 480, 480, 3, 1},  {GRAIN, 2, 672, 672, 5, 1}, {GRAIN, 2, 672, 672, 5, 2},
	{GRAIN, 1, 1152, 1152, 5, 1}, {GRAIN, 16, 144, 144, 3, 1}, {GRAIN, 8, 672, 672, 5, 1},
	{1, 112, 32, 32, 3, 1},      {1, 112, 96, 96, 3, 2},     {1, 56, 144, 144, 3, 1},
	{1, 28, 240, 240, 5, 1},     {1, 14, 672, 672, 5, 1},    {1, 7, 1152, 1152, 5, 1},
};

/* ---- passes over memory --------------------------------------------------------------------- */

static void run_bn_stats(const struct job *j)
{
	k->bn_stats(j->m, j->n, j->x, j->c[0], j->c[1]);
}

static void run_bn_forward(const struct job *j)
{
	k->bn_forward(&j->bn, j->x, j->c[2], j->c[3], NULL, j->y);
}

static void run_bn_residual(const struct job *j)
{
	k->bn_forward(&j->bn, j->x, j->c[2], j->c[3], j->dx, j->y);
}

static void run_bn_slope(const struct job *j)
{
	k->bn_forward_slope(&j->bn, j->x, j->c[2], j->c[3], j->y, j->dx);
}

static void run_bn_sums(const struct job *j)
{
	k->bn_backward_sums(&j->bn, j->dy, j->y, j->x, j->c[2], j->c[3], j->c[0], j->c[1]);
}

static void run_bn_data(const struct job *j)
{
	k->bn_backward_data(&j->bn, j->dy, j->x, j->c[2], j->c[3], j->c[4], j->c[0], j->dx);
}

static void run_mean_pool(const struct job *j)
{
	k->mean_pool(j->bn.n, j->bn.pixels, j->n, j->x, j->w);
}

static void run_scale(const struct job *j)
{
	k->scale_channels(j->bn.n, j->bn.pixels, j->n, j->x, j->w, j->y);
}

static void run_scale_sums(const struct job *j)
{
	k->scale_channels_sums(j->bn.n, j->bn.pixels, j->n, j->x, j->dy, j->dw);
}

static void run_swish(const struct job *j)
{
	k->act_forward(j->m * j->n, NST_ACT_SWISH, j->x, j->y);
}

static void bench_passes(void)
{
	/* Images, pixels, channels. */
	static const size_t shapes[][3] = {
		{GRAIN, 1024, 16}, {GRAIN, 256, 32}, {GRAIN, 256, 96}, {GRAIN, 64, 64},
		{GRAIN, 64, 144},  {GRAIN, 4, 480},  {GRAIN, 1, 1152}, {1, 12544, 96},
		{1, 3136, 144},    {1, 196, 672},    {2, 49, 1152},    {16, 196, 672},
	};

	for (size_t i = 0; i < COUNT(shapes); i++) {
		size_t images = shapes[i][0], pixels = shapes[i][1];
		struct job j = {.m = images * pixels, .n = shapes[i][2]};
		size_t all = j.m * j.n;
		double bytes = 4.0 * (double)all;
		char name[64];

		j.x = block(all);
		j.y = block(all);
		j.dx = block(all);
		j.dy = block(all);
		j.w = block(images * j.n);
		j.dw = block(images * j.n);
		for (size_t c = 0; c < COUNT(j.c); c++)
			j.c[c] = block(j.n);
		snprintf(name, sizeof(name), "%zu x %zu x %zu", images, pixels, j.n);
		j.bn = (struct nst_bn){
			.n = images, .pixels = pixels, .c = j.n, .act = NST_ACT_RELU,
		};
		report("bn stats", name, 0, bytes, run_bn_stats, &j);
		report("bn relu", name, 0, 2 * bytes, run_bn_forward, &j);
		report("bn residual", name, 0, 3 * bytes, run_bn_residual, &j);
		report("bn sums relu", name, 0, 4 * bytes, run_bn_sums, &j);
		report("bn data", name, 0, 3 * bytes, run_bn_data, &j);
		j.bn.act = NST_ACT_SWISH;
		report("bn swish", name, 0, 2 * bytes, run_bn_forward, &j);
		report("bn swish, slope", name, 0, 3 * bytes, run_bn_slope, &j);
		report("bn sums swish", name, 0, 4 * bytes, run_bn_sums, &j);
		j.bn.times = j.w;
		j.bn.plus = j.dw;
		report("bn sums scaled", name, 0, 4 * bytes, run_bn_sums, &j);
		report("mean pool", name, 0, bytes, run_mean_pool, &j);
		report("scale", name, 0, 2 * bytes, run_scale, &j);
		report("scale sums", name, 0, 2 * bytes, run_scale_sums, &j);
		report("swish", name, 0, 2 * bytes, run_swish, &j);
		free(j.x);
		free(j.y);
		free(j.dx);
		free(j.dy);
		free(j.w);
		free(j.dw);
		for (size_t c = 0; c < COUNT(j.c); c++)
			free(j.c[c]);
	}
}

int main(int argc, char **argv)
{
	const char *why = NULL;

	if (argc > 1)
		setenv("NST_SIMD", argv[1], 1);
	if (argc > 2)
		word = argv[2];
	k = nst_kernels_get(&why);
	if (!k) {
		fprintf(stderr, "kernels: %s\n", why);
		return 1;
	}
	peak = measure_peak();
	printf("table %s, peak %.1f GFLOP/s\n", k->name, peak);
	bench_gemm();
	bench_convs(0, dense, COUNT(dense));
	bench_convs(1, depthwise, COUNT(depthwise));
	bench_passes();
	return 0;
}
