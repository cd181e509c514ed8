/* Gradients: a grain against a plain twin in double, backward by finite differences of it. */
#include "tests/unit/nn_twin.h"

#include "libcore/nn/blas.h"
#include "libcore/nn/grain.h"
#include "libcore/nn/grain_state.h"

enum { ROWS = 6, CLASSES = 5, PER_TENSOR = 6 };

struct setting {
	int noise;
	size_t frozen;
	uint64_t seed;
	const struct nst_kernels *k;
	size_t rows; /* at most ROWS */
};

/* A grain that has gone forward and backward, and what its twin needs. */
struct pair {
	struct nst_net *net;
	const struct setting *setting;
	float *params, *images, *grad;
	double *wide; /* the parameters in double */
	double target[ROWS * CLASSES];
	uint64_t key[ROWS];
	struct twin_noise noise;
};

static const struct twin_noise *noise_of(const struct pair *p)
{
	return p->setting->noise ? &p->noise : NULL;
}

/* Mean cross-entropy of the twin with these parameters. */
static double twin_loss(const struct pair *p, const double *params)
{
	double logits[ROWS * CLASSES], loss = 0;
	size_t rows = p->setting->rows;

	twin_forward(p->net, params, rows, p->images, noise_of(p), p->setting->frozen, logits);
	for (size_t r = 0; r < rows; r++) {
		double sum = 0;

		for (size_t c = 0; c < CLASSES; c++)
			sum += exp(logits[r * CLASSES + c]);
		for (size_t c = 0; c < CLASSES; c++)
			loss -= p->target[r * CLASSES + c] * (logits[r * CLASSES + c] - log(sum)) /
				(double)rows;
	}
	return loss;
}

/* Gradient of that loss at the logits. */
static void loss_grad(size_t rows, const float *logits, const double *target, float *grad)
{
	for (size_t r = 0; r < rows; r++) {
		double sum = 0;

		for (size_t c = 0; c < CLASSES; c++)
			sum += exp(logits[r * CLASSES + c]);
		for (size_t c = 0; c < CLASSES; c++)
			grad[r * CLASSES + c] = (float)((exp(logits[r * CLASSES + c]) / sum -
							 target[r * CLASSES + c]) /
							(double)rows);
	}
}

static void pair_fill(struct pair *p, struct nst_net *net, const struct setting *s)
{
	struct nst_rng rng;

	p->net = net;
	p->setting = s;
	p->params = random_params(net, s->seed);
	p->images = random_images(net, ROWS, s->seed);
	p->grad = floats_new(net->nfloats);
	p->wide = as_doubles(p->params, net->nfloats);
	nst_rng_init(&rng, s->seed, NST_RNG_TEST, 4, 0);
	for (size_t r = 0; r < ROWS; r++) {
		double sum = 0;

		p->key[r] = ((uint64_t)nst_rng_u32(&rng) << 32) | nst_rng_u32(&rng);
		for (size_t c = 0; c < CLASSES; c++)
			sum += p->target[r * CLASSES + c] = nst_rng_unit(&rng);
		for (size_t c = 0; c < CLASSES; c++)
			p->target[r * CLASSES + c] /= sum;
	}
	p->noise.seed = s->seed;
	p->noise.epoch = 3;
	p->noise.key = p->key;
	p->noise.dropout = net->arch.dropout;
	p->noise.drop_path = net->arch.drop_path;
}

static void pair_release(struct pair *p)
{
	nst_net_free(p->net);
	free(p->wide);
	free(p->grad);
	free(p->images);
	free(p->params);
}

/* Forward and backward of the grain; the logits are held against the twin's. */
static void pair_run(struct pair *p, struct nst_net *net, const struct setting *s)
{
	double logits[ROWS * CLASSES];
	struct nst_grain_plan *plan;
	struct nst_grain *g;
	struct nst_pack *pack;
	struct nst_pool *pool;
	struct nst_err err = { 0 };

	pair_fill(p, net, s);
	nst_blas_init();
	assert_int_equal(nst_pool_new(1, &pool, &err), 0);
	assert_int_equal(nst_grain_plan_new(net, s->k, s->rows + (s->rows > 1), s->noise, s->frozen,
					    &plan, &err),
			 0);
	assert_int_equal(nst_grain_new(plan, &g, &err), 0);
	assert_int_equal(nst_pack_new(net, s->k, &pack, &err), 0);
	nst_pack_fill(pack, p->params, pool);
	memcpy(nst_grain_input(g), p->images, s->rows * net->size * net->size * 3 * sizeof(float));
	for (size_t r = 0; r < s->rows && s->noise; r++)
		nst_grain_noise(g, r, s->seed, p->noise.epoch, p->key[r], p->noise.dropout,
				p->noise.drop_path);
	nst_grain_forward(g, s->rows, p->params, pack);

	twin_forward(net, p->wide, s->rows, p->images, noise_of(p), s->frozen, logits);
	for (size_t i = 0; i < s->rows * CLASSES; i++)
		if (!(fabs(logits[i] - nst_grain_logits(g)[i]) <= 2e-5 * (1 + fabs(logits[i]))))
			fail_msg("%s: logit %zu is %g, should be %g", net->arch.name, i,
				 (double)nst_grain_logits(g)[i], logits[i]);

	loss_grad(s->rows, nst_grain_logits(g), p->target, nst_grain_logits_grad(g));
	nst_grain_backward(g, s->rows, p->params, pack, 0.5, p->grad);
	nst_pool_free(pool);
	nst_pack_free(pack);
	nst_grain_free(g);
	nst_grain_plan_free(plan);
}

/* Some elements of one tensor by differences of the twin. */
static void compare_tensor(const struct pair *p, const struct nst_param *t)
{
	double largest = 1e-3, h = 1e-6;
	struct nst_rng rng;

	nst_rng_init(&rng, p->setting->seed, NST_RNG_TEST, 2, t->offset);
	for (size_t i = 0; i < t->count; i++)
		largest = fmax(largest, fabs(p->grad[t->offset + i]));
	for (size_t i = 0; i < PER_TENSOR && i < t->count; i++) {
		size_t in = t->count <= PER_TENSOR ? i : nst_rng_below(&rng, (uint32_t)t->count);
		double *w = &p->wide[t->offset + in], was = *w, up, down, numeric;
		float got = p->grad[t->offset + in];

		*w = was + h;
		up = twin_loss(p, p->wide);
		*w = was - h;
		down = twin_loss(p, p->wide);
		*w = was;
		numeric = (up - down) / (2 * h);
		if (!(fabs(numeric - got) <= 2e-4 * largest))
			fail_msg("%s: %s[%zu] is %.9g by differences, %.9g by the net (largest %g)",
				 p->net->arch.name, t->name, in, numeric, (double)got, largest);
	}
}

static void check_net(struct nst_net *net, const struct setting *s)
{
	struct pair p;

	pair_run(&p, net, s);
	for (size_t i = 0; i < p.net->nparams; i++)
		if (p.net->param[i].offset < p.net->ntrain)
			compare_tensor(&p, &p.net->param[i]);
	pair_release(&p);
}

static void check_all(int noise, size_t frozen, uint64_t seeds)
{
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	for (size_t i = 0; i < NTINY; i++) {
		for (uint64_t seed = 1; seed <= seeds; seed++) {
			struct setting s = { noise, frozen, seed, list[tables - 1], ROWS };

			check_net(tiny_net(i, CLASSES), &s);
		}
	}
}

static void test_plain(void **state)
{
	(void)state;
	check_all(0, 0, 2);
}

static void test_with_noise(void **state)
{
	(void)state;
	check_all(1, 0, 2);
}

static void test_with_fixed_statistics(void **state)
{
	(void)state;
	check_all(0, SIZE_MAX, 1);
}

static void test_with_some_fixed_statistics(void **state)
{
	(void)state;
	check_all(1, 2, 1);
}

/* The narrower tables of kernels. */
static void test_tables(void **state)
{
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	(void)state;
	for (size_t t = 0; t + 1 < tables; t++) {
		for (size_t i = 0; i < NTINY; i++) {
			struct setting s = { 1, 0, 9, list[t], ROWS };

			check_net(tiny_net(i, CLASSES), &s);
		}
	}
}

/* A grain of one row: its statistics are over pixels alone. */
static void test_one_row(void **state)
{
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	(void)state;
	for (size_t i = 0; i < NTINY; i++) {
		struct setting s = { 1, 0, 14, list[tables - 1], 1 };
		struct nst_net *net = tiny_net(i, CLASSES);

		assert_int_equal(nst_net_least_grain(net, 0), 1);
		check_net(net, &s);
	}
}

/* Both paddings in every kind of stage, where sides are even and where they are odd. */
static void test_paddings(void **state)
{
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	(void)state;
	for (size_t i = 0; i < NTINY; i++)
		for (size_t more = 0; more < 2; more++)
			for (int pad = NST_PAD_SAME; pad <= NST_PAD_SYMMETRIC; pad++) {
				struct setting s = { 0, 0, 3, list[tables - 1], 3 };

				check_net(tiny_padded(i, (enum nst_pad)pad, more, CLASSES), &s);
			}
}

/* Maps so large that a grain is worked on in several chunks, or an image by bands, of which
 * those of 17 times 16 channels go past the caches and those of 44 times 12 are of a single line; here
 * whole gradients are held against slopes along random directions. */
static const char *const large[] = {
	"net size=48 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0.5\n"
	"conv k=3 s=1 c=16 bn=1 act=relu\n"
	"basic k=3 s=1 c=16 n=2 shortcut=pad act=relu\n"
	"basic k=3 s=2 c=20 n=1 shortcut=conv act=relu\n",
	"net size=48 pad=same bn-eps=0.001 bn-momentum=0.99 init=tf dropout=0.3 drop-path=0.5\n"
	"conv k=3 s=2 c=12 bn=1 act=swish\n"
	"mbconv k=3 s=1 c=12 n=2 e=5 se=0.25 act=swish\n"
	"conv k=1 s=1 c=48 bn=1 act=swish\n",
	"net size=48 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0.5\n"
	"conv k=3 s=1 c=12 bn=0 act=none\n"
	"preact k=3 s=1 c=16 n=2 shortcut=conv act=relu\n"
	"norm act=relu\n",
	"net size=64 pad=same bn-eps=0.001 bn-momentum=0.99 init=tf dropout=0.3 drop-path=0.5\n"
	"conv k=3 s=1 c=16 bn=1 act=swish\n"
	"mbconv k=3 s=1 c=16 n=1 e=17 se=0.25 act=swish\n"
	"mbconv k=5 s=2 c=20 n=2 e=6 se=0.25 act=swish\n"
	"conv k=1 s=1 c=48 bn=1 act=swish\n",
	"net size=48 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0.5\n"
	"conv k=3 s=1 c=12 bn=1 act=relu\n"
	"mbconv k=5 s=1 c=12 n=1 e=44 se=0 act=none\n"
	"mbconv k=3 s=2 c=12 n=1 e=12 se=0 act=none\n"
	"conv k=1 s=1 c=24 bn=1 act=relu\n",
	"net size=63 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0.5\n"
	"conv k=3 s=1 c=16 bn=1 act=none\n"
	"mbconv k=3 s=2 c=18 n=2 e=6 se=0 act=swish\n"
	"conv k=1 s=1 c=48 bn=1 act=relu\n",
};

/* The step is as small as double allows: these maps have so many pixels that a larger one takes some
 * of them across the kink of relu.  A pixel within rounding of the kink can fall on the other side
 * in float than in double, too; with the seed of test_chunks none does. */
static void compare_slopes(const struct pair *p, const double *params)
{
	const struct nst_net *net = p->net;
	double *moved = as_doubles(p->params, net->nfloats), norm = 0, h = 4e-10;

	for (size_t i = 0; i < net->ntrain; i++)
		norm += (double)p->grad[i] * p->grad[i];
	for (uint64_t d = 0; d < 2; d++) {
		double slope = 0, up, down;

		for (int side = 1; side >= -1; side -= 2) {
			struct nst_rng rng;

			slope = 0;
			nst_rng_init(&rng, 5, NST_RNG_TEST, 5, d);
			for (size_t i = 0; i < net->ntrain; i++) {
				double v = nst_rng_normal(&rng);

				moved[i] = params[i] + side * h * v;
				slope += v * p->grad[i];
			}
			*(side > 0 ? &up : &down) = twin_loss(p, moved);
		}
		up -= down;
		if (!(fabs(up / (2 * h) - slope) <= 1e-4 * sqrt(norm)))
			fail_msg("%s: slope %g, should be %g (of %g)", net->arch.name, slope,
				 up / (2 * h), sqrt(norm));
	}
	free(moved);
}

static void test_chunks(void **state)
{
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	(void)state;
	for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
		struct setting s = { 1, 0, 4, list[tables - 1], ROWS };
		struct pair p;

		pair_run(&p, net_from("large", large[i], 0, CLASSES), &s);
		compare_slopes(&p, p.wide);
		pair_release(&p);
	}
}

/* Squeeze-and-excitations of a net, by whether they scale the weights behind them. */
static void count_scaling(struct nst_net *net, size_t count[2])
{
	const struct nst_kernels *list[4];
	struct nst_grain_plan *plan;
	struct nst_err err;

	nst_kernels_all(list);
	assert_int_equal(nst_grain_plan_new(net, list[0], ROWS, 0, 0, &plan, &err), 0);
	for (size_t i = 0; i < net->nops; i++)
		if (net->op[i].kind == NST_OP_SE)
			count[plan->op[i].scales]++;
	nst_grain_plan_free(plan);
	nst_net_free(net);
}

/* The gradients above are of nets where squeeze-and-excitation scales its input, and of some where it
 * scales the weights behind it. */
static void test_both_ways_of_scaling(void **state)
{
	size_t count[2] = { 0, 0 };

	(void)state;
	for (size_t i = 0; i < NTINY; i++)
		count_scaling(tiny_net(i, CLASSES), count);
	assert_true(count[0] > 0);
	for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++)
		count_scaling(net_from("large", large[i], 0, CLASSES), count);
	assert_true(count[1] > 1);
}

/* What a grain reports: mean and biased variance of the first convolution, times share. */
static void test_reported_statistics(void **state)
{
	struct nst_net *net = tiny_net(1, CLASSES);
	float *params = random_params(net, 5), *images = random_images(net, ROWS, 5);
	float *grad = floats_new(net->nfloats);
	size_t size = net->size, cout = net->op[0].geo.cout;
	const float *w = params + nst_net_find(net, "conv1.weight")->offset;
	const float *mean = grad + nst_net_find(net, "bn1.running_mean")->offset;
	const float *var = grad + nst_net_find(net, "bn1.running_var")->offset;
	struct nst_grain_plan *plan;
	struct nst_grain *g;
	struct nst_pack *pack;
	struct nst_pool *pool;
	struct nst_err err = { 0 };
	const struct nst_kernels *list[4];

	(void)state;
	nst_kernels_all(list);
	assert_int_equal(nst_pool_new(1, &pool, &err), 0);
	assert_int_equal(nst_grain_plan_new(net, list[0], ROWS, 0, 0, &plan, &err), 0);
	assert_int_equal(nst_grain_new(plan, &g, &err), 0);
	assert_int_equal(nst_pack_new(net, list[0], &pack, &err), 0);
	nst_pack_fill(pack, params, pool);
	memcpy(nst_grain_input(g), images, ROWS * size * size * 3 * sizeof(float));
	nst_grain_forward(g, ROWS, params, pack);
	nst_grain_backward(g, ROWS, params, pack, 0.25, grad);
	for (size_t o = 0; o < cout; o++) {
		double sum = 0, square = 0, rows = (double)(ROWS * size * size);

		for (size_t n = 0; n < ROWS; n++)
			for (size_t i = 0; i < size; i++)
				for (size_t j = 0; j < size; j++) {
					double z = 0;

					for (size_t a = 0; a < 3; a++)
						for (size_t b = 0; b < 3; b++)
							for (size_t c = 0; c < 3; c++) {
								size_t r = i + a - 1, q = j + b - 1;

								if (r < size && q < size)
									z += images[((n * size +
										      r) * size +
										     q) * 3 +
										    c] *
									     w[((a * 3 + b) * 3 +
										c) * cout +
									       o];
							}
					sum += z;
					square += z * z;
				}
		sum /= rows;
		assert_true(fabs(mean[o] - 0.25 * sum) < 1e-5);
		assert_true(fabs(var[o] - 0.25 * (square / rows - sum * sum)) < 1e-5);
	}
	nst_pool_free(pool);
	nst_pack_free(pack);
	nst_grain_free(g);
	nst_grain_plan_free(plan);
	nst_net_free(net);
	free(grad);
	free(images);
	free(params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_with_noise),
		cmocka_unit_test(test_with_fixed_statistics),
		cmocka_unit_test(test_with_some_fixed_statistics),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_one_row),
		cmocka_unit_test(test_paddings),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_both_ways_of_scaling),
		cmocka_unit_test(test_reported_statistics),
	};

	return cmocka_run_group_tests_name("grad", tests, NULL, NULL);
}
