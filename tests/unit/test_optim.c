/* Optimizers against their formulas in double, what decays, and the decay of the moving average. */
#include "tests/unit/nn_twin.h"

#include "libcore/nn/optim.h"

enum { STEPS = 5 };

/* One weight, by the formulas of optim.h. */
struct scalar {
	double w, first, second;
};

static void scalar_update(const struct nst_optim *o, double lr, double decay, double t, double g,
			  struct scalar *s)
{
	if (o->kind == NST_OPTIM_ADAMW) {
		s->second = o->momentum * s->second + (1 - o->momentum) * g;
		s->first = o->rho * s->first + (1 - o->rho) * g * g;
		s->w -= lr * (s->second / (1 - pow(o->momentum, t)) /
				      (sqrt(s->first / (1 - pow(o->rho, t))) + o->eps) +
			      decay * s->w);
		return;
	}
	g += decay * s->w;
	if (o->kind == NST_OPTIM_SGD) {
		s->first = o->momentum * s->first + g;
		s->w -= lr * (o->nesterov ? g + o->momentum * s->first : s->first);
	} else {
		s->first += (1 - o->rho) * (g * g - s->first);
		s->second = o->momentum * s->second + lr * g / sqrt(s->first + o->eps);
		s->w -= s->second;
	}
}

static void check(const struct nst_optim *o)
{
	struct nst_net *net = tiny_net(0, 3);
	float *w = random_params(net, 5), *g = floats_new(net->nfloats),
	      *given = floats_new(net->nfloats), *before = floats_new(net->nfloats);
	float *slot[2] = { floats_new(net->nfloats), floats_new(net->nfloats) };
	struct scalar *twin = calloc(net->nfloats, sizeof(*twin));
	size_t cut = net->ndecay / 2 + 3; /* ranges need no alignment */
	const struct nst_kernels *k = nst_kernels_get(&(const char *){ NULL });
	struct nst_rng rng;

	assert_non_null(twin);
	memcpy(before, w, net->nfloats * sizeof(float));
	for (size_t i = 0; i < net->ntrain; i++) {
		twin[i].w = w[i];
		twin[i].first = slot[0][i] = nst_optim_slot_start(o->kind, 0);
	}
	nst_rng_init(&rng, 6, NST_RNG_TEST, 0, 0);
	for (int step = 0; step < STEPS; step++) {
		for (size_t i = 0; i < net->ntrain; i++)
			g[i] = given[i] = (float)nst_rng_normal(&rng);
		nst_optim_update(o, k, net, 0, cut, 0.1, (uint64_t)step, g, slot, w);
		nst_optim_update(o, k, net, cut, net->ntrain, 0.1, (uint64_t)step, g, slot, w);
		for (size_t i = 0; i < net->ntrain; i++)
			scalar_update(o, 0.1, i < net->ndecay ? o->weight_decay : 0, step + 1,
				      given[i], &twin[i]);
	}
	for (size_t i = 0; i < net->ntrain; i++)
		if (!(fabs(w[i] - twin[i].w) <= 1e-5 * (1 + fabs(twin[i].w))))
			fail_msg("weight %zu is %g, should be %g", i, (double)w[i], twin[i].w);
	for (size_t i = net->ntrain; i < net->nfloats; i++)
		assert_true(w[i] == before[i]); /* running statistics are not the optimizer's */
	free(twin);
	free(slot[0]);
	free(slot[1]);
	free(before);
	free(given);
	free(g);
	free(w);
	nst_net_free(net);
}

static void test_sgd(void **state)
{
	(void)state;
	check(&(struct nst_optim){ .kind = NST_OPTIM_SGD });
	check(&(struct nst_optim){ .kind = NST_OPTIM_SGD, .momentum = 0.9 });
	check(&(struct nst_optim){ .kind = NST_OPTIM_SGD, .momentum = 0.9, .weight_decay = 0.05 });
	check(&(struct nst_optim){
		.kind = NST_OPTIM_SGD, .momentum = 0.9, .weight_decay = 0.05, .nesterov = 1 });
}

static void test_rmsprop(void **state)
{
	(void)state;
	check(&(struct nst_optim){ .kind = NST_OPTIM_RMSPROP_TF,
				   .rho = 0.9,
				   .eps = 0.001,
				   .momentum = 0.9,
				   .weight_decay = 0.05 });
}

/* By hand: ms = 1 + .1*(4-1) = 1.3; mom = .5*2/sqrt(1.3+.001); twice. */
static void test_rmsprop_by_hand(void **state)
{
	struct nst_net *net = tiny_net(1, 3);
	struct nst_optim o = {
		.kind = NST_OPTIM_RMSPROP_TF, .rho = 0.9, .eps = 0.001, .momentum = 0.9
	};
	float ms = 1, mom = 0, w = 3, g = 2, *slot[2] = { &ms, &mom };

	(void)state;
	nst_optim_update(&o, nst_kernels_get(&(const char *){ NULL }), net, 0, 1, 0.5, 0, &g, slot,
			 &w);
	assert_true(fabsf(ms - 1.3f) < 1e-6f);
	assert_true(fabs(mom - 0.8767209) < 1e-6);
	assert_true(fabs(w - 2.1232791) < 1e-6);
	nst_optim_update(&o, nst_kernels_get(&(const char *){ NULL }), net, 0, 1, 0.5, 0, &g, slot,
			 &w);
	assert_true(fabsf(ms - 1.57f) < 1e-6f);
	assert_true(fabs(w - (2.1232791 - (0.9 * 0.8767209 + 1 / sqrt(1.571)))) < 1e-6);
	nst_net_free(net);
}

static void test_adamw(void **state)
{
	struct nst_optim o = { .kind = NST_OPTIM_ADAMW, .momentum = 0.9 };

	(void)state;
	nst_optim_constants(o.kind, &o.rho, &o.eps);
	assert_true(o.rho == 0.999 && o.eps == 1e-8);
	check(&o);
	o.weight_decay = 0.05;
	check(&o);
}

/* The first step of Adam goes by lr * sign(g); the decay of 0.1 takes another lr * 0.1 * w. */
static void test_adamw_by_hand(void **state)
{
	struct nst_net *net = tiny_net(1, 3);
	struct nst_optim o = { NST_OPTIM_ADAMW, 0.9, 0, 0.999, 1e-8, 0.1 };
	float v = 0, m = 0, w = 3, g = -2, *slot[2] = { &v, &m };

	(void)state;
	nst_optim_update(&o, nst_kernels_get(&(const char *){ NULL }), net, 0, 1, 0.5, 0, &g, slot,
			 &w);
	assert_true(fabsf(m + 0.2f) < 1e-6f && fabsf(v - 0.004f) < 1e-7f);
	assert_true(fabs(w - (3 + 0.5 - 0.5 * 0.1 * 3)) < 1e-5);
	nst_net_free(net);
}

/* A tensor of lamb, all in double: its norms decide how far it goes. */
static void lamb_twin(const struct nst_optim *o, size_t n, double lr, double t, const float *g,
		      double *m, double *v, double *w)
{
	double *u = calloc(n, sizeof(*u)), weights = 0, direction = 0, trust;

	assert_non_null(u);
	for (size_t i = 0; i < n; i++) {
		m[i] = o->momentum * m[i] + (1 - o->momentum) * g[i];
		v[i] = o->rho * v[i] + (1 - o->rho) * g[i] * g[i];
		u[i] = m[i] / (1 - pow(o->momentum, t)) /
			       (sqrt(v[i] / (1 - pow(o->rho, t))) + o->eps) +
		       o->weight_decay * w[i];
		weights += w[i] * w[i];
		direction += u[i] * u[i];
	}
	trust = weights > 0 && direction > 0 ? sqrt(weights) / sqrt(direction) : 1;
	for (size_t i = 0; i < n; i++)
		w[i] -= lr * trust * u[i];
	free(u);
}

static void test_lamb(void **state)
{
	enum { N = 40 };
	struct nst_net *net = tiny_net(0, 3);
	struct nst_optim o = { .kind = NST_OPTIM_LAMB, .momentum = 0.9, .weight_decay = 0.02 };
	float w[N], g[N], v[N] = { 0 }, m[N] = { 0 }, *slot[2] = { v, m };
	double tw[N], tm[N] = { 0 }, tv[N] = { 0 };
	struct nst_rng rng;

	(void)state;
	assert_true(nst_optim_by_tensor(o.kind) && !nst_optim_by_tensor(NST_OPTIM_ADAMW));
	assert_true(net->ndecay >= N);
	nst_optim_constants(o.kind, &o.rho, &o.eps);
	for (int zero = 0; zero < 2; zero++) { /* weights of norm 0 go by lr alone */
		nst_rng_init(&rng, 6, NST_RNG_TEST, 0, 0);
		for (size_t i = 0; i < N; i++) {
			tw[i] = w[i] = zero ? 0 : (float)nst_rng_normal(&rng);
			tm[i] = tv[i] = m[i] = v[i] = 0;
		}
		for (int step = 0; step < STEPS; step++) {
			float given[N];

			for (size_t i = 0; i < N; i++)
				g[i] = given[i] = (float)nst_rng_normal(&rng);
			nst_optim_update(&o, nst_kernels_get(&(const char *){ NULL }), net, 0, N,
					 0.1, (uint64_t)step, g, slot, w);
			lamb_twin(&o, N, 0.1, step + 1, given, tm, tv, tw);
			for (size_t i = 0; i < N; i++)
				assert_true(fabs(w[i] - tw[i]) <= 2e-5 * (1 + fabs(tw[i])));
		}
	}
	nst_net_free(net);
}

static void test_clip(void **state)
{
	float g[20], sum = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		g[i] = (float)(i - 10);
		sum += g[i] * g[i];
	}
	assert_true(fabs(nst_sum_squares(g, 20) - (double)sum) < 1e-6);
	assert_true(nst_sum_squares(g, 0) == 0);
	assert_true(nst_clip_factor(5, 16) == 1);
	assert_true(fabs(nst_clip_factor(2, 16) - 0.5) < 1e-6 && nst_clip_factor(2, 16) < 0.5);
	nst_clip_value(g, 20, 2.5);
	for (int i = 0; i < 20; i++)
		assert_true(g[i] == (float)(i < 8 ? -2.5 : i > 12 ? 2.5 : i - 10));
}

static void test_what_decays(void **state)
{
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_arch_find("efficientnet-b0-32", &arch, &err), 0);
	assert_int_equal(nst_net_new(&arch, 0, 10, &net, &err), 0);
	assert_true(nst_net_find(net, "blocks.1.0.se.conv_reduce.bias")->offset < net->ndecay);
	assert_true(nst_net_find(net, "classifier.bias")->offset < net->ndecay);
	assert_true(nst_net_find(net, "bn1.weight")->offset >= net->ndecay);
	assert_true(nst_net_find(net, "bn1.bias")->offset >= net->ndecay);
	nst_net_free(net);
}

static void test_slots(void **state)
{
	(void)state;
	assert_int_equal(nst_optim_slots(NST_OPTIM_SGD), 1);
	assert_int_equal(nst_optim_slots(NST_OPTIM_RMSPROP_TF), 2);
	assert_string_equal(nst_optim_slot_name(NST_OPTIM_RMSPROP_TF, 0), "mean_square");
	assert_true(nst_optim_slot_start(NST_OPTIM_RMSPROP_TF, 0) == 1);
	assert_true(nst_optim_slot_start(NST_OPTIM_SGD, 0) == 0);
}

static void test_ema_decay(void **state)
{
	(void)state;
	assert_true(nst_ema_decay(0.9999, 0) == 0.1);
	assert_true(nst_ema_decay(0.9999, 10) == 11.0 / 20);
	assert_true(nst_ema_decay(0.9999, 89979) < 0.9999);
	assert_true(nst_ema_decay(0.9999, 1000000) == 0.9999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sgd),
		cmocka_unit_test(test_rmsprop),
		cmocka_unit_test(test_rmsprop_by_hand),
		cmocka_unit_test(test_adamw),
		cmocka_unit_test(test_adamw_by_hand),
		cmocka_unit_test(test_lamb),
		cmocka_unit_test(test_clip),
		cmocka_unit_test(test_what_decays),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_ema_decay),
	};

	return cmocka_run_group_tests_name("optim", tests, NULL, NULL);
}
