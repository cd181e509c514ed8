/* The forward and (grain_back.c) the backward pass of a grain, organised around the cache.
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
#include "libcore/nn/grain_pass.h"

#include <math.h>
#include <stdlib.h>

#include "libcore/nn/shortcut.h"
#include "libcore/util/rng.h"

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
