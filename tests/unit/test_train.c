/* The trainer: a step by hand, the same bits on any threads, exact resumption, failures. */
#include "tests/unit/nn_twin.h"

#include "libcore/nn/grain.h"
#include "libcore/nn/trainer.h"

enum { CLASSES = 5, GRAIN = 4, BATCH = 18 }; /* four grains and a short one of two */

struct batch {
	const struct nst_net *net;
	float *images;
	size_t bad; /* row that cannot be loaded */
	size_t n;
	struct nst_row row[64];
	float soft[64][CLASSES];
};

static int load_row(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct batch *b = ctx;
	size_t floats = b->net->size * b->net->size * 3;

	(void)worker;
	if (row >= b->bad)
		return nst_fail(err, NST_EFORMAT, "row %zu is bad", row);
	memcpy(dst, b->images + row * floats, floats * sizeof(float));
	return 0;
}

/* Rows of all kinds: labeled, hard and soft pseudo. */
static struct batch *batch_new(const struct nst_net *net, size_t n, uint64_t seed)
{
	struct batch *b = calloc(1, sizeof(*b));
	struct nst_rng rng;

	assert_non_null(b);
	b->net = net;
	b->images = random_images(net, n, seed);
	b->bad = SIZE_MAX;
	b->n = n;
	nst_rng_init(&rng, seed, NST_RNG_TEST, 9, 0);
	for (size_t i = 0; i < n; i++) {
		struct nst_row *r = &b->row[i];

		r->key = ((uint64_t)nst_rng_u32(&rng) << 32) | nst_rng_u32(&rng);
		r->role = i % 3 ? NST_ROLE_PSEUDO : NST_ROLE_LABELED;
		r->weight = (float)(1 / (double)n);
		r->target.class = (int32_t)nst_rng_below(&rng, CLASSES);
		if (i % 3 == 2) {
			for (size_t c = 0; c < CLASSES; c++)
				b->soft[i][c] = c == (size_t)r->target.class ? 0.6f : 0.1f;
			r->target.class = -1;
			r->target.soft = b->soft[i];
		}
	}
	return b;
}

static void batch_free(struct batch *b)
{
	free(b->images);
	free(b);
}

static struct nst_train_options options_of(const struct nst_net *net, enum nst_optim_kind kind)
{
	struct nst_train_options o;

	nst_train_options_init(&o, &net->arch);
	o.grain = GRAIN;
	o.seed = 77;
	o.optim.kind = kind;
	nst_optim_constants(kind, &o.optim.rho, &o.optim.eps);
	o.optim.weight_decay = 0.01;
	o.temperature = 0.7;
	o.ema = 0.9;
	return o;
}

struct run {
	struct nst_pool *pool;
	struct nst_trainer *trainer;
};

static struct run run_new(const struct nst_net *net, const struct nst_train_options *o,
			  unsigned threads)
{
	struct run r;
	struct nst_err err = { 0 };

	assert_int_equal(nst_pool_new(threads, &r.pool, &err), 0);
	if (nst_trainer_new(net, o, r.pool, &r.trainer, &err))
		fail_msg("%s", err.msg);
	return r;
}

static void run_free(struct run *r)
{
	nst_trainer_free(r->trainer);
	nst_pool_free(r->pool);
}

/* Steps from..to on batches of their own. */
static struct nst_step_stats run_steps(struct run *r, const struct nst_net *net, int from, int to)
{
	struct nst_step_stats stats = { 0 };
	struct nst_err err = { 0 };

	for (int i = from; i < to; i++) {
		struct batch *b = batch_new(net, i % 2 ? BATCH : 2 * GRAIN, 100 + (uint64_t)i);

		if (nst_trainer_step(r->trainer, 0.05, b->row, b->n, load_row, b, &stats, &err))
			fail_msg("%s", err.msg);
		batch_free(b);
	}
	return stats;
}

static void assert_same_state(struct run *a, struct run *b)
{
	struct nst_trainer_array x[NST_TRAINER_ARRAYS], y[NST_TRAINER_ARRAYS];
	size_t n = nst_trainer_arrays(a->trainer, x);

	assert_int_equal(nst_trainer_arrays(b->trainer, y), n);
	assert_int_equal(nst_trainer_step_count(a->trainer), nst_trainer_step_count(b->trainer));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(x[i].name, y[i].name);
		assert_int_equal(x[i].count, y[i].count);
		assert_memory_equal(x[i].data, y[i].data, x[i].count * sizeof(float));
	}
}

static void check_threads(struct nst_net *net, const struct nst_train_options *given)
{
	struct nst_train_options o = *given;
	struct run one = run_new(net, &o, 1);
	struct nst_step_stats want = run_steps(&one, net, 0, 4);

	for (unsigned threads = 2; threads <= 5; threads++) {
		struct run many = run_new(net, &o, threads);
		struct nst_step_stats got = run_steps(&many, net, 0, 4);

		assert_same_state(&one, &many);
		assert_memory_equal(&want, &got, sizeof(want));
		run_free(&many);
	}
	run_free(&one);
	nst_net_free(net);
}

static void test_threads_do_not_show(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++) {
		struct nst_net *net = tiny_net(i, CLASSES);
		struct nst_train_options o =
			options_of(net, i % 2 ? NST_OPTIM_SGD : NST_OPTIM_RMSPROP_TF);

		check_threads(net, &o);
	}
}

static void test_threads_do_not_show_with_all_options(void **state)
{
	const enum nst_optim_kind kind[] = { NST_OPTIM_ADAMW, NST_OPTIM_LAMB, NST_OPTIM_SGD };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct nst_net *net = tiny_net(0, CLASSES);
		struct nst_train_options o = options_of(net, kind[i]);

		o.mixup.mixup = 0.4;
		o.mixup.cutmix = 1;
		o.clip = 0.1;
		o.clip_mode = i == 1 ? NST_CLIP_VALUE : NST_CLIP_NORM;
		o.freeze = i == 2;
		check_threads(net, &o);
	}
}

static void test_threads_do_not_show_in_a_real_net(void **state)
{
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_train_options o;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_arch_find("efficientnet-b0", &arch, &err), 0);
	assert_int_equal(nst_net_new(&arch, 32, CLASSES, &net, &err), 0);
	o = options_of(net, NST_OPTIM_RMSPROP_TF);
	check_threads(net, &o);
}

static void test_resuming_is_exact(void **state)
{
	(void)state;
	for (int kind = NST_OPTIM_SGD; kind <= NST_OPTIM_LAMB; kind++) {
		struct nst_net *net = tiny_net(0, CLASSES);
		struct nst_train_options o = options_of(net, (enum nst_optim_kind)kind);
		struct run through = run_new(net, &o, 2), first = run_new(net, &o, 2),
			   second = run_new(net, &o, 1);
		struct nst_trainer_array from[NST_TRAINER_ARRAYS], to[NST_TRAINER_ARRAYS];
		size_t n;

		run_steps(&through, net, 0, 6);
		run_steps(&first, net, 0, 3);
		n = nst_trainer_arrays(first.trainer, from);
		assert_int_equal(n, 2 + nst_optim_slots((enum nst_optim_kind)kind));
		nst_trainer_arrays(second.trainer, to);
		for (size_t i = 0; i < n; i++)
			memcpy(to[i].data, from[i].data, to[i].count * sizeof(float));
		nst_trainer_set_step_count(second.trainer, nst_trainer_step_count(first.trainer));
		run_steps(&second, net, 3, 6);
		assert_same_state(&through, &second);
		run_free(&through);
		run_free(&first);
		run_free(&second);
		nst_net_free(net);
	}
}

/* Gradients of one grain, by the same engine but without the trainer. */
static void grain_grad(const struct nst_net *net, const struct nst_train_options *o,
		       const struct batch *b, size_t first, size_t n, const float *params,
		       float *grad, double *loss)
{
	const struct nst_kernels *k = nst_kernels_get(&(const char *){ NULL });
	struct nst_grain_plan *plan;
	struct nst_grain *g;
	struct nst_pack *pack;
	struct nst_pool *pool;
	struct nst_err err = { 0 };

	assert_int_equal(nst_pool_new(1, &pool, &err), 0);
	assert_int_equal(nst_grain_plan_new(net, k, o->grain, 1, 0, &plan, &err), 0);
	assert_int_equal(nst_grain_new(plan, &g, &err), 0);
	assert_int_equal(nst_pack_new(net, k, &pack, &err), 0);
	nst_pack_fill(pack, params, pool);
	for (size_t i = 0; i < n; i++) {
		const struct nst_row *r = &b->row[first + i];
		size_t floats = net->size * net->size * 3;

		memcpy(nst_grain_input(g) + i * floats, b->images + (first + i) * floats,
		       floats * sizeof(float));
		if (r->role == NST_ROLE_LABELED || !o->calm_pseudo)
			nst_grain_noise(g, i, o->seed, r->epoch, r->key, o->dropout, o->drop_path);
	}
	nst_grain_forward(g, n, params, pack);
	for (size_t i = 0; i < n; i++) {
		const struct nst_row *r = &b->row[first + i];
		int smooth = r->role == NST_ROLE_LABELED || o->smooth_pseudo;
		float target[CLASSES];

		assert_int_equal(nst_target_expand(&r->target, CLASSES,
						   smooth ? o->label_smoothing : 0, o->temperature,
						   target, &err),
				 0);
		*loss += r->weight * nst_cross_entropy(CLASSES, nst_grain_logits(g) + i * CLASSES,
						       target, r->weight,
						       nst_grain_logits_grad(g) + i * CLASSES);
	}
	nst_grain_backward(g, n, params, pack, (double)n / (double)b->n, grad);
	nst_pool_free(pool);
	nst_pack_free(pack);
	nst_grain_free(g);
	nst_grain_plan_free(plan);
}

/* The sum of the gradients of n grains, two and two, in order. */
static float tree_sum(float *const *g, size_t n, size_t i)
{
	float sum[8];

	assert_true(n <= 8);
	for (size_t j = 0; j < n; j++)
		sum[j] = g[j][i];
	for (; n > 1; n = (n + 1) / 2)
		for (size_t j = 0; j < n; j += 2)
			sum[j / 2] = j + 1 < n ? sum[j] + sum[j + 1] : sum[j];
	return sum[0];
}

/* One step of SGD over n rows written out: gradients, decay, running statistics, average. */
static double check_step(size_t grain, size_t n, int calm_pseudo)
{
	struct nst_net *net = tiny_net(0, CLASSES);
	struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
	struct batch *b = batch_new(net, n, 8);
	struct run r;
	struct nst_step_stats stats;
	struct nst_err err = { 0 };
	float *g[8], *before = floats_new(net->nfloats);
	const float *after;
	double loss = 0;
	size_t labeled = 0, grains = (n + grain - 1) / grain;

	o.grain = grain;
	o.calm_pseudo = calm_pseudo;
	o.dropout = 0.3;
	o.drop_path = 0.4;
	o.optim =
		(struct nst_optim){ .kind = NST_OPTIM_SGD, .momentum = 0.9, .weight_decay = 0.01 };
	o.smooth_pseudo = 0;
	r = run_new(net, &o, 2);
	after = nst_trainer_params(r.trainer);
	memcpy(before, after, net->nfloats * sizeof(float));
	assert_int_equal(nst_trainer_step(r.trainer, 0.25, b->row, b->n, load_row, b, &stats, &err),
			 0);
	for (size_t i = 0; i < grains; i++) {
		g[i] = floats_new(net->nfloats);
		grain_grad(net, &o, b, i * grain, n - i * grain < grain ? n - i * grain : grain,
			   before, g[i], &loss);
	}
	for (size_t i = 0; i < net->nfloats; i++) {
		float sum = tree_sum(g, grains, i), want;

		if (i < net->ntrain)
			want = before[i] -
			       0.25f * (sum + (i < net->ndecay ? 0.01f * before[i] : 0));
		else
			want = (float)(net->arch.bn_momentum * before[i] +
				       (1 - net->arch.bn_momentum) * sum);
		assert_true(fabsf(after[i] - want) <= 2e-6f * (1 + fabsf(want)));
		/* First average: decay min(.9, 1/10). */
		want = 0.1f * before[i] + 0.9f * after[i];
		assert_true(fabsf(nst_trainer_ema(r.trainer)[i] - want) <=
			    2e-6f * (1 + fabsf(want)));
	}
	assert_true(fabs(stats.loss - loss) < 1e-6);
	for (size_t i = 0; i < b->n; i++)
		labeled += b->row[i].role == NST_ROLE_LABELED;
	assert_int_equal(stats.labeled, labeled);
	assert_int_equal(stats.pseudo, b->n - labeled);
	assert_true(fabs((stats.labeled_loss + stats.pseudo_loss) / (double)b->n - loss) < 1e-5);
	assert_int_equal(nst_trainer_step_count(r.trainer), 1);
	for (size_t i = 0; i < grains; i++)
		free(g[i]);
	free(before);
	batch_free(b);
	run_free(&r);
	nst_net_free(net);
	return loss;
}

static void test_a_step_by_hand(void **state)
{
	(void)state;
	assert_true(check_step(GRAIN, BATCH, 0) != check_step(GRAIN, BATCH, 1));
}

/* The floats of a parameter, whether they are the same in two vectors. */
static int same_param(const struct nst_param *p, const float *a, const float *b)
{
	return !memcmp(a + p->offset, b + p->offset, p->count * sizeof(*a));
}

/* What lies before a block keeps every bit, what lies behind learns, with the gradients that batch
 * norm on running statistics gives. */
static void test_freezing(void **state)
{
	size_t moved = 0;

	(void)state;
	for (size_t i = 0; i < NTINY; i++) {
		struct nst_net *net = tiny_net(i, CLASSES);
		struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
		float *before = floats_new(net->nfloats);
		size_t kept = 0;
		struct run r;

		o.freeze = 1;
		r = run_new(net, &o, 2);
		memcpy(before, nst_trainer_params(r.trainer), net->nfloats * sizeof(float));
		run_steps(&r, net, 0, 3);
		for (size_t op = 0; op < net->nops; op++) {
			const struct nst_op *p = &net->op[op];

			if (p->kind != NST_OP_CONV && p->kind != NST_OP_DW)
				continue;
			if (p->block >= 1) {
				assert_false(same_param(&net->param[p->param[0]], before,
							nst_trainer_params(r.trainer)));
				moved++;
			} else {
				assert_true(same_param(&net->param[p->param[0]], before,
						       nst_trainer_params(r.trainer)));
				assert_true(same_param(&net->param[p->param[0]], before,
						       nst_trainer_ema(r.trainer)));
				kept++;
			}
		}
		for (size_t op = 0; op < net->nops; op++)
			for (size_t j = 0; j < 4 && net->op[op].kind == NST_OP_BN; j++)
				assert_int_equal(same_param(&net->param[net->op[op].param[j]],
							    before,
							    nst_trainer_params(r.trainer)),
						 net->op[op].block < 1);
		assert_true(kept > 0);
		run_free(&r);
		free(before);
		nst_net_free(net);
	}
	assert_true(moved > 0);
}

/* The weights of a step with a limit are those of one without, with the gradient made shorter. */
static void test_clipping(void **state)
{
	for (int value = 0; value < 2; value++) {
		struct nst_net *net = tiny_net(0, CLASSES);
		struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
		struct batch *b = batch_new(net, BATCH, 8);
		struct nst_step_stats stats;
		struct nst_err err = { 0 };
		struct run free_run, limited;
		const float *start, *far, *near;
		float *before = floats_new(net->nfloats);
		double squares = 0, limit = 0.05;

		(void)state;
		o.optim = (struct nst_optim){ .kind = NST_OPTIM_SGD };
		free_run = run_new(net, &o, 1);
		o.clip = limit;
		o.clip_mode = value ? NST_CLIP_VALUE : NST_CLIP_NORM;
		limited = run_new(net, &o, 2);
		start = nst_trainer_params(free_run.trainer);
		memcpy(before, start, net->nfloats * sizeof(float));
		assert_int_equal(nst_trainer_step(free_run.trainer, 1, b->row, b->n, load_row, b,
						  &stats, &err), 0);
		assert_int_equal(nst_trainer_step(limited.trainer, 1, b->row, b->n, load_row, b,
						  &stats, &err), 0);
		far = nst_trainer_params(free_run.trainer);
		near = nst_trainer_params(limited.trainer);
		for (size_t i = 0; i < net->ntrain; i++)
			squares += pow((double)far[i] - before[i], 2);
		assert_true(sqrt(squares) > 2 * limit);
		for (size_t i = 0; i < net->ntrain; i++) {
			double g = (double)before[i] - far[i];
			double want = value ? fmax(-limit, fmin(limit, g)) :
					      g * limit / sqrt(squares);

			assert_true(fabs(before[i] - want - near[i]) < 2e-6 * (1 + fabs(g)));
		}
		for (size_t i = net->ntrain; i < net->nfloats; i++)
			assert_true(far[i] == near[i]);
		run_free(&free_run);
		run_free(&limited);
		free(before);
		batch_free(b);
		nst_net_free(net);
	}
}

/* Running statistics of labeled grains alone are those of a batch of these grains. */
static void test_labeled_statistics(void **state)
{
	struct nst_net *net = tiny_net(0, CLASSES);
	struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
	struct batch *b = batch_new(net, 4 * GRAIN, 8);
	struct nst_step_stats stats;
	struct nst_err err = { 0 };
	struct run all, labeled, half;
	size_t differ = 0;

	(void)state;
	for (size_t i = 0; i < b->n; i++) {
		b->row[i].role = i < 2 * GRAIN ? NST_ROLE_LABELED : NST_ROLE_PSEUDO;
		b->row[i].target = (struct nst_target){ .class = (int32_t)(i % CLASSES) };
	}
	all = run_new(net, &o, 2);
	half = run_new(net, &o, 2);
	o.labeled_stats = 1;
	labeled = run_new(net, &o, 2);
	assert_int_equal(nst_trainer_step(all.trainer, 0.1, b->row, b->n, load_row, b, &stats, &err),
			 0);
	assert_int_equal(nst_trainer_step(labeled.trainer, 0.1, b->row, b->n, load_row, b, &stats,
					  &err), 0);
	assert_int_equal(nst_trainer_step(half.trainer, 0.1, b->row, 2 * GRAIN, load_row, b, &stats,
					  &err), 0);
	for (size_t i = 0; i < net->nfloats; i++) {
		const float *p = nst_trainer_params(labeled.trainer);

		if (i < net->ntrain)
			assert_true(p[i] == nst_trainer_params(all.trainer)[i]);
		else
			assert_true(p[i] == nst_trainer_params(half.trainer)[i]);
		differ += p[i] != nst_trainer_params(all.trainer)[i];
	}
	assert_true(differ > 0);
	run_free(&all);
	run_free(&labeled);
	run_free(&half);
	batch_free(b);
	nst_net_free(net);
}

/* Two rows, mixed by hand: the step is that of rows which are mixtures already. */
static void test_mixing(void **state)
{
	struct nst_net *net = tiny_net(0, CLASSES);
	struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
	struct batch *b = batch_new(net, 2, 8);
	size_t floats = net->size * net->size * 3;
	struct nst_step_stats stats, want;
	struct nst_err err = { 0 };
	struct run mixing, plain;
	struct nst_blend blend[2];
	float soft[2][CLASSES];

	(void)state;
	o.dropout = o.drop_path = 0;
	o.temperature = 1;
	for (size_t i = 0; i < 2; i++) {
		b->row[i].role = NST_ROLE_LABELED;
		b->row[i].target = (struct nst_target){ .class = (int32_t)(3 * i) };
	}
	plain = run_new(net, &o, 1);
	o.mixup.mixup = 1;
	mixing = run_new(net, &o, 1);
	assert_int_equal(nst_trainer_step(mixing.trainer, 0.1, b->row, 2, load_row, b, &stats, &err),
			 0);
	for (size_t i = 0; i < 2; i++) {
		nst_blend_draw(&o.mixup, o.seed, b->row[i].epoch, b->row[i].key, net->size,
			       &blend[i]);
		for (size_t c = 0; c < CLASSES; c++)
			soft[i][c] = (float)(0.1 / CLASSES +
					     0.9 * (c == 3 * i ? (double)blend[i].lambda :
						    c == 3 - 3 * i ? 1 - (double)blend[i].lambda : 0));
		b->row[i].target = (struct nst_target){ .class = -1, .soft = soft[i] };
	}
	assert_true(blend[0].lambda != blend[1].lambda);
	nst_blend_images(net->size, &blend[0], &blend[1], b->images, b->images + floats);
	assert_int_equal(nst_trainer_step(plain.trainer, 0.1, b->row, 2, load_row, b, &want, &err),
			 0);
	assert_true(fabs(stats.loss - want.loss) < 1e-5);
	for (size_t i = 0; i < net->nfloats; i++)
		assert_true(fabsf(nst_trainer_params(mixing.trainer)[i] -
				  nst_trainer_params(plain.trainer)[i]) < 1e-5f);
	run_free(&mixing);
	run_free(&plain);
	batch_free(b);
	nst_net_free(net);
}

/* Maps of several pixels give one row statistics, in a grain of its own or as the rest. */
static void test_steps_with_grains_of_one_row(void **state)
{
	(void)state;
	check_step(GRAIN, 2 * GRAIN + 1, 0);
	check_step(GRAIN, 1, 0);
	check_step(1, 3, 0);
	check_step(1, 1, 0);
}

static void test_seed_and_epoch_change_the_noise(void **state)
{
	struct nst_net *net = tiny_net(3, CLASSES);
	struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
	struct batch *b = batch_new(net, BATCH, 8);
	double loss[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct run r;
		struct nst_step_stats stats;
		struct nst_err err = { 0 };

		r = run_new(net, &o, 1);
		nst_net_init(net, 1, nst_trainer_params(r.trainer));
		for (size_t j = 0; j < b->n; j++)
			b->row[j].epoch = i == 2;
		assert_int_equal(
			nst_trainer_step(r.trainer, 0.25, b->row, b->n, load_row, b, &stats, &err),
			0);
		loss[i] = stats.loss;
		run_free(&r);
		o.seed = i == 0 ? 78 : 77;
	}
	assert_true(loss[0] != loss[1]); /* another seed */
	assert_true(loss[0] != loss[2]); /* another epoch */
	batch_free(b);
	nst_net_free(net);
}

static void test_it_learns(void **state)
{
	(void)state;
	for (size_t i = 0; i < NTINY; i++) {
		struct nst_net *net = tiny_net(i, CLASSES);
		struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
		struct batch *b = batch_new(net, 16, 5);
		struct nst_step_stats stats = { 0 };
		struct nst_err err = { 0 };
		struct run r;
		double first = 0;

		o.dropout = o.drop_path = 0;
		o.optim.weight_decay = 0;
		o.optim.nesterov = 1;
		o.grain = 8;
		r = run_new(net, &o, 2);
		for (int step = 0; step < 60; step++) {
			assert_int_equal(nst_trainer_step(r.trainer, 0.1, b->row, b->n, load_row, b,
							  &stats, &err),
					 0);
			first = step ? first : stats.loss;
		}
		if (!(stats.loss < 0.6 * first))
			fail_msg("%s: loss %g at first, %g at last", net->arch.name, first,
				 stats.loss);
		assert_true(stats.labeled_correct * 10 >= stats.labeled * 8);
		run_free(&r);
		batch_free(b);
		nst_net_free(net);
	}
}

/* After a failure the state is that before the step, and the trainer goes on. */
static void test_failures_leave_the_state(void **state)
{
	struct nst_net *net = tiny_net(1, CLASSES);
	struct nst_train_options o = options_of(net, NST_OPTIM_SGD);

	(void)state;
	for (unsigned threads = 1; threads <= 3; threads++) {
		struct run r = run_new(net, &o, threads), twin = run_new(net, &o, 1);
		struct batch *b = batch_new(net, BATCH, 4);
		struct nst_step_stats stats;
		struct nst_err err = { 0 };
		float kept = b->images[5];

		run_steps(&r, net, 0, 2);
		run_steps(&twin, net, 0, 2);
		b->images[5] = NAN;
		assert_int_equal(
			nst_trainer_step(r.trainer, 0.1, b->row, b->n, load_row, b, &stats, &err),
			NST_EINVAL);
		assert_non_null(strstr(err.msg, "loss is not finite at step 2"));
		assert_same_state(&r, &twin);
		b->images[5] = kept;

		b->bad = 13;
		assert_int_equal(
			nst_trainer_step(r.trainer, 0.1, b->row, b->n, load_row, b, &stats, &err),
			NST_EFORMAT);
		assert_string_equal(err.msg, "row 13 is bad");
		b->bad = SIZE_MAX;

		b->row[7].target.class = CLASSES;
		assert_int_equal(
			nst_trainer_step(r.trainer, 0.1, b->row, b->n, load_row, b, &stats, &err),
			NST_EINVAL);
		assert_string_equal(err.msg, "step 2, row 7: a target names class 5 of 5");
		b->row[7].target.class = 0;

		b->row[3].weight = INFINITY;
		assert_int_equal(
			nst_trainer_step(r.trainer, 0.1, b->row, b->n, load_row, b, &stats, &err),
			NST_EINVAL);
		assert_non_null(strstr(err.msg, "gradient is not finite at step 2"));
		assert_same_state(&r, &twin);

		run_steps(&r, net, 2, 4);
		run_steps(&twin, net, 2, 4);
		assert_same_state(&r, &twin);
		batch_free(b);
		run_free(&r);
		run_free(&twin);
	}
	nst_net_free(net);
}

static void test_refused(void **state)
{
	struct nst_net *net = net_from(tiny[1].name, tiny[1].text, 2, CLASSES); /* 1x1 at last */
	const struct nst_train_options good = options_of(net, NST_OPTIM_SGD);
	struct nst_train_options bad[9];
	struct batch *b = batch_new(net, 9, 4);
	struct run r = run_new(net, &good, 1);
	struct nst_step_stats stats;
	struct nst_err err = { 0 };
	struct nst_trainer *t;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < 9; i++)
		bad[i] = good;
	bad[0].grain = 1;
	bad[1].dropout = 1;
	bad[2].drop_path = -0.1;
	bad[3].label_smoothing = NAN;
	bad[4].temperature = 0;
	bad[5].ema = 1;
	bad[6].clip = -1;
	bad[7].mixup.cutmix = NAN;
	bad[8].freeze = net->nblocks + 1;
	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(nst_trainer_new(net, &bad[i], r.pool, &t, &err), NST_EINVAL);
		assert_null(t);
	}
	assert_int_equal(nst_train_memory(net, &bad[0], 2, 1, &bytes, &err), NST_EINVAL);
	assert_string_equal(err.msg, "a grain of 1 rows cannot be: it needs 2 at least");
	/* Nine rows are two grains of four and one alone. */
	assert_int_equal(nst_trainer_step(r.trainer, 0.1, b->row, 9, load_row, b, &stats, &err),
			 NST_EINVAL);
	assert_int_equal(nst_trainer_step(r.trainer, 0.1, b->row, 0, load_row, b, &stats, &err),
			 NST_EINVAL);
	batch_free(b);
	run_free(&r);
	nst_net_free(net);
}

static void test_options_of_the_authors(void **state)
{
	struct nst_train_options o;
	struct nst_arch arch;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_arch_find("efficientnet-b0", &arch, &err), 0);
	nst_train_options_init(&o, &arch);
	assert_int_equal(o.optim.kind, NST_OPTIM_RMSPROP_TF);
	assert_true(o.dropout == 0.2 && o.drop_path == 0.2 && o.ema == 0.9999 &&
		    o.label_smoothing == 0.1);
	assert_int_equal(nst_arch_find("wrn-28-2", &arch, &err), 0);
	nst_train_options_init(&o, &arch);
	assert_true(o.optim.kind == NST_OPTIM_SGD && o.optim.nesterov &&
		    o.optim.weight_decay == 5e-4);
}

static void test_memory_is_told_before(void **state)
{
	struct nst_net *net = tiny_net(0, CLASSES);
	struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
	size_t one, two, large;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_train_memory(net, &o, 32, 1, &one, &err), 0);
	assert_int_equal(nst_train_memory(net, &o, 32, 2, &two, &err), 0);
	o.grain = 32;
	assert_int_equal(nst_train_memory(net, &o, 32, 1, &large, &err), 0);
	assert_true(one > net->nfloats * sizeof(float) && two > one && large > one);
	nst_net_free(net);
}

/* Places for grains are as many as can be under way, not one a thread. */
static void test_memory_of_few_grains(void **state)
{
	struct nst_net *net = tiny_net(0, CLASSES);
	struct nst_train_options o = options_of(net, NST_OPTIM_SGD);
	size_t one, many, two;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_train_memory(net, &o, GRAIN, 1, &one, &err), 0);
	assert_int_equal(nst_train_memory(net, &o, GRAIN, 64, &many, &err), 0);
	assert_int_equal(nst_train_memory(net, &o, 2 * GRAIN, 64, &two, &err), 0);
	assert_int_equal(one, many);
	assert_true(two > many);
	nst_net_free(net);
}

/* EfficientNet-L2 at the size of its training, an image at a time: 24 GiB are enough.  Weights,
 * their average, two slots, gradients, and packed for both passes are seven times its parameters. */
static void test_memory_of_the_largest_net(void **state)
{
	struct nst_train_options o;
	struct nst_arch arch;
	struct nst_net *net;
	size_t bytes;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_arch_find("efficientnet-l2", &arch, &err), 0);
	assert_int_equal(nst_net_new(&arch, 475, 1000, &net, &err), 0);
	nst_train_options_init(&o, &arch);
	o.grain = 1;
	assert_int_equal(nst_train_memory(net, &o, 1, 64, &bytes, &err), 0);
	assert_true(bytes < (size_t)24 << 30);
	assert_true(bytes > 7 * net->ncounted / 100 * 98 * sizeof(float));
	nst_net_free(net);
}

/* 32 to 63 rows are two pieces of work, neither with a poor share of them. */
static void test_grain_of_a_step(void **state)
{
	(void)state;
	assert_int_equal(nst_grain_rows(16), 32);
	assert_int_equal(nst_grain_rows(31), 32);
	assert_int_equal(nst_grain_rows(32), 16);
	assert_int_equal(nst_grain_rows(33), 17);
	assert_int_equal(nst_grain_rows(63), 32);
	assert_int_equal(nst_grain_rows(64), 32);
	assert_int_equal(nst_grain_rows(4096), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_do_not_show),
		cmocka_unit_test(test_threads_do_not_show_with_all_options),
		cmocka_unit_test(test_threads_do_not_show_in_a_real_net),
		cmocka_unit_test(test_resuming_is_exact),
		cmocka_unit_test(test_a_step_by_hand),
		cmocka_unit_test(test_steps_with_grains_of_one_row),
		cmocka_unit_test(test_freezing),
		cmocka_unit_test(test_clipping),
		cmocka_unit_test(test_labeled_statistics),
		cmocka_unit_test(test_mixing),
		cmocka_unit_test(test_seed_and_epoch_change_the_noise),
		cmocka_unit_test(test_it_learns),
		cmocka_unit_test(test_failures_leave_the_state),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_options_of_the_authors),
		cmocka_unit_test(test_memory_is_told_before),
		cmocka_unit_test(test_memory_of_few_grains),
		cmocka_unit_test(test_memory_of_the_largest_net),
		cmocka_unit_test(test_grain_of_a_step),
	};

	return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
