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
 * is but a norm and a pointwise or depthwise convolution, it goes by bands of lines of the image.
 * Outputs of norms and of squeeze-and-excitation that nobody outside their segment reads are not
 * kept for the backward pass: it forms a chunk of them again, from what the convolution before
 * wrote, which is to be read then anyway.  Sizes of chunks and bands follow from shapes alone, so
 * that the order of all sums, and with it every bit of the result, is fixed. */
#include "libcore/nn/grain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/nn/blas.h"
#include "libcore/nn/plan.h"
#include "libcore/nn/shortcut.h"
#include "libcore/util/rng.h"

enum {
	/* Working set a chunk may have: half of a second-level cache of 1 MiB; the rest is for
	 * weights. */
	CHUNK_BYTES = 512 << 10,
	/* And all tensors of a band, backward, of which but a part is in use at a time. */
	BAND_BYTES = 1536 << 10,
	/* What a segment makes of a whole grain is written past the caches when it is larger. */
	FAR_BYTES = 16 << 20,
};

struct segment {
	size_t first, end; /* operations */
	size_t chunk;      /* images, a power of two */
	size_t band;       /* lines of output at a time, of a chunk of one image; or 0 */
	int far_in, far_out; /* gradients of its input, and its output, go past the caches */
};

/* A place in the arena: of the whole grain, or of one chunk. */
struct place {
	size_t offset;
	int local;
};

/* What the plan knows of an operation beyond struct nst_op. */
struct op_plan {
	size_t segment;
	size_t norm;      /* operation that normalises the output, or NST_NONE */
	size_t state;     /* offset of its small persistent arrays */
	int frozen;       /* BN with running statistics */
	int path;         /* stochastic depth is in use here */
	int redo;         /* the backward pass forms the output again */
	int add_in;       /* gradient of `in` is added to what is there */
	int add_residual; /* the same for `residual` */
	int alias_in;     /* gradient of `in` is that of `out`, same memory */
	int alias_residual;
};

struct nst_grain_plan {
	const struct nst_net *net;
	const struct nst_kernels *k;
	size_t rows;
	size_t nsegments;
	size_t stop; /* the last segment of the backward pass */
	struct segment *segment;
	struct op_plan *op;
	/* By tensor: where it is in the forward and in the backward pass, its gradient, slopes of
	 * the activation that made it. */
	struct place *act, *again, *grad, *slope;
	size_t arena, state;      /* floats */
	size_t kernel_scratch, tensor_scratch, sum_scratch;
	size_t band; /* bytes */
	size_t widest; /* channels */
};

struct nst_grain {
	const struct nst_grain_plan *plan;
	float *arena, *state;
	float *kernel_scratch, *tensor_scratch, *sum_scratch, *band;
	float *one, *zero; /* channels of 1 and of 0 */
	struct nst_profile *profile;
	unsigned worker; /* of the profile */
};

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t floats_of(const struct nst_tensor *t)
{
	return t->h * t->w * t->c;
}

/* ---- small persistent arrays of an operation ----------------------------------------------- */

/* Of a norm: statistics, what they become, gradients; sums; factors of stochastic depth. */
struct norm_state {
	float *mean, *var, *istd, *scale, *shift, *dgamma, *dbeta;
	double *sum_a, *sum_b; /* forward: mean and M2 so far; backward: sums of dgamma and dbeta */
	float *path;
};

static size_t norm_state_floats(size_t c, size_t rows)
{
	return 7 * NST_ROUND16(c) + 2 * NST_ROUND16(2 * c) + NST_ROUND16(rows);
}

static struct norm_state norm_state(float *at, size_t c)
{
	size_t step = NST_ROUND16(c);
	float *sums = at + 7 * step;

	return (struct norm_state){
		.mean = at,
		.var = at + step,
		.istd = at + 2 * step,
		.scale = at + 3 * step,
		.shift = at + 4 * step,
		.dgamma = at + 5 * step,
		.dbeta = at + 6 * step,
		.sum_a = (double *)(void *)sums,
		.sum_b = (double *)(void *)(sums + NST_ROUND16(2 * c)),
		.path = sums + 2 * NST_ROUND16(2 * c),
	};
}

/* Of squeeze-and-excitation, for all rows: pooled input (c), middle before and after its activation
 * (squeeze), factors (c). */
struct se_state {
	float *pooled, *before, *middle, *factor;
};

static size_t se_state_floats(size_t c, size_t squeeze, size_t rows)
{
	return 2 * NST_ROUND16(rows * c) + 2 * NST_ROUND16(rows * squeeze);
}

static struct se_state se_state(float *at, size_t c, size_t squeeze, size_t rows, size_t from)
{
	float *before = at + NST_ROUND16(rows * c), *middle = before + NST_ROUND16(rows * squeeze);
	struct se_state s = { at + from * c, before + from * squeeze, middle + from * squeeze,
			      middle + NST_ROUND16(rows * squeeze) + from * c };

	return s;
}

static size_t state_floats(const struct nst_net *net, const struct nst_op *o, size_t rows)
{
	size_t c = net->tensor[o->in].c;

	switch (o->kind) {
	case NST_OP_BN:
		return norm_state_floats(c, rows);
	case NST_OP_SE:
		return se_state_floats(c, o->squeeze, rows);
	case NST_OP_ADD:
		return NST_ROUND16(rows);
	case NST_OP_POOL:
		return NST_ROUND16(rows * c);
	case NST_OP_MAXPOOL: /* a byte for each output */
		return NST_ROUND16(rows * floats_of(&net->tensor[o->out]) / sizeof(float) + 1);
	default:
		return 0;
	}
}

/* ---- planning ------------------------------------------------------------------------------ */

/* Lifetimes are counted in segments: forward 0..S-1, backward S..2S-1. */
struct lifetimes {
	const struct nst_net *net;
	struct nst_grain_plan *p;
	struct nst_span *span; /* activations by tensor, then other buffers */
	size_t nspans;
	size_t *buffer; /* gradient buffer of a tensor: number of a span, or NST_NONE */
	size_t *again;  /* likewise what a tensor that is formed again is written to */
	size_t *slope;  /* and the slopes of its activation */
};

static size_t backward_time(const struct nst_grain_plan *p, size_t segment)
{
	return 2 * p->nsegments - 1 - segment;
}

static void touch(struct nst_span *s, size_t time)
{
	if (time < s->first)
		s->first = time;
	if (time > s->last)
		s->last = time;
}

/* Buffer number *at of tensor t is used at `time`.  Returns whether it was there already. */
static int buffer_use(struct lifetimes *l, size_t *at, size_t t, size_t time)
{
	struct nst_span *s;

	if (*at != NST_NONE) {
		touch(&l->span[*at], time);
		return 1;
	}
	*at = l->nspans;
	s = &l->span[l->nspans++];
	s->size = floats_of(&l->net->tensor[t]);
	s->first = s->last = time;
	return 0;
}

/* The gradient of tensor t is written at `time`.  Returns whether something is there already. */
static int gradient_write(struct lifetimes *l, size_t t, size_t time)
{
	return buffer_use(l, &l->buffer[t], t, time);
}

static void cut_segments(struct nst_grain_plan *p)
{
	const struct nst_net *net = p->net;

	for (size_t i = 0; i < net->nops; i++) {
		if (i == 0 || net->op[i].kind == NST_OP_BN) {
			p->segment[p->nsegments].first = i;
			p->nsegments++;
		}
		p->segment[p->nsegments - 1].end = i + 1;
		p->op[i].segment = p->nsegments - 1;
		p->op[i].norm = NST_NONE;
	}
	for (size_t i = 0; i < net->nops; i++)
		for (size_t j = i + 1; j < net->nops && p->op[i].norm == NST_NONE; j++)
			if (net->op[j].kind == NST_OP_BN && net->op[j].in == net->op[i].out)
				p->op[i].norm = j;
}

/* Must the backward pass have the output of operation i?  Convolutions multiply gradients with it,
 * activations pass them according to it. */
static int output_needed(const struct nst_net *net, size_t i)
{
	int needed = net->op[i].kind == NST_OP_BN && net->op[i].act != NST_ACT_NONE;

	for (size_t j = i + 1; j < net->nops; j++) {
		const struct nst_op *o = &net->op[j];

		if (o->in == net->op[i].out)
			needed |= o->kind == NST_OP_CONV || o->kind == NST_OP_DW ||
				  o->kind == NST_OP_DENSE || o->kind == NST_OP_SE;
	}
	return needed;
}

/* Does all that reads the output of operation i belong to the segment of i? */
static int output_stays(const struct nst_grain_plan *p, size_t i)
{
	const struct nst_net *net = p->net;

	for (size_t j = i + 1; j < net->nops; j++) {
		const struct nst_op *o = &net->op[j];

		if ((o->in == net->op[i].out || o->residual == net->op[i].out) &&
		    p->op[j].segment != p->op[i].segment)
			return 0;
	}
	return 1;
}

/* Slopes are formed with the output, for activations that do not show them as relu does. */
static int has_slope(const struct nst_op *o)
{
	return o->kind == NST_OP_BN && o->act != NST_ACT_NONE && o->act != NST_ACT_RELU;
}

/* Cheap to form again, from tensors that are there: the input of a norm is kept for its own sake,
 * that of squeeze-and-excitation is formed again before it. */
static int is_redone(const struct nst_grain_plan *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	int cheap = (o->kind == NST_OP_BN && o->residual == NST_NONE) || o->kind == NST_OP_SE;

	return has_slope(o) || (cheap && output_needed(p->net, i) && output_stays(p, i));
}

/* The largest power of two of images whose tensors, and the gradients of these, fit CHUNK_BYTES;
 * more when the weights, which are read once a chunk, would otherwise outweigh them. */
static size_t chunk_images(const struct nst_grain_plan *p, const struct segment *s)
{
	const struct nst_net *net = p->net;
	size_t image = 0, weights = 0, budget, chunk = 1;

	for (size_t i = s->first; i < s->end; i++) {
		const struct nst_op *o = &net->op[i];

		image += floats_of(&net->tensor[o->in]) + floats_of(&net->tensor[o->out]);
		if (o->kind == NST_OP_CONV || o->kind == NST_OP_DW || o->kind == NST_OP_DENSE)
			weights += net->param[o->param[0]].count;
	}
	budget = max_size(CHUNK_BYTES, 4 * weights * sizeof(float));
	while (chunk < p->rows && 2 * chunk * image * sizeof(float) <= budget)
		chunk *= 2;
	return chunk < p->rows ? chunk : p->rows;
}

/* Does this segment go by bands, and of how many lines of output? */
static void plan_band(struct nst_grain_plan *p, struct segment *s)
{
	const struct nst_net *net = p->net;
	const struct nst_op *norm = &net->op[s->first], *conv = norm + 1;
	const struct nst_conv *geo = &conv->geo;
	size_t in, out, in_line, out_line;

	if (s->chunk != 1 || s->end != s->first + 2 || s->end == net->nops ||
	    norm->kind != NST_OP_BN || conv->in != norm->out ||
	    (conv->kind != NST_OP_DW && !(conv->kind == NST_OP_CONV && nst_conv_pointwise(geo))) ||
	    p->op[s->first + 1].norm != s->end)
		return;
	in = floats_of(&net->tensor[conv->in]) * sizeof(float);
	out = floats_of(&net->tensor[conv->out]) * sizeof(float);
	if (in + out <= CHUNK_BYTES)
		return;
	/* Backward: input, output and slope of the norm, and their gradient; before and behind the
	 * convolution's norm. */
	in_line = in / geo->h;
	out_line = out / geo->ho;
	s->band = 1;
	while (s->band < geo->ho && 4 * in_line * (s->band * geo->stride + geo->k) +
					    2 * out_line * (s->band + 1) <= BAND_BYTES)
		s->band++;
	s->far_in = in > FAR_BYTES / p->rows;
	s->far_out = out > FAR_BYTES / p->rows;
	if (s->far_in)
		p->band = max_size(p->band, in_line * (s->band * geo->stride + geo->k));
	if (s->far_out)
		p->band = max_size(p->band, out_line * s->band);
}

/* Tensor t is read by the backward pass at `time`. */
static void backward_read(struct lifetimes *l, size_t t, size_t time)
{
	touch(&l->span[l->again[t] == NST_NONE ? t : l->again[t]], time);
}

static void forward_lifetimes(struct lifetimes *l)
{
	const struct nst_net *net = l->net;
	const struct nst_grain_plan *p = l->p;

	for (size_t i = 0; i < net->nops; i++) {
		const struct nst_op *o = &net->op[i];
		size_t s = p->op[i].segment, back = backward_time(p, s);

		touch(&l->span[o->in], s);
		touch(&l->span[o->out], s);
		if (o->residual != NST_NONE)
			touch(&l->span[o->residual], s);
		if (p->op[i].redo && output_stays(p, i))
			buffer_use(l, &l->again[o->out], o->out, back);
		else if (p->op[i].redo)
			touch(&l->span[o->out], back);
		if (has_slope(o))
			buffer_use(l, &l->slope[o->out], o->out, back);
		switch (o->kind) {
		case NST_OP_CONV:
		case NST_OP_DW:
		case NST_OP_DENSE:
		case NST_OP_SE:
			backward_read(l, o->in, back);
			break;
		case NST_OP_BN:
			backward_read(l, o->in, back + 1); /* pass 2 runs with the segment before */
			if (o->act == NST_ACT_RELU)
				backward_read(l, o->out, back);
			break;
		default:
			break;
		}
	}
	/* The image is there before all, the logits until the loss is known. */
	touch(&l->span[0], 0);
	touch(&l->span[net->op[net->nops - 1].out], p->nsegments);
}

/* Pass 1 of a norm: reads the gradient of its output, brings it behind the activation, passes it on
 * to the residual.  Those two are the same numbers, and the same memory where the residual's is not
 * yet there: later writers add to it, long after pass 2 has read it. */
static void norm_sums_plan(struct lifetimes *l, size_t i, size_t time)
{
	const struct nst_op *o = &l->net->op[i];
	struct op_plan *q = &l->p->op[i];

	touch(&l->span[l->buffer[o->out]], time);
	if (o->residual == NST_NONE)
		return;
	q->alias_residual = l->buffer[o->residual] == NST_NONE;
	if (q->alias_residual)
		l->buffer[o->residual] = l->buffer[o->out];
	else
		gradient_write(l, o->residual, time);
}

static void gradient_plan(struct lifetimes *l, size_t i, size_t time)
{
	const struct nst_op *o = &l->net->op[i];
	struct op_plan *q = &l->p->op[i];

	touch(&l->span[l->buffer[o->out]], time);
	switch (o->kind) {
	case NST_OP_SE:
		/* In place: a norm before and a convolution behind are the only neighbours. */
		q->alias_in = 1;
		break;
	case NST_OP_ADD:
		/* Shared by both branches; the residual's other writers come after `in` is done
		 * with. */
		q->alias_in = l->buffer[o->in] == NST_NONE && !q->path;
		q->alias_residual = l->buffer[o->residual] == NST_NONE;
		if (q->alias_residual)
			l->buffer[o->residual] = l->buffer[o->out];
		else
			q->add_residual = gradient_write(l, o->residual, time);
		break;
	default:
		break;
	}
	if (q->alias_in)
		l->buffer[o->in] = l->buffer[o->out];
	else if (o->in != 0)
		q->add_in = gradient_write(l, o->in, time);
}

static void backward_lifetimes(struct lifetimes *l)
{
	const struct nst_net *net = l->net;
	const struct nst_grain_plan *p = l->p;
	size_t nseg = p->nsegments;

	/* The loss writes the gradient of the logits while the forward pass is still there. */
	gradient_write(l, net->op[net->nops - 1].out, nseg - 1);
	for (size_t s = nseg; s-- > 0;) {
		const struct segment *seg = &p->segment[s];
		size_t time = backward_time(p, s);

		if (s + 1 < nseg) {
			size_t norm = p->segment[s + 1].first;

			touch(&l->span[l->buffer[net->op[norm].out]], time);
			l->p->op[norm].add_in = gradient_write(l, net->op[norm].in, time);
		}
		for (size_t i = seg->end; i-- > seg->first;) {
			if (net->op[i].kind == NST_OP_BN)
				norm_sums_plan(l, i, time);
			else
				gradient_plan(l, i, time);
		}
	}
}

static struct place place_of(const struct nst_span *s)
{
	return (struct place){ s->offset, s->first == s->last };
}

/* Sizes and places from lifetimes.  What lives in one segment only needs room for a chunk. */
static int place_all(struct lifetimes *l, struct nst_err *err)
{
	struct nst_grain_plan *p = l->p;
	int r;

	for (size_t i = 0; i < l->nspans; i++) {
		struct nst_span *s = &l->span[i];
		size_t segment = s->first < p->nsegments ? s->first : backward_time(p, s->first);

		if (nst_mul_size(s->size, s->first == s->last ? p->segment[segment].chunk : p->rows,
				 &s->size))
			return nst_fail(err, NST_ELIMIT, "a grain of %zu rows is too large",
					p->rows);
	}
	r = nst_plan(l->span, l->nspans, &p->arena, err);
	for (size_t t = 0; !r && t < l->net->ntensors; t++) {
		p->act[t] = place_of(&l->span[t]);
		p->again[t] = place_of(&l->span[l->again[t] == NST_NONE ? t : l->again[t]]);
		if (l->buffer[t] != NST_NONE)
			p->grad[t] = place_of(&l->span[l->buffer[t]]);
		if (l->slope[t] != NST_NONE)
			p->slope[t] = place_of(&l->span[l->slope[t]]);
	}
	return r;
}

static int plan_arena(struct nst_grain_plan *p, struct nst_err *err)
{
	const struct nst_net *net = p->net;
	struct lifetimes l = { .net = net, .p = p };
	int r = NST_ENOMEM;

	l.span = nst_zalloc(4 * net->ntensors, sizeof(*l.span), err);
	l.buffer = nst_alloc(net->ntensors, 3 * sizeof(*l.buffer), err);
	if (l.span && l.buffer) {
		l.again = l.buffer + net->ntensors;
		l.slope = l.again + net->ntensors;
		for (size_t t = 0; t < net->ntensors; t++) {
			l.span[t].size = floats_of(&net->tensor[t]);
			l.span[t].first = SIZE_MAX;
			l.buffer[t] = l.again[t] = l.slope[t] = NST_NONE;
		}
		l.nspans = net->ntensors;
		forward_lifetimes(&l);
		backward_lifetimes(&l);
		r = place_all(&l, err);
	}
	free(l.span);
	free(l.buffer);
	return r;
}

static void plan_scratch(struct nst_grain_plan *p)
{
	const struct nst_net *net = p->net;

	for (size_t i = 0; i < net->nops; i++) {
		const struct nst_op *o = &net->op[i];
		size_t s = p->op[i].segment, chunk = p->segment[s].chunk, c = net->tensor[o->out].c;
		struct nst_conv geo = o->geo;

		/* Pass 2 of a norm runs with the segment before. */
		if (o->kind == NST_OP_BN && s > 0 && p->segment[s - 1].chunk > chunk)
			chunk = p->segment[s - 1].chunk;
		geo.n = chunk;
		p->widest = max_size(p->widest, c);
		if (o->kind == NST_OP_CONV)
			p->kernel_scratch = max_size(p->kernel_scratch, p->k->conv_scratch(&geo));
		else if (o->kind == NST_OP_DW)
			p->kernel_scratch = max_size(p->kernel_scratch, p->k->dw_scratch(&geo));
		if (p->op[i].add_in)
			p->tensor_scratch =
				max_size(p->tensor_scratch, chunk * floats_of(&net->tensor[o->in]));
		if (o->kind == NST_OP_SE)
			p->tensor_scratch = max_size(p->tensor_scratch,
						     2 * NST_ROUND16(chunk * c) +
							     NST_ROUND16(chunk * o->squeeze));
		p->op[i].state = p->state;
		p->state += state_floats(net, o, p->rows);
	}
	/* Partial statistics of two kinds. */
	p->sum_scratch = 2 * NST_ROUND16(p->widest);
}

int nst_grain_plan_new(const struct nst_net *net, const struct nst_kernels *k, size_t rows,
		       int paths, size_t frozen_blocks, struct nst_grain_plan **out,
		       struct nst_err *err)
{
	struct nst_grain_plan *p = nst_zalloc(1, sizeof(*p), err);

	*out = NULL;
	if (!p)
		return err->code;
	p->net = net;
	p->k = k;
	p->rows = rows;
	p->segment = nst_zalloc(net->nops, sizeof(*p->segment), err);
	p->op = nst_zalloc(net->nops, sizeof(*p->op), err);
	p->act = nst_zalloc(net->ntensors, 4 * sizeof(*p->act), err);
	if (!p->segment || !p->op || !p->act) {
		nst_grain_plan_free(p);
		return err->code;
	}
	p->again = p->act + net->ntensors;
	p->grad = p->again + net->ntensors;
	p->slope = p->grad + net->ntensors;
	cut_segments(p);
	for (size_t i = 0; i < net->nops; i++) {
		p->op[i].frozen = net->op[i].block < frozen_blocks;
		p->op[i].path = paths && net->op[i].path && net->op[i].block > 0;
		p->op[i].redo = is_redone(p, i);
	}
	for (size_t s = 0; s < p->nsegments; s++) {
		p->segment[s].chunk = chunk_images(p, &p->segment[s]);
		plan_band(p, &p->segment[s]);
	}
	if (plan_arena(p, err)) {
		nst_grain_plan_free(p);
		return err->code;
	}
	plan_scratch(p);
	*out = p;
	return 0;
}

void nst_grain_plan_stop(struct nst_grain_plan *p, size_t block)
{
	size_t i = 0;

	while (i + 1 < p->net->nops && p->net->op[i].block < block)
		i++;
	p->stop = p->op[i].segment;
}

void nst_grain_plan_free(struct nst_grain_plan *p)
{
	if (!p)
		return;
	free(p->segment);
	free(p->op);
	free(p->act);
	free(p);
}

static size_t total_floats(const struct nst_grain_plan *p)
{
	return p->arena + p->state + NST_ROUND16(p->kernel_scratch) +
	       NST_ROUND16(p->tensor_scratch) + NST_ROUND16(p->sum_scratch) +
	       2 * NST_ROUND16(p->widest) + NST_ROUND16(p->band / sizeof(float));
}

size_t nst_grain_plan_bytes(const struct nst_grain_plan *p)
{
	return total_floats(p) * sizeof(float);
}

int nst_grain_new(const struct nst_grain_plan *p, struct nst_grain **out, struct nst_err *err)
{
	struct nst_grain *g = nst_zalloc(1, sizeof(*g), err);

	*out = NULL;
	if (!g)
		return err->code;
	g->plan = p;
	g->arena = nst_alloc_aligned(total_floats(p), sizeof(float), err);
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
	struct nst_ahead *ahead; /* what convolutions ask the memory for meanwhile, or NULL */
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

static struct se_state se_of(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];

	return se_state(p->g->state + p->plan->op[i].state, p->net->tensor[o->in].c, o->squeeze,
			p->plan->rows, p->from);
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

static struct nst_bn bn_of(const struct pass *p, size_t i, size_t lines)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn s = { p->m, lines * t->w, t->c, o->act, NULL };

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

static void se_apply(const struct pass *p, size_t i, const float *x, float *y)
{
	const struct nst_tensor *t = &p->net->tensor[p->net->op[i].in];

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
	size_t i = s->first, conv = i + 1, formed = 0;
	const struct nst_op *o = &p->net->op[conv];
	float *y = act_at(p, o->in);

	for (size_t at = 0, lines; at < o->geo.ho; at += lines) {
		float *z = act_at(p, o->out) + line_at(p, o->out, at);
		float *to = s->far_out ? p->g->band : z;
		struct nst_conv geo;
		size_t from, end;

		lines = o->geo.ho - at < s->band ? o->geo.ho - at : s->band;
		geo = nst_conv_lines(&o->geo, at, lines, &from);
		end = at + lines == o->geo.ho ? o->geo.h : from + geo.h;
		norm_apply(p, i, (struct lines){ formed, end - formed },
			   y + line_at(p, o->in, formed));
		formed = end;
		since = counted(p, NST_PHASE_FORWARD, i, at == 0, since);

		conv_part_forward(p, conv, &geo, y + line_at(p, o->in, from), to);
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
	struct pass p = { g, plan, plan->net, plan->k, pack, params, NULL, n, 0, 0, NULL };
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
 * slopes there. */
static void norm_sums(const struct pass *p, size_t i, struct lines l, float *dy,
		      const float *behind)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	float *dgamma = p->g->sum_scratch, *dbeta = dgamma + NST_ROUND16(t->c);
	size_t at = line_at(p, o->in, l.first);
	int first = p->from == 0 && l.first == 0;

	p->k->bn_backward_sums(&bn, dy, behind, act_at(p, o->in) + at, s.mean, s.istd, dgamma,
			       dbeta);
	if (o->residual != NST_NONE && !p->plan->op[i].alias_residual)
		p->k->add(p->m * l.count * t->w * t->c, dy, grad_at(p, o->residual) + at);
	for (size_t c = 0; c < t->c; c++) {
		if (first)
			s.sum_a[c] = s.sum_b[c] = 0;
		s.sum_a[c] += dgamma[c];
		s.sum_b[c] += dbeta[c];
	}
}

static void norm_sums_finish(const struct pass *p, size_t i, double share)
{
	const struct nst_op *o = &p->net->op[i];
	size_t channels = p->net->tensor[o->in].c;
	struct norm_state s = norm_of(p, i);
	float *mean = param_grad(p, o, 2), *var = param_grad(p, o, 3);

	for (size_t c = 0; c < channels; c++) {
		s.dgamma[c] = (float)s.sum_a[c];
		s.dbeta[c] = (float)s.sum_b[c];
		mean[c] = (float)(s.mean[c] * share);
		var[c] = (float)(s.var[c] * share);
	}
	memcpy(param_grad(p, o, 0), s.dgamma, channels * sizeof(float));
	memcpy(param_grad(p, o, 1), s.dbeta, channels * sizeof(float));
}

/* Pass 2 of norm `i`: the gradient of its input.  The kernel divides the sums by the rows it is
 * given; the sums are of the whole grain and so are scaled to match. */
static void norm_data(const struct pass *p, size_t i, struct lines l)
{
	const struct nst_op *o = &p->net->op[i];
	const struct op_plan *q = &p->plan->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn bn = bn_of(p, i, l.count);
	struct norm_state s = norm_of(p, i);
	float part = (float)((double)(p->m * l.count) / (double)(p->n * t->h));
	float *dgamma = p->g->sum_scratch, *dbeta = dgamma + NST_ROUND16(t->c);
	size_t at = line_at(p, o->in, l.first);
	float *dx = grad_at(p, o->in) + at, *dz = q->add_in ? p->g->tensor_scratch : dx;
	const float *g = grad_at(p, o->out) + at;

	if (q->frozen) {
		p->k->bn_backward_frozen(&bn, g, s.istd, param_of(p, o, 0), dz);
	} else {
		for (size_t c = 0; c < t->c; c++) {
			dgamma[c] = s.dgamma[c] * part;
			dbeta[c] = s.dbeta[c] * part;
		}
		p->k->bn_backward_data(&bn, g, act_at(p, o->in) + at, s.mean, s.istd,
				       param_of(p, o, 0), dgamma, dbeta, dz);
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

static void conv_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	struct nst_conv geo = conv_of(p, o);
	const float *dy = grad_at(p, o->out);

	conv_weights(p, i, &geo, p->from == 0, act_at(p, o->in), dy);
	if (o->in != 0)
		conv_data(p, i, &geo, dy, grad_at(p, o->in));
}

static void se_backward(const struct pass *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	size_t c = t->c, sq = o->squeeze, pixels = t->h * t->w;
	struct se_state s = se_of(p, i);
	float *dfactor = p->g->tensor_scratch, *dpooled = dfactor + NST_ROUND16(p->m * c);
	float *dmiddle = dpooled + NST_ROUND16(p->m * c);
	float *dx = grad_at(p, o->in); /* which is that of `out` still */
	int more = p->from > 0;

	p->k->scale_channels_sums(p->m, pixels, c, act_at(p, o->in), dx, dfactor);
	for (size_t j = 0; j < p->m * c; j++)
		dfactor[j] *= s.factor[j] * (1 - s.factor[j]);
	nst_blas_gemm(1, 0, sq, c, p->m, s.middle, dfactor, more, param_grad(p, o, 2));
	column_sums(p->m, c, dfactor, more, param_grad(p, o, 3));
	nst_blas_gemm(0, 1, p->m, sq, c, dfactor, param_of(p, o, 2), 0, dmiddle);
	p->k->act_backward(p->m * sq, o->act, s.before, dmiddle, dmiddle);
	nst_blas_gemm(1, 0, c, sq, p->m, s.pooled, dmiddle, more, param_grad(p, o, 0));
	column_sums(p->m, sq, dmiddle, more, param_grad(p, o, 1));
	nst_blas_gemm(0, 1, p->m, c, sq, dmiddle, param_of(p, o, 0), 0, dpooled);
	p->k->scale_channels_data(p->m, pixels, c, s.factor, dpooled, dx, dx);
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

/* Convolutions of a chunk, or band, of segment s shall ask for what the next one begins by reading:
 * so many floats of the gradient and the input of the norm behind, for its pass 2, from out_at on in
 * what is at hand now, and of the input of the segment's own norm, to form its output again. */
static void ask_ahead(const struct pass *p, const struct segment *s, size_t out_at,
		      size_t out_floats, size_t in_at, size_t in_floats)
{
	const struct nst_op *own = &p->net->op[s->first], *behind = &p->net->op[s->end];

	memset(p->ahead, 0, sizeof(*p->ahead));
	if (s->end < p->net->nops) {
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

/* The next band is of `lines` lines of output from `at` on; lines of input from `formed` on are yet
 * to be formed. */
static void ask_for_band(const struct pass *p, const struct segment *s, size_t at, size_t formed,
			 size_t lines)
{
	const struct nst_op *o = &p->net->op[s->first + 1];
	size_t out = o->geo.ho - at < lines ? o->geo.ho - at : lines;
	size_t in = o->geo.h - formed, most = lines * o->geo.stride;

	ask_ahead(p, s, line_at(p, o->out, at), line_at(p, o->out, out),
		  line_at(p, o->in, formed), line_at(p, o->in, in < most ? in : most));
}

/* A segment of a norm and a convolution by bands, for an image, together with pass 2 of the norm
 * behind.  A line of the convolution's input is done with when all outputs that read it are. */
static double bands_backward(const struct pass *p, const struct segment *s, double since)
{
	size_t i = s->first, conv = i + 1, formed = 0, done = 0;
	const struct nst_op *o = &p->net->op[conv], *norm = &p->net->op[i];
	const struct nst_conv *whole = &o->geo;
	float *y = act_at(p, o->in), *slope = has_slope(norm) ? slope_at(p, o->in) : NULL;
	const float *dy = grad_at(p, o->out);
	int far = s->far_in && !p->plan->op[conv].add_in;

	for (size_t at = 0, lines; at < whole->ho; at += lines) {
		size_t from, end, ready, dy_from, in;
		struct nst_conv geo;

		lines = whole->ho - at < s->band ? whole->ho - at : s->band;
		norm_data(p, s->end, (struct lines){ at, lines });
		since = counted(p, NST_PHASE_BACKWARD, s->end, 0, since);

		geo = nst_conv_lines(whole, at, lines, &from);
		end = at + lines == whole->ho ? whole->h : from + geo.h;
		in = line_at(p, o->in, formed);
		if (p->plan->op[i].redo)
			norm_redo(p, i, (struct lines){ formed, end - formed }, y + in,
				  slope ? slope + in : NULL);
		formed = end;
		since = counted(p, NST_PHASE_BACKWARD, i, 0, since);

		geo.ahead = p->ahead;
		ask_for_band(p, s, at + lines, end, lines);
		conv_weights(p, conv, &geo, p->from == 0 && at == 0, y + line_at(p, o->in, from),
			     dy + line_at(p, o->out, at));
		ready = (at + lines) * whole->stride;
		ready = ready > whole->pad_top ? ready - whole->pad_top : 0;
		if (at + lines == whole->ho || ready > whole->h)
			ready = whole->h;
		if (ready > done) {
			struct lines l = { done, ready - done };
			float *dx = grad_at(p, o->in) + line_at(p, o->in, done);
			float *to = far ? p->g->band : dx;

			in = line_at(p, o->in, done);
			geo = nst_conv_lines_grad(whole, l.first, l.count, &dy_from);
			geo.ahead = p->ahead;
			conv_data(p, conv, &geo, dy + line_at(p, o->out, dy_from), to);
			since = counted(p, NST_PHASE_BACKWARD, conv, at == 0, since);
			norm_sums(p, i, l, to, slope ? slope + in : y + in);
			if (far)
				p->k->stream(line_at(p, o->in, l.count), to, dx);
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
			  has_slope(o) ? slope_at(p, o->out) : act_at(p, o->out));
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

				norm_data(&p, norm, all_lines(&p, plan->net->op[norm].in));
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
	}
}
