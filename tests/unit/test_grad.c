/* Gradients: a grain against a plain twin in double, forward, and backward by finite differences. */
#include "tests/unit/nn_twin.h"

#include "libcore/nn/blas.h"
#include "libcore/nn/grain.h"

enum { ROWS = 6, CLASSES = 5, PER_TENSOR = 12 };

struct setting {
	int noise;
	size_t frozen;
	uint64_t seed;
	const struct nst_kernels *k;
};

/* Sum over rows of weight * cross-entropy against fixed random targets. */
static double twin_loss(const struct nst_net *net, const double *params, const float *images,
			const struct twin_noise *noise, size_t frozen, const double *target)
{
	double logits[ROWS * CLASSES], loss = 0;

	twin_forward(net, params, ROWS, images, noise, frozen, logits);
	for (size_t r = 0; r < ROWS; r++) {
		double sum = 0;

		for (size_t c = 0; c < CLASSES; c++)
			sum += exp(logits[r * CLASSES + c]);
		for (size_t c = 0; c < CLASSES; c++)
			loss -= target[r * CLASSES + c] * (logits[r * CLASSES + c] - log(sum)) / ROWS;
	}
	return loss;
}

/* Gradient of that loss at the logits. */
static void loss_grad(const float *logits, const double *target, float *grad)
{
	for (size_t r = 0; r < ROWS; r++) {
		double sum = 0;

		for (size_t c = 0; c < CLASSES; c++)
			sum += exp(logits[r * CLASSES + c]);
		for (size_t c = 0; c < CLASSES; c++)
			grad[r * CLASSES + c] = (float)((exp(logits[r * CLASSES + c]) / sum -
							 target[r * CLASSES + c]) / ROWS);
	}
}

static void compare_tensor(const struct nst_net *net, const struct nst_param *p, double *params,
			   const float *images, const struct twin_noise *noise, const struct setting *s,
			   const double *target, const float *grad)
{
	double largest = 1e-3;
	struct nst_rng rng;

	nst_rng_init(&rng, s->seed, NST_RNG_TEST, 2, p->offset);
	for (size_t i = 0; i < p->count; i++)
		largest = fmax(largest, fabs(grad[p->offset + i]));
	for (size_t i = 0; i < PER_TENSOR && i < p->count; i++) {
		size_t at = p->offset + (p->count <= PER_TENSOR ? i : nst_rng_below(&rng, (uint32_t)p->count));
		double h = 1e-6, was = params[at], up, down, numeric;

		params[at] = was + h;
		up = twin_loss(net, params, images, noise, s->frozen, target);
		params[at] = was - h;
		down = twin_loss(net, params, images, noise, s->frozen, target);
		params[at] = was;
		numeric = (up - down) / (2 * h);
		if (!(fabs(numeric - grad[at]) <= 2e-4 * largest))
			fail_msg("%s: %s[%zu] is %.9g by differences, %.9g by the net (largest %g)",
				 net->arch.name, p->name, at - p->offset, numeric, (double)grad[at], largest);
	}
}

/* Forward and backward of one net against the twin. */
static void check_net(size_t which, const struct setting *s)
{
	struct nst_net *net = tiny_net(which, CLASSES);
	float *params = random_params(net, s->seed), *images = random_images(net, ROWS, s->seed);
	float *grad = floats_new(net->nfloats);
	double *wide = as_doubles(params, net->nfloats), logits[ROWS * CLASSES], target[ROWS * CLASSES];
	uint64_t key[ROWS];
	struct twin_noise noise = { s->seed, 3, key, net->arch.dropout, net->arch.drop_path };
	const struct twin_noise *used = s->noise ? &noise : NULL;
	struct nst_grain_plan *plan;
	struct nst_grain *g;
	struct nst_pack *pack;
	struct nst_pool *pool;
	struct nst_err err = { 0 };
	struct nst_rng rng;

	nst_rng_init(&rng, s->seed, NST_RNG_TEST, 4, 0);
	for (size_t r = 0; r < ROWS; r++) {
		double sum = 0;

		key[r] = ((uint64_t)nst_rng_u32(&rng) << 32) | nst_rng_u32(&rng);
		for (size_t c = 0; c < CLASSES; c++)
			sum += target[r * CLASSES + c] = nst_rng_unit(&rng);
		for (size_t c = 0; c < CLASSES; c++)
			target[r * CLASSES + c] /= sum;
	}
	assert_int_equal(nst_pool_new(1, &pool, &err), 0);
	assert_int_equal(nst_grain_plan_new(net, s->k, ROWS + 1, s->noise, s->frozen, &plan, &err), 0);
	assert_int_equal(nst_grain_new(plan, &g, &err), 0);
	assert_int_equal(nst_pack_new(net, s->k, &pack, &err), 0);
	nst_pack_fill(pack, params, pool);
	memcpy(nst_grain_input(g), images, ROWS * net->size * net->size * 3 * sizeof(float));
	for (size_t r = 0; r < ROWS && used; r++)
		nst_grain_noise(g, r, s->seed, 3, key[r], noise.dropout, noise.drop_path);
	nst_grain_forward(g, ROWS, params, pack);

	twin_forward(net, wide, ROWS, images, used, s->frozen, logits);
	for (size_t i = 0; i < ROWS * CLASSES; i++)
		if (!(fabs(logits[i] - nst_grain_logits(g)[i]) <= 2e-5 * (1 + fabs(logits[i]))))
			fail_msg("%s: logit %zu is %g, should be %g", net->arch.name, i,
				 (double)nst_grain_logits(g)[i], logits[i]);

	loss_grad(nst_grain_logits(g), target, nst_grain_logits_grad(g));
	nst_grain_backward(g, ROWS, params, pack, 0.5, grad);
	for (size_t i = 0; i < net->nparams; i++)
		if (net->param[i].offset < net->ntrain)
			compare_tensor(net, &net->param[i], wide, images, used, s, target, grad);
	nst_pool_free(pool);
	nst_pack_free(pack);
	nst_grain_free(g);
	nst_grain_plan_free(plan);
	nst_net_free(net);
	free(wide);
	free(grad);
	free(images);
	free(params);
}

static void check_all(int noise, size_t frozen)
{
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	nst_blas_init();
	for (size_t i = 0; i < NTINY; i++) {
		for (uint64_t seed = 1; seed <= 2; seed++) {
			struct setting s = { noise, frozen, seed, list[tables - 1] };

			check_net(i, &s);
		}
	}
}

static void test_plain(void **state)
{
	(void)state;
	check_all(0, 0);
}

static void test_with_noise(void **state)
{
	(void)state;
	check_all(1, 0);
}

static void test_with_fixed_statistics(void **state)
{
	(void)state;
	check_all(0, SIZE_MAX);
}

static void test_with_some_fixed_statistics(void **state)
{
	(void)state;
	check_all(1, 2);
}

/* Every table of kernels, one seed. */
static void test_tables(void **state)
{
	const struct nst_kernels *list[4];
	size_t tables = nst_kernels_all(list);

	(void)state;
	for (size_t t = 0; t < tables; t++) {
		for (size_t i = 0; i < NTINY; i++) {
			struct setting s = { 1, 0, 9, list[t] };

			check_net(i, &s);
		}
	}
}

/* The statistics a grain reports: mean and biased variance of the first convolution, times share. */
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
									z += images[((n * size + r) * size + q) * 3 + c] *
									     w[((a * 3 + b) * 3 + c) * cout + o];
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
		cmocka_unit_test(test_reported_statistics),
	};

	return cmocka_run_group_tests_name("grad", tests, NULL, NULL);
}
