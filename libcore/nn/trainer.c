/* A training step: grains in parallel, a fixed tree of sums, one pass over the parameters.
 *
 * Which worker runs which grain, and which of two siblings finishes last and so adds them, is left
 * to chance; what is added to what, and on which side, is not.  Buffers for gradients are taken
 * from the lowest free one, so that memory touched is about one a thread and one a level of the
 * tree. */
#include "libcore/nn/trainer.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/nn/blas.h"
#include "libcore/nn/grain.h"

enum { UPDATE_FLOATS = 1 << 15 }; /* parameters in a task of the update */

/* What a grain leaves behind besides its gradient. */
struct grain_result {
	struct nst_step_stats stats;
	struct nst_err err; /* code 0 when all went well */
};

struct nst_trainer {
	const struct nst_net *net;
	const struct nst_kernels *k;
	struct nst_train_options options;
	struct nst_pool *pool;
	struct nst_profile *profile;
	struct nst_grain_plan *plan;
	struct nst_pack *pack;
	struct nst_grain **grain; /* of each worker */
	float *target;            /* (classes) of each worker */

	float *params, *ema, *slot[2];
	void *state_memory;
	uint64_t step;

	/* Sized for the largest batch seen. */
	size_t grains_cap, nbuffers;
	struct grain_result *result;
	_Atomic(float *) *waiting; /* nodes of the tree: the sibling that finished first */
	void *buffer_memory;
	float *buffers;
	atomic_int *busy; /* of each buffer */

	/* Of the step under way. */
	const struct nst_row *rows;
	size_t n, ngrains;
	nst_load_fn load;
	void *ctx;
	double lr;
	atomic_int failed;
	float *total; /* summed gradients */
};

size_t nst_train_grain(size_t rows)
{
	return rows >= 32 && rows < 64 ? (rows + 1) / 2 : 32;
}

void nst_train_options_init(struct nst_train_options *o, const struct nst_arch *arch)
{
	int preact = 0;

	for (size_t i = 0; i < arch->nstages; i++)
		preact |= arch->stage[i].kind == NST_STAGE_PREACT;
	memset(o, 0, sizeof(*o));
	o->grain = 32;
	o->dropout = arch->dropout;
	o->drop_path = arch->drop_path;
	o->label_smoothing = 0.1;
	o->smooth_pseudo = 1;
	o->temperature = 1;
	o->optim.momentum = 0.9;
	o->optim.rho = 0.9;
	o->optim.eps = 0.001;
	if (arch->init == NST_INIT_TF) {
		o->optim.kind = NST_OPTIM_RMSPROP_TF;
		o->optim.weight_decay = 1e-5;
		o->ema = 0.9999;
	} else {
		o->optim.kind = NST_OPTIM_SGD;
		o->optim.nesterov = preact;
		o->optim.weight_decay = preact ? 5e-4 : 1e-4;
	}
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Buffers that can be in use at once: one a worker, and subtrees that wait for a sibling.  Such a
 * sibling holds a grain that runs or the first that has not begun, and each of these has one
 * sibling a level. */
static size_t buffers_needed(size_t grains, unsigned threads)
{
	size_t levels = 0, most;

	while ((size_t)1 << levels < grains)
		levels++;
	most = threads + (threads + 1) * levels;
	return most < grains ? most : grains;
}

static size_t state_vectors(const struct nst_train_options *o)
{
	return 1 + (o->ema > 0) + nst_optim_slots(o->optim.kind);
}

/* Zeroed floats on a vector boundary; *memory is what to free. */
static float *zeroed_vectors(size_t vectors, size_t floats, void **memory, struct nst_err *err)
{
	size_t bytes;
	uintptr_t at;

	if (nst_mul_size(vectors, floats * sizeof(float), &bytes) || bytes > SIZE_MAX - NST_ALIGN) {
		nst_fail_mem(err, SIZE_MAX);
		return NULL;
	}
	*memory = nst_zalloc(bytes + NST_ALIGN, 1, err);
	at = (uintptr_t)*memory;
	return *memory ? (float *)((at + NST_ALIGN - 1) / NST_ALIGN * NST_ALIGN) : NULL;
}

/* Make room for a batch of that many grains. */
static int batch_reserve(struct nst_trainer *t, size_t grains, struct nst_err *err)
{
	size_t nbuffers = buffers_needed(grains, nst_pool_threads(t->pool));

	if (grains <= t->grains_cap)
		return 0;
	free(t->result);
	free(t->waiting);
	free(t->busy);
	free(t->buffer_memory);
	t->grains_cap = 0;
	t->buffer_memory = NULL;
	t->busy = NULL;
	t->waiting = NULL;
	t->result = nst_alloc(grains, sizeof(*t->result), err);
	if (t->result)
		t->waiting = nst_alloc(2 * grains, sizeof(*t->waiting), err);
	if (t->waiting)
		t->busy = nst_alloc(nbuffers, sizeof(*t->busy), err);
	if (t->busy)
		t->buffers = zeroed_vectors(nbuffers, t->net->nfloats, &t->buffer_memory, err);
	if (!t->buffer_memory)
		return err->code;
	t->nbuffers = nbuffers;
	t->grains_cap = grains;
	return 0;
}

static int check_options(const struct nst_train_options *o, struct nst_err *err)
{
	if (o->grain < 2 || o->grain > 1 << 20)
		return nst_fail(err, NST_EINVAL,
				"a grain of %zu rows cannot be: it needs 2 at least", o->grain);
	if (!(o->dropout >= 0 && o->dropout < 1))
		return nst_fail(err, NST_EINVAL, "the dropout rate %g is not in [0,1)", o->dropout);
	if (!(o->drop_path >= 0 && o->drop_path < 1))
		return nst_fail(err, NST_EINVAL, "the stochastic-depth rate %g is not in [0,1)",
				o->drop_path);
	if (!(o->label_smoothing >= 0 && o->label_smoothing < 1))
		return nst_fail(err, NST_EINVAL, "the label smoothing %g is not in [0,1)",
				o->label_smoothing);
	if (!(o->temperature > 0) || !isfinite(o->temperature))
		return nst_fail(err, NST_EINVAL, "the temperature %g is not above 0",
				o->temperature);
	if (!(o->ema >= 0 && o->ema < 1))
		return nst_fail(err, NST_EINVAL,
				"the decay %g of the moving average is not in [0,1)", o->ema);
	return 0;
}

static int plan_new(const struct nst_net *net, const struct nst_train_options *o,
		    const struct nst_kernels **k, struct nst_grain_plan **plan, struct nst_err *err)
{
	const char *why = "";

	*k = nst_kernels_get(&why);
	if (!*k)
		return nst_fail(err, NST_EINVAL, "%s", why);
	return nst_grain_plan_new(net, *k, o->grain, o->drop_path > 0, 0, plan, err);
}

int nst_train_memory(const struct nst_net *net, const struct nst_train_options *o, size_t batch,
		     unsigned threads, size_t *bytes, struct nst_err *err)
{
	const struct nst_kernels *k;
	struct nst_grain_plan *plan;
	size_t vectors;
	int r = check_options(o, err);

	if (!r)
		r = plan_new(net, o, &k, &plan, err);
	if (r)
		return r;
	/* Packed weights come in two forms. */
	vectors = state_vectors(o) + 2 + buffers_needed((batch + o->grain - 1) / o->grain, threads);
	*bytes = threads * nst_grain_plan_bytes(plan) + vectors * net->nfloats * sizeof(float);
	nst_grain_plan_free(plan);
	return 0;
}

static int prepare(struct nst_trainer *t, struct nst_err *err)
{
	unsigned threads = nst_pool_threads(t->pool);
	const struct nst_net *net = t->net;
	float *vector;
	int r = plan_new(net, &t->options, &t->k, &t->plan, err);

	if (!r)
		r = nst_pack_new(net, t->k, &t->pack, err);
	if (r)
		return r;
	t->grain = nst_zalloc(threads, sizeof(*t->grain), err);
	t->target = nst_alloc(threads * net->classes, sizeof(*t->target), err);
	if (!t->grain || !t->target)
		return err->code;
	for (unsigned w = 0; !r && w < threads; w++)
		r = nst_grain_new(t->plan, &t->grain[w], err);
	if (r)
		return r;
	vector = zeroed_vectors(state_vectors(&t->options), net->nfloats, &t->state_memory, err);
	if (!vector)
		return err->code;
	t->params = vector;
	nst_net_init(net, t->options.seed, t->params);
	for (size_t s = 0; s < nst_optim_slots(t->options.optim.kind); s++) {
		t->slot[s] = vector += net->nfloats;
		for (size_t i = 0; i < net->ntrain; i++)
			t->slot[s][i] = nst_optim_slot_start(t->options.optim.kind, s);
	}
	if (t->options.ema > 0) {
		t->ema = vector + net->nfloats;
		nst_trainer_reset_ema(t);
	}
	return 0;
}

int nst_trainer_new(const struct nst_net *net, const struct nst_train_options *o,
		    struct nst_pool *pool, struct nst_trainer **out, struct nst_err *err)
{
	struct nst_trainer *t;
	int r = check_options(o, err);

	*out = NULL;
	if (r)
		return r;
	t = nst_zalloc(1, sizeof(*t), err);
	if (!t)
		return err->code;
	nst_blas_init();
	t->net = net;
	t->options = *o;
	t->pool = pool;
	r = prepare(t, err);
	if (r) {
		nst_trainer_free(t);
		return r;
	}
	*out = t;
	return 0;
}

void nst_trainer_free(struct nst_trainer *t)
{
	if (!t)
		return;
	for (unsigned w = 0; t->grain && w < nst_pool_threads(t->pool); w++)
		nst_grain_free(t->grain[w]);
	free(t->grain);
	free(t->target);
	free(t->result);
	free(t->waiting);
	free(t->busy);
	free(t->buffer_memory);
	free(t->state_memory);
	nst_pack_free(t->pack);
	nst_grain_plan_free(t->plan);
	free(t);
}

int nst_trainer_profile(struct nst_trainer *t, struct nst_profile *profile, struct nst_err *err)
{
	t->profile = profile;
	for (unsigned w = 0; w < nst_pool_threads(t->pool); w++)
		nst_grain_profile(t->grain[w], profile, w);
	return nst_profile_net(profile, t->net, err);
}

/* ---- one grain ----------------------------------------------------------------------------- */

static size_t largest_at(const float *x, size_t n)
{
	size_t at = 0;

	for (size_t i = 1; i < n; i++)
		if (x[i] > x[at])
			at = i;
	return at;
}

/* Loss of one row, its part of the statistics, the gradient of its logits. */
static int row_loss(const struct nst_trainer *t, const struct nst_row *row, const float *logits,
		    float *target, float *grad, struct nst_step_stats *stats, struct nst_err *err)
{
	const struct nst_train_options *o = &t->options;
	int smooth = row->role == NST_ROLE_LABELED || o->smooth_pseudo;
	size_t classes = t->net->classes;
	double loss;
	int hit, r;

	r = nst_target_expand(&row->target, classes, smooth ? o->label_smoothing : 0,
			      o->temperature, target, err);
	if (r)
		return nst_err_prefix(err, "step %llu, row %zu", (unsigned long long)t->step,
				      (size_t)(row - t->rows));
	loss = nst_cross_entropy(classes, logits, target, row->weight, grad);
	if (!isfinite(loss))
		return nst_fail(err, NST_EINVAL,
				"the loss is not finite at step %llu; a lower learning rate or a "
				"longer warm-up may help",
				(unsigned long long)t->step);
	hit = largest_at(logits, classes) == largest_at(target, classes);
	stats->loss += row->weight * loss;
	if (row->role == NST_ROLE_LABELED) {
		stats->labeled_loss += loss;
		stats->labeled++;
		stats->labeled_correct += (uint64_t)hit;
	} else {
		stats->pseudo_loss += loss;
		stats->pseudo++;
		stats->pseudo_agree += (uint64_t)hit;
	}
	return 0;
}

/* Load, forward, loss, backward; the gradient goes to grad. */
static int grain_run(struct nst_trainer *t, size_t number, unsigned worker, float *grad,
		     struct grain_result *result)
{
	struct nst_grain *g = t->grain[worker];
	const struct nst_train_options *o = &t->options;
	size_t first = number * o->grain, classes = t->net->classes;
	size_t n = t->n - first < o->grain ? t->n - first : o->grain;
	size_t image = t->net->size * t->net->size * 3;
	struct nst_err *err = &result->err;
	double since;

	for (size_t i = 0; i < n; i++) {
		const struct nst_row *row = &t->rows[first + i];
		int calm = o->calm_pseudo && row->role == NST_ROLE_PSEUDO;
		int r = t->load(t->ctx, first + i, worker, nst_grain_input(g) + i * image, err);

		if (r)
			return r;
		nst_grain_noise(g, i, o->seed, row->epoch, row->key,
				calm ? 0 : o->dropout, calm ? 0 : o->drop_path);
	}
	nst_grain_forward(g, n, t->params, t->pack);
	since = nst_profile_now(t->profile);
	for (size_t i = 0; i < n; i++) {
		int r = row_loss(t, &t->rows[first + i], nst_grain_logits(g) + i * classes,
				 t->target + worker * classes,
				 nst_grain_logits_grad(g) + i * classes, &result->stats, err);

		if (r)
			return r;
	}
	nst_profile_add(t->profile, worker, NST_PHASE_LOSS, n, since);
	nst_grain_backward(g, n, t->params, t->pack, (double)n / (double)t->n, grad);
	return 0;
}

static float *buffer_take(struct nst_trainer *t)
{
	for (size_t i = 0;; i = (i + 1) % t->nbuffers)
		if (!atomic_exchange(&t->busy[i], 1))
			return t->buffers + i * t->net->nfloats;
}

static void buffer_release(struct nst_trainer *t, const float *buffer)
{
	atomic_store(&t->busy[(size_t)(buffer - t->buffers) / t->net->nfloats], 0);
}

/* Take the sum of subtree `number` up the tree as far as siblings are there: of two siblings the
 * first leaves its sum and goes, the second adds. */
static void tree_climb(struct nst_trainer *t, size_t number, float *sum)
{
	_Atomic(float *) *node = t->waiting;

	for (size_t count = t->ngrains; count > 1; count = (count + 1) / 2, number /= 2) {
		int alone = number % 2 == 0 && number + 1 == count;

		if (!alone) {
			float *other = atomic_exchange(&node[number / 2], sum);

			if (!other)
				return;
			if (number % 2) {
				float *left = other;

				other = sum;
				sum = left;
			}
			t->k->add(t->net->nfloats, other, sum);
			buffer_release(t, other);
		}
		node += (count + 1) / 2;
	}
	t->total = sum;
}

static void grain_task(void *ctx, size_t number, unsigned worker)
{
	struct nst_trainer *t = ctx;
	struct grain_result *result = &t->result[number];
	float *grad;
	double since;

	memset(result, 0, sizeof(*result));
	if (atomic_load(&t->failed))
		return;
	grad = buffer_take(t);
	if (grain_run(t, number, worker, grad, result)) {
		atomic_store(&t->failed, 1);
		return;
	}
	since = nst_profile_now(t->profile);
	tree_climb(t, number, grad);
	nst_profile_add(t->profile, worker, NST_PHASE_REDUCE, 0, since);
}

/* ---- the update ---------------------------------------------------------------------------- */

static void finite_task(void *ctx, size_t number, unsigned worker)
{
	struct nst_trainer *t = ctx;
	size_t from = number * UPDATE_FLOATS, to = from + UPDATE_FLOATS;
	uint32_t bad = 0;
	double since = nst_profile_now(t->profile);

	if (to > t->net->nfloats)
		to = t->net->nfloats;
	for (size_t i = from; i < to; i++) {
		uint32_t bits;

		memcpy(&bits, &t->total[i], sizeof(bits));
		bad |= (bits & 0x7f800000u) == 0x7f800000u; /* infinite or not a number */
	}
	if (bad)
		atomic_store(&t->failed, 1);
	nst_profile_add(t->profile, worker, NST_PHASE_UPDATE, 0, since);
}

static void update_task(void *ctx, size_t number, unsigned worker)
{
	struct nst_trainer *t = ctx;
	const struct nst_net *net = t->net;
	size_t from = number * UPDATE_FLOATS, to = from + UPDATE_FLOATS, middle;
	double keep = net->arch.bn_momentum, since = nst_profile_now(t->profile);

	if (to > net->nfloats)
		to = net->nfloats;
	middle = to < net->ntrain ? to : net->ntrain;
	if (from < middle)
		nst_optim_update(&t->options.optim, t->k, net, from, middle, t->lr, t->total,
				 t->slot, t->params);
	for (size_t i = from > net->ntrain ? from : net->ntrain; i < to; i++)
		t->params[i] = (float)(keep * t->params[i] + (1 - keep) * t->total[i]);
	if (t->ema)
		t->k->ema(to - from, t->params + from,
			  (float)nst_ema_decay(t->options.ema, t->step), t->ema + from);
	nst_profile_add(t->profile, worker, NST_PHASE_UPDATE, 0, since);
}

static void stats_add(struct nst_step_stats *sum, const struct nst_step_stats *s)
{
	sum->loss += s->loss;
	sum->labeled_loss += s->labeled_loss;
	sum->pseudo_loss += s->pseudo_loss;
	sum->labeled += s->labeled;
	sum->pseudo += s->pseudo;
	sum->labeled_correct += s->labeled_correct;
	sum->pseudo_agree += s->pseudo_agree;
}

/* The failure of the first grain that has one. */
static int first_failure(const struct nst_trainer *t, struct nst_err *err)
{
	for (size_t i = 0; i < t->ngrains; i++) {
		if (t->result[i].err.code) {
			*err = t->result[i].err;
			return err->code;
		}
	}
	return nst_fail(err, NST_EINVAL,
			"a gradient is not finite at step %llu; a lower learning rate or a longer "
			"warm-up may help",
			(unsigned long long)t->step);
}

int nst_trainer_step(struct nst_trainer *t, double lr, const struct nst_row *rows, size_t n,
		     nst_load_fn load, void *ctx, struct nst_step_stats *stats, struct nst_err *err)
{
	size_t ngrains = (n + t->options.grain - 1) / t->options.grain;
	size_t ranges = (t->net->nfloats + UPDATE_FLOATS - 1) / UPDATE_FLOATS;
	double since;
	int r;

	memset(stats, 0, sizeof(*stats));
	if (n == 0 || n % t->options.grain == 1)
		return nst_fail(
			err, NST_EINVAL,
			"a batch of %zu rows in grains of %zu leaves a grain too small for batch "
			"statistics",
			n, t->options.grain);
	r = batch_reserve(t, ngrains, err);
	if (r)
		return r;
	t->rows = rows;
	t->n = n;
	t->ngrains = ngrains;
	t->load = load;
	t->ctx = ctx;
	t->lr = lr;
	t->total = NULL;
	atomic_store(&t->failed, 0);
	for (size_t i = 0; i < t->nbuffers; i++)
		atomic_store(&t->busy[i], 0);
	for (size_t i = 0; i < 2 * ngrains; i++)
		atomic_store(&t->waiting[i], NULL);
	since = nst_profile_now(t->profile);
	nst_pack_fill(t->pack, t->params, t->pool);
	nst_profile_add(t->profile, 0, NST_PHASE_UPDATE, 0, since);
	nst_pool_run(t->pool, ngrains, grain_task, t);
	if (!atomic_load(&t->failed))
		nst_pool_run(t->pool, ranges, finite_task, t);
	if (atomic_load(&t->failed))
		return first_failure(t, err);
	nst_pool_run(t->pool, ranges, update_task, t);
	for (size_t i = 0; i < ngrains; i++)
		stats_add(stats, &t->result[i].stats);
	t->step++;
	return 0;
}

/* ---- state --------------------------------------------------------------------------------- */

size_t nst_trainer_arrays(struct nst_trainer *t, struct nst_trainer_array out[NST_TRAINER_ARRAYS])
{
	enum nst_optim_kind kind = t->options.optim.kind;
	size_t n = 0, count = t->net->nfloats;

	out[n++] = (struct nst_trainer_array){ "params", t->params, count };
	if (t->ema)
		out[n++] = (struct nst_trainer_array){ "ema", t->ema, count };
	for (size_t s = 0; s < nst_optim_slots(kind); s++)
		out[n++] = (struct nst_trainer_array){ nst_optim_slot_name(kind, s), t->slot[s],
						       count };
	return n;
}

float *nst_trainer_params(struct nst_trainer *t)
{
	return t->params;
}

float *nst_trainer_ema(struct nst_trainer *t)
{
	return t->ema;
}

void nst_trainer_reset_ema(struct nst_trainer *t)
{
	if (t->ema)
		memcpy(t->ema, t->params, t->net->nfloats * sizeof(float));
}

uint64_t nst_trainer_step_count(const struct nst_trainer *t)
{
	return t->step;
}

void nst_trainer_set_step_count(struct nst_trainer *t, uint64_t step)
{
	t->step = step;
}
