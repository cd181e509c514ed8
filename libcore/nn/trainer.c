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
#include "libcore/nn/plan.h"

enum { UPDATE_FLOATS = 1 << 15 }; /* parameters in a task of the update */

/* A stretch of the flat vector that is trained. */
struct span {
	size_t from, to;
};

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
	struct nst_grain **grain; /* of each worker, while it is at one */
	float *target;            /* (2,classes) of each worker: a row's and its partner's */
	enum nst_role *role;      /* (grain) of each worker ... */
	size_t *partner;          /* ... and how rows are mixed with their partners */
	struct nst_blend *blend;
	struct span *span;        /* in order */
	size_t nspans;
	double *squares;          /* sums of squares of the gradient, by task of the update */

	float *params, *ema, *slot[2];
	void *state_memory;
	uint64_t step;

	/* Sized for the largest batch seen. */
	size_t grains_cap, nbuffers, nspaces;
	struct nst_grain **space; /* for as many grains as can be under way at a time */
	atomic_int *occupied;     /* of each of these */
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
	size_t stats_rows; /* whose statistics make the running ones */
	float shrink;      /* factor of the gradient, by the limit of its norm */
	atomic_int failed;
	float *total;      /* summed gradients ... */
	const float *rest; /* ... but for these, or NULL: the two halves of the tree */
};

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

static size_t update_tasks(const struct nst_net *net)
{
	return (net->nfloats + UPDATE_FLOATS - 1) / UPDATE_FLOATS;
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

/* Grains that are under way at a time. */
static size_t spaces_needed(size_t grains, unsigned threads)
{
	return grains < threads ? grains : threads;
}

/* Make room for a batch of that many grains. */
static int batch_reserve(struct nst_trainer *t, size_t grains, struct nst_err *err)
{
	size_t nbuffers = buffers_needed(grains, nst_pool_threads(t->pool));
	size_t nspaces = spaces_needed(grains, nst_pool_threads(t->pool));

	if (grains <= t->grains_cap)
		return 0;
	for (; t->nspaces < nspaces; t->nspaces++)
		if (nst_grain_new(t->plan, &t->space[t->nspaces], err))
			return err->code;
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

static int plan_new(const struct nst_net *net, const struct nst_train_options *o,
		    const struct nst_kernels **k, struct nst_grain_plan **plan, struct nst_err *err)
{
	const char *why = "";

	*k = nst_kernels_get(&why);
	if (!*k)
		return nst_fail(err, NST_EINVAL, "%s", why);
	if (o->freeze > net->nblocks)
		return nst_fail(err, NST_EINVAL, "'%s' has %zu blocks, %zu cannot be frozen",
				net->arch.name, net->nblocks, o->freeze);
	if (nst_grain_plan_new(net, *k, o->grain, o->drop_path > 0, o->freeze, plan, err) < 0)
		return err->code;
	nst_grain_plan_stop(*plan, o->freeze);
	return 0;
}

int nst_train_memory(const struct nst_net *net, const struct nst_train_options *o, size_t batch,
		     unsigned threads, size_t *bytes, struct nst_err *err)
{
	const struct nst_kernels *k;
	struct nst_grain_plan *plan;
	size_t vectors, grains;
	int r = nst_train_options_check(net, o, err);

	if (!r)
		r = plan_new(net, o, &k, &plan, err);
	if (r)
		return r;
	grains = (batch + o->grain - 1) / o->grain;
	vectors = state_vectors(o) + buffers_needed(grains, threads);
	*bytes = spaces_needed(grains, threads) * nst_grain_plan_bytes(plan) +
		 nst_pack_bytes(net, k) + vectors * net->nfloats * sizeof(float);
	nst_grain_plan_free(plan);
	return 0;
}

static int span_order(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* The stretches of the flat vector that belong to blocks which are not frozen. */
static int find_spans(struct nst_trainer *t, struct nst_err *err)
{
	const struct nst_net *net = t->net;

	t->span = nst_alloc(net->nparams + 1, sizeof(*t->span), err);
	if (!t->span)
		return err->code;
	t->nspans = 0;
	for (size_t i = 0; i < net->nops; i++) {
		const struct nst_op *o = &net->op[i];

		for (size_t j = 0; j < nst_op_tensors(o->kind) && o->block >= t->options.freeze; j++) {
			const struct nst_param *p = &net->param[o->param[j]];

			t->span[t->nspans++] =
				(struct span){ p->offset, p->offset + NST_ROUND16(p->count) };
		}
	}
	qsort(t->span, t->nspans, sizeof(*t->span), span_order);
	for (size_t i = 1, n = t->nspans, last = 0; i < n; i++) {
		if (t->span[last].to == t->span[i].from)
			t->span[last].to = t->span[i].to;
		else
			t->span[++last] = t->span[i];
		t->nspans = last + 1;
	}
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
	t->space = nst_zalloc(threads, sizeof(*t->space), err);
	t->occupied = nst_zalloc(threads, sizeof(*t->occupied), err);
	t->target = nst_alloc(threads * net->classes, 2 * sizeof(*t->target), err);
	t->role = nst_alloc(threads * t->options.grain, sizeof(*t->role), err);
	t->partner = nst_alloc(threads * t->options.grain, sizeof(*t->partner), err);
	t->blend = nst_alloc(threads * t->options.grain, sizeof(*t->blend), err);
	t->squares = nst_alloc(update_tasks(net), sizeof(*t->squares), err);
	if (!t->grain || !t->space || !t->occupied || !t->target || !t->role || !t->partner ||
	    !t->blend || !t->squares || find_spans(t, err) < 0)
		return err->code;
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
	int r = nst_train_options_check(net, o, err);

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
	for (size_t i = 0; i < t->nspaces; i++)
		nst_grain_free(t->space[i]);
	free(t->grain);
	free(t->space);
	free(t->occupied);
	free(t->target);
	free(t->role);
	free(t->partner);
	free(t->blend);
	free(t->span);
	free(t->squares);
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

static int expand(const struct nst_trainer *t, const struct nst_row *row, float *target,
		  struct nst_err *err)
{
	const struct nst_train_options *o = &t->options;
	int smooth = row->role == NST_ROLE_LABELED || o->smooth_pseudo;

	if (nst_target_expand(&row->target, t->net->classes, smooth ? o->label_smoothing : 0,
			      o->temperature, target, err))
		return nst_err_prefix(err, "step %llu, row %zu", (unsigned long long)t->step,
				      (size_t)(row - t->rows));
	return 0;
}

/* Loss of one row for that target, its part of the statistics, the gradient of its logits. */
static int row_loss(const struct nst_trainer *t, const struct nst_row *row, const float *logits,
		    const float *target, float *grad, struct nst_step_stats *stats,
		    struct nst_err *err)
{
	size_t classes = t->net->classes;
	double loss = nst_cross_entropy(classes, logits, target, row->weight, grad);
	int hit;

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

static int mixes(const struct nst_mixup *m)
{
	return m->mixup > 0 || m->cutmix > 0;
}

/* Pair the rows of a grain and mix their images, which lie in the grain's input. */
static void mix_images(const struct nst_trainer *t, const struct nst_row *rows, size_t n,
		       unsigned worker)
{
	const struct nst_train_options *o = &t->options;
	size_t *partner = t->partner + worker * o->grain, size = t->net->size;
	struct nst_blend *blend = t->blend + worker * o->grain;
	float *image = nst_grain_input(t->grain[worker]);
	enum nst_role *role = t->role + worker * o->grain;

	for (size_t i = 0; i < n; i++)
		role[i] = rows[i].role;
	nst_mixup_pair(&o->mixup, role, n, partner);
	for (size_t i = 0; i < n; i++)
		if (partner[i] != i)
			nst_blend_draw(&o->mixup, o->seed, rows[i].epoch, rows[i].key, size,
				       &blend[i]);
	for (size_t i = 0; i < n; i++)
		if (partner[i] > i)
			nst_blend_images(size, &blend[i], &blend[partner[i]],
					 image + i * size * size * 3,
					 image + partner[i] * size * size * 3);
}

/* Losses of the rows of a grain whose logits are there. */
static int grain_loss(const struct nst_trainer *t, const struct nst_row *rows, size_t n,
		      unsigned worker, struct nst_step_stats *stats, struct nst_err *err)
{
	size_t classes = t->net->classes, first = worker * t->options.grain;
	float *own = t->target + 2 * worker * classes, *other = own + classes;
	struct nst_grain *g = t->grain[worker];

	for (size_t i = 0; i < n; i++) {
		size_t j = mixes(&t->options.mixup) ? t->partner[first + i] : i;

		if (expand(t, &rows[i], own, err) < 0 ||
		    (j != i && expand(t, &rows[j], other, err) < 0))
			return err->code;
		if (j != i)
			nst_blend_targets(classes, &t->blend[first + i], own, other);
		if (row_loss(t, &rows[i], nst_grain_logits(g) + i * classes, own,
			     nst_grain_logits_grad(g) + i * classes, stats, err) < 0)
			return err->code;
	}
	return 0;
}

/* Load, mix, forward, loss, backward; the gradient goes to grad. */
static int grain_run(struct nst_trainer *t, size_t number, unsigned worker, float *grad,
		     struct grain_result *result)
{
	struct nst_grain *g = t->grain[worker];
	const struct nst_train_options *o = &t->options;
	size_t first = number * o->grain;
	size_t n = t->n - first < o->grain ? t->n - first : o->grain;
	size_t image = t->net->size * t->net->size * 3;
	const struct nst_row *rows = t->rows + first;
	struct nst_err *err = &result->err;
	double since, share = (double)n / (double)t->stats_rows;

	for (size_t i = 0; i < n; i++) {
		int calm = o->calm_pseudo && rows[i].role == NST_ROLE_PSEUDO;
		int r = t->load(t->ctx, first + i, worker, nst_grain_input(g) + i * image, err);

		if (r)
			return r;
		nst_grain_noise(g, i, o->seed, rows[i].epoch, rows[i].key,
				calm ? 0 : o->dropout, calm ? 0 : o->drop_path);
	}
	if (mixes(&o->mixup))
		mix_images(t, rows, n, worker);
	nst_grain_forward(g, n, t->params, t->pack);
	since = nst_profile_now(t->profile);
	if (grain_loss(t, rows, n, worker, &result->stats, err) < 0)
		return err->code;
	nst_profile_add(t->profile, worker, NST_PHASE_LOSS, n, since);
	if (o->labeled_stats && rows[0].role != NST_ROLE_LABELED)
		share = 0;
	nst_grain_backward(g, n, t->params, t->pack, share, grad);
	return 0;
}

/* Give the worker room for a grain, where there is enough for all always the same.  Returns its
 * number. */
static size_t space_take(struct nst_trainer *t, unsigned worker)
{
	size_t i = worker % t->nspaces;

	while (atomic_exchange(&t->occupied[i], 1))
		i = (i + 1) % t->nspaces;
	t->grain[worker] = t->space[i];
	nst_grain_profile(t->space[i], t->profile, worker);
	return i;
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
 * first leaves its sum and goes, the second adds.  The last two are left for all threads to add. */
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
			if (count == 2) {
				t->rest = other;
				break;
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
	size_t space;
	int r;

	memset(result, 0, sizeof(*result));
	if (atomic_load(&t->failed))
		return;
	grad = buffer_take(t);
	space = space_take(t, worker);
	r = grain_run(t, number, worker, grad, result);
	atomic_store(&t->occupied[space], 0);
	if (r) {
		atomic_store(&t->failed, 1);
		return;
	}
	since = nst_profile_now(t->profile);
	tree_climb(t, number, grad);
	nst_profile_add(t->profile, worker, NST_PHASE_REDUCE, 0, since);
}

/* ---- the update ---------------------------------------------------------------------------- */

/* The trained floats of task `number`, from *from to *to, beginning the search at span *at; 0 at the
 * end.  Gradients of trained parameters are the floats up to net->ntrain among them. */
static int task_range(const struct nst_trainer *t, size_t number, size_t *at, struct span *out)
{
	size_t from = number * UPDATE_FLOATS, to = from + UPDATE_FLOATS;

	for (; *at < t->nspans; ++*at) {
		const struct span *s = &t->span[*at];

		out->from = s->from > from ? s->from : from;
		out->to = s->to < to ? s->to : to;
		if (out->from < out->to) {
			++*at;
			return 1;
		}
	}
	return 0;
}

static size_t gradients_end(const struct nst_trainer *t, const struct span *s)
{
	size_t end = s->to < t->net->ntrain ? s->to : t->net->ntrain;

	return end > s->from ? end : s->from;
}

/* Add what is left to add, and see whether the sum is one of numbers. */
static void total_task(void *ctx, size_t number, unsigned worker)
{
	struct nst_trainer *t = ctx;
	double since = nst_profile_now(t->profile);
	int squares = t->options.clip > 0 && t->options.clip_mode == NST_CLIP_NORM;
	struct span s;

	t->squares[number] = 0;
	for (size_t at = 0; task_range(t, number, &at, &s);) {
		if (t->rest)
			t->k->add(s.to - s.from, t->rest + s.from, t->total + s.from);
		if (!t->k->all_finite(s.to - s.from, t->total + s.from))
			atomic_store(&t->failed, 1);
		if (squares)
			t->squares[number] += nst_sum_squares(t->total + s.from,
							      gradients_end(t, &s) - s.from);
	}
	nst_profile_add(t->profile, worker, NST_PHASE_REDUCE, 0, since);
}

/* The factor that brings the gradient below its limit, from the sums of total_task. */
static float find_shrink(const struct nst_trainer *t)
{
	double sum = 0;

	if (!(t->options.clip > 0) || t->options.clip_mode != NST_CLIP_NORM)
		return 1;
	for (size_t i = 0; i < update_tasks(t->net); i++)
		sum += t->squares[i];
	return (float)nst_clip_factor(t->options.clip, sum);
}

static void clip(const struct nst_trainer *t, size_t from, size_t to)
{
	const struct nst_train_options *o = &t->options;

	if (o->clip > 0 && o->clip_mode == NST_CLIP_VALUE)
		nst_clip_value(t->total + from, to - from, o->clip);
	for (size_t i = from; i < to && t->shrink < 1; i++)
		t->total[i] *= t->shrink;
}

static void update_task(void *ctx, size_t number, unsigned worker)
{
	struct nst_trainer *t = ctx;
	const struct nst_net *net = t->net;
	double keep = net->arch.bn_momentum, since = nst_profile_now(t->profile);
	struct span s;

	for (size_t at = 0; task_range(t, number, &at, &s);) {
		size_t middle = gradients_end(t, &s);

		if (s.from < middle && !nst_optim_by_tensor(t->options.optim.kind)) {
			clip(t, s.from, middle);
			nst_optim_update(&t->options.optim, t->k, net, s.from, middle, t->lr,
					 t->step, t->total, t->slot, t->params);
		}
		for (size_t i = middle; i < s.to; i++)
			t->params[i] = (float)(keep * t->params[i] + (1 - keep) * t->total[i]);
		if (t->ema)
			t->k->ema(s.to - s.from, t->params + s.from,
				  (float)nst_ema_decay(t->options.ema, t->step), t->ema + s.from);
	}
	nst_profile_add(t->profile, worker, NST_PHASE_UPDATE, 0, since);
}

/* The same for optimizers that want whole tensors: of parameter `number`. */
static void tensor_task(void *ctx, size_t number, unsigned worker)
{
	struct nst_trainer *t = ctx;
	const struct nst_param *p = &t->net->param[number];
	double since = nst_profile_now(t->profile);
	size_t end = p->offset + p->count;
	int trained = 0;

	for (size_t i = 0; i < t->nspans; i++)
		trained |= t->span[i].from <= p->offset && p->offset < t->span[i].to;
	if (!trained || end > t->net->ntrain)
		return;
	clip(t, p->offset, end);
	nst_optim_update(&t->options.optim, t->k, t->net, p->offset, end, t->lr, t->step, t->total,
			 t->slot, t->params);
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
	size_t ranges = update_tasks(t->net), labeled = 0;
	double since;
	int r;

	memset(stats, 0, sizeof(*stats));
	if (n == 0 || (n - 1) % t->options.grain + 1 < nst_net_least_grain(t->net, t->options.freeze))
		return nst_fail(
			err, NST_EINVAL,
			"a batch of %zu rows in grains of %zu leaves a grain too small for batch "
			"statistics",
			n, t->options.grain);
	r = batch_reserve(t, ngrains, err);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		labeled += rows[i].role == NST_ROLE_LABELED;
	t->rows = rows;
	t->n = n;
	t->stats_rows = t->options.labeled_stats ? labeled : n;
	t->ngrains = ngrains;
	t->load = load;
	t->ctx = ctx;
	t->lr = lr;
	t->total = NULL;
	t->rest = NULL;
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
		nst_pool_run(t->pool, ranges, total_task, t);
	if (atomic_load(&t->failed))
		return first_failure(t, err);
	t->shrink = find_shrink(t);
	if (nst_optim_by_tensor(t->options.optim.kind))
		nst_pool_run(t->pool, t->net->nparams, tensor_task, t);
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
