/* The forward and backward pass of a grain, organised around the cache.
 *
 * Batch statistics need a whole grain before the norm can be applied, everything else works image
 * by image.  So the net is cut into segments that begin at every batch norm, and a segment runs
 * over chunks of a few images that fit the second-level cache:
 *
 *   forward, segment s:   [apply norm s, activation] -> convolutions -> [partial sums for norm s+1]
 *   backward, segment s:  [norm s+1, pass 2] -> convolutions' gradients -> [norm s, pass 1]
 *
 * A tensor between the operations of one segment is then read while still in cache, tensors that do
 * not outlive their segment exist for one chunk only, and what remains in memory traffic is about
 * half of that of layer after layer.  Where a single image is too large for the cache and a segment
 * is but a norm and a pointwise or depthwise convolution, it goes by bands of lines of the image, and
 * of tensors that do not outlive it only the lines exist that the band at work reads or writes.
 * Outputs of norms and of squeeze-and-excitation that nobody outside their segment reads are not
 * kept for the backward pass: it forms a chunk of them again, from what the convolution before
 * wrote, which is to be read then anyway.  Squeeze-and-excitation of large maps has no output at
 * all: the weights of the convolution behind it are scaled instead, for each image.  Sizes of chunks
 * and bands follow from shapes alone, so that the order of all sums, and with it every bit of the
 * result, is fixed. */
#include "libcore/nn/grain_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/nn/blas.h"
#include "libcore/nn/shortcut.h"
#include "libcore/util/rng.h"

struct nst_grain {
	const struct nst_grain_plan *plan;
	float *arena, *state;
	float *kernel_scratch, *tensor_scratch, *sum_scratch, *band;
	float *one, *zero; /* channels of 1 and of 0 */
	struct nst_profile *profile;
	unsigned worker; /* of the profile */
};

int nst_grain_new(const struct nst_grain_plan *p, struct nst_grain **out, struct nst_err *err)
{
	struct nst_grain *g = nst_zalloc(1, sizeof(*g), err);

	*out = NULL;
	if (!g)
		return err->code;
	g->plan = p;
	g->arena = nst_alloc_aligned(nst_grain_plan_bytes(p), 1, err);
	if (!g->arena) {
		free(g);
		return err->code;
	}
	g->state = g->arena + p->arena;
	g->kernel_scratch = g->state + p->state;
	g->tensor_scratch = g->kernel_scratch + NST_ROUND16(p->kernel_scratch);
	g->sum_scratch = g->tensor_scratch + NST_ROUND16(p->tensor_scratch);
	g->one = g->sum_scratch + NST_ROUND16(p->sum_scratch);
	g->zero = g->one + NST_ROUND16(p->widest);
	g->band = g->zero + NST_ROUND16(p->widest);
	for (size_t i = 0; i < p->widest; i++) {
		g->one[i] = 1;
		g->zero[i] = 0;
	}
	for (size_t row = 0; row < p->rows; row++)
		nst_grain_noise(g, row, 0, 0, 0, 0, 0);
	*out = g;
	return 0;
}

void nst_grain_free(struct nst_grain *g)
{
	if (!g)
		return;
	free(g->arena);
	free(g);
}

/* ---- access -------------------------------------------------------------------------------- */

static float *at_place(const struct nst_grain *g, const struct place *places, size_t t, size_t from)
{
	const struct place *p = &places[t];

	return g->arena + p->offset + (p->local ? 0 : from * floats_of(&g->plan->net->tensor[t]));
}

float *nst_grain_input(struct nst_grain *g)
{
	return at_place(g, g->plan->act, 0, 0);
}

const float *nst_grain_logits(const struct nst_grain *g)
{
	const struct nst_net *net = g->plan->net;

	return at_place(g, g->plan->act, net->op[net->nops - 1].out, 0);
}

float *nst_grain_logits_grad(struct nst_grain *g)
{
	const struct nst_net *net = g->plan->net;

	return at_place(g, g->plan->grad, net->op[net->nops - 1].out, 0);
}

void nst_grain_profile(struct nst_grain *g, struct nst_profile *profile, unsigned worker)
{
	g->profile = profile;
	g->worker = worker;
}

/* Factors of stochastic depth of an operation that has them. */
static float *path_of(const struct nst_grain *g, size_t i)
{
	const struct nst_grain_plan *p = g->plan;
	const struct nst_op *o = &p->net->op[i];
	float *state = g->state + p->op[i].state;

	return o->kind == NST_OP_ADD ? state : norm_state(state, p->net->tensor[o->in].c).path;
}

/* Factor of a block for one row: dropped, or divided by its chance to survive. */
static float path_factor(struct nst_rng *rng, double keep)
{
	if (keep >= 1)
		return 1;
	return nst_rng_unit(rng) < keep ? (float)(1 / keep) : 0;
}

static void dropout_mask(struct nst_rng *rng, double dropout, size_t n, float *mask)
{
	float scale = (float)(1 / (1 - dropout));

	for (size_t i = 0; i < n; i++)
		mask[i] = dropout > 0 && nst_rng_unit(rng) < dropout ? 0 : scale;
}

void nst_grain_noise(struct nst_grain *g, size_t row, uint64_t seed, uint32_t epoch, uint64_t key,
		     double dropout, double drop_path)
{
	const struct nst_grain_plan *p = g->plan;
	const struct nst_net *net = p->net;
	struct nst_rng path, drop;

	nst_rng_init(&path, seed, NST_RNG_DROPPATH, epoch, key);
	nst_rng_init(&drop, seed, NST_RNG_DROPOUT, epoch, key);
	for (size_t i = 0; i < net->nops; i++) {
		const struct nst_op *o = &net->op[i];
		size_t c = net->tensor[o->out].c;

		if (p->op[i].path) {
			double keep = 1 - drop_path * (double)o->block / (double)net->nblocks;

			path_of(g, i)[row] = path_factor(&path, keep);
		}
		if (o->kind == NST_OP_POOL)
			dropout_mask(&drop, dropout, c, g->state + p->op[i].state + row * c);
	}
}

/* A pass under way, and the chunk [from, from+m) of its n rows that is being worked on. */
struct pass {
	struct nst_grain *g;
	const struct nst_grain_plan *plan;
	const struct nst_net *net;
	const struct nst_kernels *k;
	const struct nst_pack *pack;
	const float *params;
	float *grad; /* backward */
	size_t n, from, m;
	struct nst_ahead *ahead; /* what convolutions ask the memory for meanwhile */
};

/* Tensor t, or its gradient, from the first image of the chunk on. */
static float *act_at(const struct pass *p, size_t t)
{
	return at_place(p->g, p->grad ? p->plan->again : p->plan->act, t, p->from);
}

static float *grad_at(const struct pass *p, size_t t)
{
	return at_place(p->g, p->plan->grad, t, p->from);
}

static float *slope_at(const struct pass *p, size_t t)
{
	return at_place(p->g, p->plan->slope, t, p->from);
}

static const float *param_of(const struct pass *p, const struct nst_op *o, int which)
{
	return p->params + p->net->param[o->param[which]].offset;
}

static float *param_grad(const struct pass *p, const struct nst_op *o, int which)
{
	return p->grad + p->net->param[o->param[which]].offset;
}

static struct norm_state norm_of(const struct pass *p, size_t i)
{
	return norm_state(p->g->state + p->plan->op[i].state, p->net->tensor[p->net->op[i].in].c);
}

/* From image `from` of the grain on. */
static struct se_state se_from(const struct pass *p, size_t i, size_t from)
{
	const struct nst_op *o = &p->net->op[i];

	return se_state(p->g->state + p->plan->op[i].state, p->net->tensor[o->in].c, o->squeeze,
			p->plan->rows, from);
}

static struct se_state se_of(const struct pass *p, size_t i)
{
	return se_from(p, i, p->from);
}

/* What the backward pass of operation i, squeeze-and-excitation, works in and leaves for the norm
 * before it. */
static struct se_back se_back_of(const struct pass *p, size_t i)
{
	return se_back(p->g->tensor_scratch, p->m, p->net->tensor[p->net->op[i].in].c);
}

static struct nst_conv conv_of(const struct pass *p, const struct nst_op *o)
{
	struct nst_conv geo = o->geo;

	geo.n = p->m;
	geo.ahead = p->ahead;
	return geo;
}

/* Lines of every image of a chunk: all, or of its only one some. */
struct lines {
	size_t first, count;
};

static struct lines all_lines(const struct pass *p, size_t tensor)
{
	return (struct lines){ 0, p->net->tensor[tensor].h };
}

/* Where a line of tensor t begins, in floats. */
static size_t line_at(const struct pass *p, size_t t, size_t line)
{
	return line * p->net->tensor[t].w * p->net->tensor[t].c;
}

/* Lines [first, end) of a tensor of an image that goes by bands.  Of one that nobody needs later only
 * those of use to the bands to come are kept, at the beginning of its place; of others all. */
struct window {
	float *at;
	size_t line; /* floats */
	size_t first, end;
	int local;
};

static struct window window_of(const struct pass *p, const struct place *places, size_t t)
{
	return (struct window){ at_place(p->g, places, t, p->from), line_at(p, t, 1), 0, 0,
				places[t].local };
}

static float *window_line(const struct window *w, size_t line)
{
	return w->at + (line - w->first) * w->line;
}

/* Lines before this one have been of use. */
static void window_drop(struct window *w, size_t line)
{
	size_t keep = line < w->end ? line : w->end;

	if (!w->local || keep <= w->first)
		return;
	memmove(w->at, window_line(w, keep), (w->end - keep) * w->line * sizeof(*w->at));
	w->first = keep;
}

static struct nst_bn bn_of(const struct pass *p, size_t i, size_t lines)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn s = { .n = p->m, .pixels = lines * t->w, .c = t->c, .act = o->act };

	if (p->plan->op[i].path)
		s.path = path_of(p->g, i) + p->from;
	return s;
}

/* Operation i has worked on `images` images since then. */
static double counted(const struct pass *p, enum nst_phase phase, size_t i, size_t images,
		      double since)
{
	return nst_profile_add_op(p->g->profile, p->g->worker, phase, p->net, i, images, since);
}

/* ---- forward ------------------------------------------------------------------------------- */

/* Take lines z of the chunk into the running mean and sum of squared deviations of norm `i` (Chan,
 * Golub & LeVeque 1979). */
static void norm_collect(const struct pass *p, size_t i, struct lines l, const float *z)
{
	const struct nst_tensor *t = &p->net->tensor[p->net->op[i].in];
	struct norm_state s = norm_of(p, i);
	float *mean = p->g->sum_scratch, *var = mean + NST_ROUND16(t->c);
	size_t count = p->m * l.count * t->w;
	double before = (double)((p->from * t->h + l.first) * t->w), rows = (double)count;

	p->k->bn_stats(count, t->c, z, mean, var);
	for (size_t c = 0; c < t->c; c++) {
		double delta;

		if (before == 0)
			s.sum_a[c] = s.sum_b[c] = 0;
		delta = mean[c] - s.sum_a[c];
		s.sum_a[c] += delta * (rows / (before + rows));
		s.sum_b[c] += var[c] * rows + delta * delta * (before * rows / (before + rows));
	}
}

/* The statistics of norm `i` are complete: form what is applied. */
static void norm_finish(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	const float *gamma = param_of(p, o, 0), *beta = param_of(p, o, 1);
	const float *running_mean = param_of(p, o, 2), *running_var = param_of(p, o, 3);
	double rows = (double)(p->n * t->h * t->w), eps = p->net->arch.bn_eps;
	struct norm_state s = norm_of(p, i);

	for (size_t c = 0; c < t->c; c++) {
		s.mean[c] = p->plan->op[i].frozen ? running_mean[c] : (float)s.sum_a[c];
		s.var[c] = p->plan->op[i].frozen ? running_var[c] : (float)(s.sum_b[c] / rows);
		s.istd[c] = (float)(1 / sqrt((double)s.var[c] + eps));
		s.scale[c] = gamma[c] * s.istd[c];
		s.shift[c] = beta[c] - s.mean[c] * s.scale[c];
	}
}

/* The factors of squeeze-and-excitation of input x. */
static void se_factors(const struct pass *p, size_t i, const float *x)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	size_t c = t->c, sq = o->squeeze;
	struct se_state s = se_of(p, i);

	p->k->mean_pool(p->m, t->h * t->w, c, x, s.pooled);
	p->k->gemm(p->m, sq, c, s.pooled, c, 1, nst_pack_forward(p->pack, i, 0), param_of(p, o, 1),
		   NST_ACT_NONE, 0, s.before, sq);
	p->k->act_forward(p->m * sq, o->act, s.before, s.middle);
	p->k->gemm(p->m, c, sq, s.middle, sq, 1, nst_pack_forward(p->pack, i, 1), param_of(p, o, 3),
		   NST_ACT_SIGMOID, 0, s.factor, c);
}

/* The output of squeeze-and-excitation, which one that scales weights has not got. */
static void se_apply(const struct pass *p, size_t i, const float *x, float *y)
{
	const struct nst_tensor *t = &p->net->tensor[p->net->op[i].in];

	if (p->plan->op[i].scales)
		return;
	p->k->scale_channels(p->m, t->h * t->w, t->c, x, se_of(p, i).factor, y);
}

/* Form lines y of the output of norm i. */
static void norm_apply(const struct pass *p, size_t i, struct lines l, float *y)
{
	const struct nst_op *o = &p->net->op[i];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	size_t at = line_at(p, o->in, l.first);
	const float *residual = o->residual == NST_NONE ? NULL : act_at(p, o->residual) + at;

	p->k->bn_forward(&bn, act_at(p, o->in) + at, s.scale, s.shift, residual, y);
}

/* Which cell of its window each output of a max pooling is. */
static unsigned char *taken_cells(const struct pass *p, size_t i)
{
	unsigned char *all = (unsigned char *)(p->g->state + p->plan->op[i].state);

	return all + p->from * floats_of(&p->net->tensor[p->net->op[i].out]);
}

static void multiply(size_t n, const float *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] *= x[i];
}

/* A convolution whose weights squeeze-and-excitation scales, of one image of the chunk.  What it
 * works in lies behind what that does. */
struct scaled {
	struct nst_conv geo;
	size_t rows, columns;        /* of its weights */
	const float *w, *factor, *x; /* (rows,columns), (rows), (pixels,rows) */
	float *weight;               /* (rows,columns): the scaled ones */
	float *packed, *product;     /* room for these packed, and for their gradient */
};

/* Scales the weights. */
static struct scaled scaled_of(const struct pass *p, size_t i, size_t image)
{
	const struct nst_op *o = &p->net->op[i];
	size_t se = p->plan->op[i].scaled_by, c = o->geo.cin, weights = c * o->geo.cout;
	const struct nst_op *by = &p->net->op[se];
	struct scaled s = {
		.geo = conv_of(p, o), .rows = c, .columns = o->geo.cout,
		.w = param_of(p, o, 0),
		.factor = se_of(p, se).factor + image * c,
		.x = act_at(p, by->in) + image * floats_of(&p->net->tensor[by->in]),
	};

	s.geo.n = 1;
	s.weight = p->g->tensor_scratch +
		   se_scratch_floats(p->plan->segment[p->plan->op[i].segment].chunk, c, by->squeeze);
	s.product = s.weight + NST_ROUND16(weights);
	s.packed = s.product + NST_ROUND16(weights);
	for (size_t r = 0; r < s.rows; r++)
		for (size_t j = 0; j < s.columns; j++)
			s.weight[r * s.columns + j] = s.w[r * s.columns + j] * s.factor[r];
	return s;
}

static void scaled_forward(const struct pass *p, size_t i, float *y)
{
	size_t floats = floats_of(&p->net->tensor[p->net->op[i].out]);

	for (size_t image = 0; image < p->m; image++) {
		struct scaled s = scaled_of(p, i, image);

		p->k->conv_pack(&s.geo, s.weight, s.packed);
		p->k->conv_forward(&s.geo, s.x, s.packed, NULL, NST_ACT_NONE, y + image * floats,
				   p->g->kernel_scratch);
	}
}

/* The convolution of operation i, of a chunk or the part of it that geo describes. */
static void conv_part_forward(const struct pass *p, size_t i, const struct nst_conv *geo,
			      const float *x, float *y)
{
	const struct nst_op *o = &p->net->op[i];
	float *scratch = p->g->kernel_scratch;

	if (o->kind == NST_OP_DW)
		p->k->dw_forward(geo, x, param_of(p, o, 0), NULL, NST_ACT_NONE, y, scratch);
	else
		p->k->conv_forward(geo, x, nst_pack_forward(p->pack, i, 0), NULL, NST_ACT_NONE, y,
				   scratch);
}

static void op_forward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *in = &p->net->tensor[o->in];
	const float *x = act_at(p, o->in);
	float *y = act_at(p, o->out);
	size_t norm = p->plan->op[i].norm;
	struct nst_conv geo = conv_of(p, o);
	struct nst_bn bn;

	switch (o->kind) {
	case NST_OP_CONV:
	case NST_OP_DW:
		if (p->plan->op[i].scaled_by != NST_NONE)
			scaled_forward(p, i, y);
		else
			conv_part_forward(p, i, &geo, x, y);
		break;
	case NST_OP_BN:
		norm_apply(p, i, all_lines(p, o->in), y);
		break;
	case NST_OP_SE:
		se_factors(p, i, x);
		se_apply(p, i, x, y);
		break;
	case NST_OP_SHORTCUT:
		nst_shortcut_forward(&geo, x, y);
		break;
	case NST_OP_MAXPOOL:
		p->k->max_pool(&geo, x, y, taken_cells(p, i));
		break;
	case NST_OP_ADD:
		bn = bn_of(p, i, in->h);
		p->k->bn_forward(&bn, x, p->g->one, p->g->zero, act_at(p, o->residual), y);
		break;
	case NST_OP_POOL:
		p->k->mean_pool(p->m, in->h * in->w, in->c, x, y);
		multiply(p->m * in->c, p->g->state + p->plan->op[i].state + p->from * in->c, y);
		break;
	case NST_OP_DENSE:
		p->k->gemm(p->m, p->net->classes, in->c, x, in->c, 1,
			   nst_pack_forward(p->pack, i, 0), param_of(p, o, 1), NST_ACT_NONE, 0, y,
			   p->net->classes);
		break;
	}
	if (norm != NST_NONE && !p->plan->op[norm].frozen)
		norm_collect(p, norm, all_lines(p, o->out), y);
}

/* Convolutions of a chunk, or band, of segment s shall ask for what the next one begins by reading: so
 * many floats of the input of the segment's own norm, to form its output, from in_at on in what is at
 * hand now, and backward, before that, of the gradient and the input of the norm behind, for its pass
 * 2, from out_at on. */
static void ask_ahead(const struct pass *p, const struct segment *s, size_t out_at,
		      size_t out_floats, size_t in_at, size_t in_floats)
{
	const struct nst_op *own = &p->net->op[s->first], *behind = &p->net->op[s->end];

	memset(p->ahead, 0, sizeof(*p->ahead));
	if (p->grad && s->end < p->net->nops) {
		p->ahead->place[0].at = grad_at(p, behind->out) + out_at;
		p->ahead->place[1].at = act_at(p, behind->in) + out_at;
		p->ahead->place[0].floats = p->ahead->place[1].floats = out_floats;
	}
	if (own->kind == NST_OP_BN) {
		p->ahead->place[2].at = act_at(p, own->in) + in_at;
		p->ahead->place[2].floats = in_floats;
	}
}

static void ask_for_chunk(const struct pass *p, const struct segment *s)
{
	size_t out = floats_of(&p->net->tensor[p->net->op[s->end - 1].out]);
	size_t in = floats_of(&p->net->tensor[p->net->op[s->first].in]);
	size_t left = p->n - p->from - p->m, images = left < s->chunk ? left : s->chunk;

	ask_ahead(p, s, p->m * out, images * out, p->m * in, images * in);
}

/* The next band is of lines of output from `at` on; lines of input from `formed` on are yet to be
 * formed.  Behind the last line of an image is the first one of the next. */
static void ask_for_band(const struct pass *p, const struct segment *s, size_t at, size_t formed)
{
	const struct nst_op *o = &p->net->op[s->first + 1];
	size_t images = p->n - p->from, out = images * o->geo.ho - at;
	size_t in = images * o->geo.h - formed, most = s->band * o->geo.stride;

	ask_ahead(p, s, line_at(p, o->out, at), line_at(p, o->out, out < s->band ? out : s->band),
		  line_at(p, o->in, formed), line_at(p, o->in, in < most ? in : most));
}

/* A segment of a norm and a convolution by bands, for an image. */
static double bands_forward(const struct pass *p, const struct segment *s, double since)
{
	size_t i = s->first, conv = i + 1;
	const struct nst_op *o = &p->net->op[conv];
	struct window y = window_of(p, p->plan->act, o->in);

	for (size_t at = 0, lines; at < o->geo.ho; at += lines) {
		float *z = act_at(p, o->out) + line_at(p, o->out, at);
		float *to = s->far_out ? p->g->band : z;
		struct nst_conv geo;
		size_t from, end;

		lines = o->geo.ho - at < s->band ? o->geo.ho - at : s->band;
		geo = nst_conv_lines(&o->geo, at, lines, &from);
		end = at + lines == o->geo.ho ? o->geo.h : from + geo.h;
		window_drop(&y, from);
		norm_apply(p, i, (struct lines){ y.end, end - y.end }, window_line(&y, y.end));
		y.end = end;
		since = counted(p, NST_PHASE_FORWARD, i, at == 0, since);

		geo.ahead = p->ahead;
		ask_for_band(p, s, at + lines, end);
		conv_part_forward(p, conv, &geo, window_line(&y, from), to);
		if (!p->plan->op[s->end].frozen)
			norm_collect(p, s->end, (struct lines){ at, lines }, to);
		if (s->far_out)
			p->k->stream(line_at(p, o->out, lines), to, z);
		since = counted(p, NST_PHASE_FORWARD, conv, at == 0, since);
	}
	return since;
}

static void next_chunk(struct pass *p, const struct segment *s, size_t from)
{
	p->from = from;
	p->m = p->n - from < s->chunk ? p->n - from : s->chunk;
}

void nst_grain_forward(struct nst_grain *g, size_t n, const float *params,
		       const struct nst_pack *pack)
{
	const struct nst_grain_plan *plan = g->plan;
	struct nst_ahead ahead;
	struct pass p = { g, plan, plan->net, plan->k, pack, params, NULL, n, 0, 0, &ahead };
	double since = nst_profile_now(g->profile);

	for (size_t s = 0; s < plan->nsegments; s++) {
		const struct segment *seg = &plan->segment[s];

		if (plan->net->op[seg->first].kind == NST_OP_BN)
			norm_finish(&p, seg->first);
		for (size_t from = 0; from < n; from += seg->chunk) {
			next_chunk(&p, seg, from);
			if (seg->band) {
				since = bands_forward(&p, seg, since);
				continue;
			}
			ask_for_chunk(&p, seg);
			for (size_t i = seg->first; i < seg->end; i++) {
				op_forward(&p, i);
				since = counted(&p, NST_PHASE_FORWARD, i, p.m, since);
			}
		}
	}
}

/* ---- backward ------------------------------------------------------------------------------ */

/* Pass 1 of norm `i`: the gradient behind its activation, also that of the residual, and its two
 * sums.  dy has the lines of the gradient of its output, `behind` those of the output, or of the
 * slopes there.  What it makes takes the place of dy or, unless NULL, goes far. */
static void norm_sums(const struct pass *p, size_t i, struct lines l, float *dy,
		      const float *behind, float *far)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	float *dgamma = p->g->sum_scratch, *dbeta = dgamma + NST_ROUND16(t->c);
	size_t at = line_at(p, o->in, l.first);
	int first = p->from == 0 && l.first == 0;

	bn.far = far;
	if (feeds_se(p->net, i)) {
		struct se_back back = se_back_of(p, i + 1);

		bn.times = back.times;
		bn.plus = back.plus;
	}
	p->k->bn_backward_sums(&bn, dy, behind, act_at(p, o->in) + at, s.mean, s.istd, dgamma,
			       dbeta);
	if (o->residual != NST_NONE && !p->plan->op[i].alias_residual)
		p->k->add(p->m * l.count * t->w * t->c, far ? far : dy,
			  grad_at(p, o->residual) + at);
	for (size_t c = 0; c < t->c; c++) {
		if (first)
			s.sum_a[c] = s.sum_b[c] = 0;
		s.sum_a[c] += dgamma[c];
		s.sum_b[c] += dbeta[c];
	}
}

/* Pass 1 of norm `i` is done for all of the grain: its gradients, and the factors of pass 2.  With
 * fixed statistics (frozen BN) these do not depend on z, and pass 2 only scales. */
static void norm_sums_finish(const struct pass *p, size_t i, double share)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct norm_state s = norm_of(p, i);
	float *dgamma = param_grad(p, o, 0), *dbeta = param_grad(p, o, 1);
	float *mean = param_grad(p, o, 2), *var = param_grad(p, o, 3);
	double rows = (double)(p->n * t->h * t->w);

	for (size_t c = 0; c < t->c; c++) {
		double scale = s.scale[c] / rows;

		s.slope[c] = (float)(-scale * s.istd[c] * s.sum_a[c]);
		s.offset[c] = (float)(-scale * s.sum_b[c]);
		dgamma[c] = (float)s.sum_a[c];
		dbeta[c] = (float)s.sum_b[c];
		mean[c] = (float)(s.mean[c] * share);
		var[c] = (float)(s.var[c] * share);
	}
}

/* Pass 2 of norm `i`: lines dx of the gradient of its input. */
static void norm_data(const struct pass *p, size_t i, struct lines l, float *dx)
{
	const struct nst_op *o = &p->net->op[i];
	const struct op_plan *q = &p->plan->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	size_t at = line_at(p, o->in, l.first);
	float *dz = q->add_in ? p->g->tensor_scratch : dx;
	const float *g = grad_at(p, o->out) + at, *z = act_at(p, o->in) + at;

	if (q->frozen) {
		bn.act = NST_ACT_NONE;
		p->k->bn_forward(&bn, g, s.scale, p->g->zero, NULL, dz);
	} else {
		p->k->bn_backward_data(&bn, g, z, s.mean, s.scale, s.slope, s.offset, dz);
	}
	if (q->add_in)
		p->k->add(p->m * l.count * t->w * t->c, dz, dx);
}

static void column_sums(size_t rows, size_t c, const float *x, int accumulate, float *sum)
{
	if (!accumulate)
		memset(sum, 0, c * sizeof(*sum));
	for (size_t r = 0; r < rows; r++)
		for (size_t j = 0; j < c; j++)
			sum[j] += x[r * c + j];
}

/* Add the share of x and dy, which geo describes, to the weight gradient of operation i; the first
 * one is set. */
static void conv_weights(const struct pass *p, size_t i, const struct nst_conv *geo, int first,
			 const float *x, const float *dy)
{
	const struct nst_op *o = &p->net->op[i];
	float *dw = param_grad(p, o, 0);

	if (o->kind == NST_OP_DW)
		p->k->dw_weight_grad(geo, x, dy, !first, dw, p->g->kernel_scratch);
	else
		p->k->conv_weight_grad(geo, x, dy, !first, dw, p->g->kernel_scratch);
}

/* The gradient dx of the input of operation i, or of the part of it that geo describes. */
static void conv_data(const struct pass *p, size_t i, const struct nst_conv *geo, const float *dy,
		      float *dx)
{
	const struct nst_op *o = &p->net->op[i];
	int add = p->plan->op[i].add_in;
	float *to = add ? p->g->tensor_scratch : dx;

	if (o->kind == NST_OP_DW)
		p->k->dw_data_grad(geo, dy, param_of(p, o, 0), to, p->g->kernel_scratch);
	else
		p->k->conv_data_grad(geo, dy, nst_pack_gradient(p->pack, i), to,
				     p->g->kernel_scratch);
	if (add)
		p->k->add(geo->n * geo->h * geo->w * geo->cin, to, dx);
}

/* With weights v = f*w, row by row: the gradient of w is f times that of v, that of f the product of
 * the rows of w with those of it. */
static void scaled_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	size_t in = floats_of(&p->net->tensor[o->in]), out = floats_of(&p->net->tensor[o->out]);
	float *dw = param_grad(p, o, 0);

	for (size_t image = 0; image < p->m; image++) {
		struct scaled s = scaled_of(p, i, image);
		const float *dy = grad_at(p, o->out) + image * out;
		float *dfactor = se_back_of(p, p->plan->op[i].scaled_by).times + image * s.rows;
		int more = p->from + image > 0;

		p->k->conv_weight_grad(&s.geo, s.x, dy, 0, s.product, p->g->kernel_scratch);
		for (size_t r = 0; r < s.rows; r++) {
			const float *w = s.w + r * s.columns, *dv = s.product + r * s.columns;
			float *to = dw + r * s.columns, sum = 0;

			for (size_t j = 0; j < s.columns; j++) {
				sum += w[j] * dv[j];
				to[j] = (more ? to[j] : 0) + dv[j] * s.factor[r];
			}
			dfactor[r] = sum;
		}
		p->k->conv_pack_grad(&s.geo, s.weight, s.packed);
		p->k->conv_data_grad(&s.geo, dy, s.packed, grad_at(p, o->in) + image * in,
				     p->g->kernel_scratch);
	}
}

static void conv_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	struct nst_conv geo = conv_of(p, o);
	const float *dy = grad_at(p, o->out);

	if (p->plan->op[i].scaled_by != NST_NONE) {
		scaled_backward(p, i);
		return;
	}
	conv_weights(p, i, &geo, p->from == 0, act_at(p, o->in), dy);
	if (o->in != 0)
		conv_data(p, i, &geo, dy, grad_at(p, o->in));
}

/* Where the gradient of the output stands, that of the input is to stand: the norm before it makes it
 * so on its way.  Here is found what with. */
static void se_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	size_t c = t->c, sq = o->squeeze, pixels = t->h * t->w;
	struct se_state s = se_of(p, i);
	struct se_back back = se_back_of(p, i);
	float *dfactor = s.factor, *dmiddle = s.before; /* they take the places */
	int scales = p->plan->op[i].scales;

	/* Where weights were scaled, gradients of the factors are there, and dy is behind them. */
	if (!scales)
		p->k->scale_channels_sums(p->m, pixels, c, act_at(p, o->in), grad_at(p, o->out),
					  back.times);
	for (size_t j = 0; j < p->m * c; j++) {
		float factor = s.factor[j];

		dfactor[j] = back.times[j] * (factor * (1 - factor));
		back.times[j] = scales ? 1 : factor;
	}
	nst_blas_gemm(0, 1, p->m, sq, c, dfactor, param_of(p, o, 2), 0, back.middle);
	p->k->act_backward(p->m * sq, o->act, s.before, back.middle, dmiddle);
	nst_blas_gemm(0, 1, p->m, c, sq, dmiddle, param_of(p, o, 0), 0, back.plus);
	for (size_t j = 0; j < p->m * c; j++)
		back.plus[j] /= (float)pixels;
}

/* Gradients of the weights of squeeze-and-excitation, once all images are through: one by one, they
 * would cost a pass over the weights each. */
static void se_weights(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	size_t c = p->net->tensor[o->in].c, sq = o->squeeze;
	struct se_state s = se_from(p, i, 0);
	const float *dfactor = s.factor, *dmiddle = s.before;

	nst_blas_gemm(1, 0, sq, c, p->n, s.middle, dfactor, 0, param_grad(p, o, 2));
	column_sums(p->n, c, dfactor, 0, param_grad(p, o, 3));
	nst_blas_gemm(1, 0, c, sq, p->n, s.pooled, dmiddle, 0, param_grad(p, o, 0));
	column_sums(p->n, sq, dmiddle, 0, param_grad(p, o, 1));
}

static void add_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct op_plan *q = &p->plan->op[i];
	size_t floats = floats_of(&p->net->tensor[o->in]);
	const float *dy = grad_at(p, o->out);

	if (!q->alias_in) {
		struct nst_bn bn = bn_of(p, i, p->net->tensor[o->in].h);
		float *dx = grad_at(p, o->in);

		p->k->bn_forward(&bn, dy, p->g->one, p->g->zero, q->add_in ? dx : NULL, dx);
	}
	if (!q->alias_residual && q->add_residual)
		p->k->add(p->m * floats, dy, grad_at(p, o->residual));
	else if (!q->alias_residual)
		memcpy(grad_at(p, o->residual), dy, p->m * floats * sizeof(*dy));
}

static void max_pool_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	int add = p->plan->op[i].add_in;
	float *dx = grad_at(p, o->in), *to = add ? p->g->tensor_scratch : dx;
	struct nst_conv geo = conv_of(p, o);

	p->k->max_pool_grad(&geo, grad_at(p, o->out), taken_cells(p, i), to);
	if (add)
		p->k->add(p->m * floats_of(&p->net->tensor[o->in]), to, dx);
}

/* Form lines y of the output of norm i as the forward pass did, and the slopes there. */
static void norm_redo(const struct pass *p, size_t i, struct lines l, float *y, float *slope)
{
	const struct nst_op *o = &p->net->op[i];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	const float *x = act_at(p, o->in) + line_at(p, o->in, l.first);

	if (has_slope(o))
		p->k->bn_forward_slope(&bn, x, s.scale, s.shift, y, slope);
	else
		p->k->bn_forward(&bn, x, s.scale, s.shift, NULL, y);
}

static void op_redo(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];

	if (o->kind == NST_OP_SE)
		se_apply(p, i, act_at(p, o->in), act_at(p, o->out));
	else
		norm_redo(p, i, all_lines(p, o->in), act_at(p, o->out),
			  has_slope(o) ? slope_at(p, o->out) : NULL);
}

/* A segment of a norm and a convolution by bands, for an image, together with pass 2 of the norm
 * behind.  A line of the convolution's input is done with when all outputs that read it are. */
static double bands_backward(const struct pass *p, const struct segment *s, double since)
{
	size_t i = s->first, conv = i + 1, done = 0;
	const struct nst_op *o = &p->net->op[conv], *norm = &p->net->op[i];
	const struct nst_conv *whole = &o->geo;
	struct window y = window_of(p, p->plan->again, o->in);
	struct window dy = window_of(p, p->plan->grad, o->out);
	struct window slopes = window_of(p, p->plan->slope, o->in);
	struct window *behind = has_slope(norm) ? &slopes : &y; /* what pass 1 of the norm reads */
	int far = s->far_in && !p->plan->op[conv].add_in;

	for (size_t at = 0, lines; at < whole->ho; at += lines) {
		size_t from, end, ready, dy_from;
		struct nst_conv geo;

		lines = whole->ho - at < s->band ? whole->ho - at : s->band;
		nst_conv_lines_grad(whole, done, 1, &dy_from);
		window_drop(&dy, dy_from);
		norm_data(p, s->end, (struct lines){ at, lines }, window_line(&dy, at));
		dy.end = at + lines;
		since = counted(p, NST_PHASE_BACKWARD, s->end, 0, since);

		geo = nst_conv_lines(whole, at, lines, &from);
		end = at + lines == whole->ho ? whole->h : from + geo.h;
		window_drop(&y, from < done ? from : done);
		if (behind != &y)
			window_drop(behind, from < done ? from : done);
		if (p->plan->op[i].redo)
			norm_redo(p, i, (struct lines){ y.end, end - y.end },
				  window_line(&y, y.end), window_line(behind, y.end));
		y.end = behind->end = end;
		since = counted(p, NST_PHASE_BACKWARD, i, 0, since);

		geo.ahead = p->ahead;
		ask_for_band(p, s, at + lines, end);
		conv_weights(p, conv, &geo, p->from == 0 && at == 0, window_line(&y, from),
			     window_line(&dy, at));
		ready = (at + lines) * whole->stride;
		ready = ready > whole->pad_top ? ready - whole->pad_top : 0;
		if (at + lines == whole->ho || ready > whole->h)
			ready = whole->h;
		if (ready > done) {
			struct lines l = { done, ready - done };
			float *dx = grad_at(p, o->in) + line_at(p, o->in, done);
			float *to = far ? p->g->band : dx;

			geo = nst_conv_lines_grad(whole, l.first, l.count, &dy_from);
			geo.ahead = p->ahead;
			conv_data(p, conv, &geo, window_line(&dy, dy_from), to);
			since = counted(p, NST_PHASE_BACKWARD, conv, at == 0, since);
			norm_sums(p, i, l, to, window_line(behind, done), far ? dx : NULL);
			done = ready;
		}
		since = counted(p, NST_PHASE_BACKWARD, i, at == 0, since);
	}
	return since;
}

static void op_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *in = &p->net->tensor[o->in];
	const struct op_plan *q = &p->plan->op[i];
	struct nst_conv geo = conv_of(p, o);
	float *dy = grad_at(p, o->out);

	switch (o->kind) {
	case NST_OP_CONV:
	case NST_OP_DW:
		conv_backward(p, i);
		break;
	case NST_OP_BN:
		norm_sums(p, i, all_lines(p, o->in), dy,
			  has_slope(o) ? slope_at(p, o->out) : act_at(p, o->out), NULL);
		break;
	case NST_OP_SE:
		se_backward(p, i);
		break;
	case NST_OP_SHORTCUT:
		nst_shortcut_backward(&geo, dy, q->add_in, grad_at(p, o->in));
		break;
	case NST_OP_MAXPOOL:
		max_pool_backward(p, i);
		break;
	case NST_OP_ADD:
		add_backward(p, i);
		break;
	case NST_OP_POOL:
		multiply(p->m * in->c, p->g->state + q->state + p->from * in->c, dy);
		p->k->mean_pool_grad(p->m, in->h * in->w, in->c, dy, q->add_in,
				     grad_at(p, o->in));
		break;
	case NST_OP_DENSE:
		nst_blas_gemm(1, 0, in->c, p->net->classes, p->m, act_at(p, o->in), dy,
			      p->from > 0, param_grad(p, o, 0));
		column_sums(p->m, p->net->classes, dy, p->from > 0, param_grad(p, o, 1));
		nst_blas_gemm(0, 1, p->m, in->c, p->net->classes, dy, param_of(p, o, 0), q->add_in,
			      grad_at(p, o->in));
		break;
	}
}

void nst_grain_backward(struct nst_grain *g, size_t n, const float *params,
			const struct nst_pack *pack, double share, float *grad)
{
	const struct nst_grain_plan *plan = g->plan;
	struct nst_ahead ahead;
	struct pass p = { g, plan, plan->net, plan->k, pack, params, grad, n, 0, 0, &ahead };
	double since = nst_profile_now(g->profile);

	for (size_t s = plan->nsegments; s-- > plan->stop;) {
		const struct segment *seg = &plan->segment[s];

		for (size_t from = 0; from < n; from += seg->chunk) {
			next_chunk(&p, seg, from);
			if (seg->band) {
				since = bands_backward(&p, seg, since);
				continue;
			}
			if (s + 1 < plan->nsegments) {
				size_t norm = plan->segment[s + 1].first;
				size_t in = plan->net->op[norm].in;

				norm_data(&p, norm, all_lines(&p, in), grad_at(&p, in));
				since = counted(&p, NST_PHASE_BACKWARD, norm, 0, since);
			}
			for (size_t i = seg->first; i < seg->end; i++) {
				if (!plan->op[i].redo)
					continue;
				op_redo(&p, i);
				since = counted(&p, NST_PHASE_BACKWARD, i, 0, since);
			}
			ask_for_chunk(&p, seg);
			for (size_t i = seg->end; i-- > seg->first;) {
				op_backward(&p, i);
				since = counted(&p, NST_PHASE_BACKWARD, i, p.m, since);
			}
		}
		if (plan->net->op[seg->first].kind == NST_OP_BN)
			norm_sums_finish(&p, seg->first, share);
		for (size_t i = seg->first; i < seg->end; i++) {
			if (plan->net->op[i].kind != NST_OP_SE)
				continue;
			se_weights(&p, i);
			since = counted(&p, NST_PHASE_BACKWARD, i, 0, since);
		}
	}
}
