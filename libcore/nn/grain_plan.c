/* The plan of a grain: segments and their chunks, what is formed again, and where everything lies in
 * an arena, by lifetimes. */
#include "libcore/nn/grain_state.h"

#include <stdlib.h>

enum {
	/* Working set a chunk may have: half of a second-level cache of 1 MiB; the rest is for
	 * weights. */
	CHUNK_BYTES = 512 << 10,
	/* And all tensors of a band, backward, of which but a part is in use at a time. */
	BAND_BYTES = 2304 << 10,
	/* What a segment makes of a whole grain is written past the caches when it is larger. */
	FAR_BYTES = 16 << 20,
	/* Pixels of an image for each column of weights that make scaling these, for every image, cost
	 * little beside what it saves. */
	SCALED_PIXELS = 8,
};

size_t nst_grain_rows(size_t rows)
{
	return rows >= 32 && rows < 64 ? (rows + 1) / 2 : 32;
}

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
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

/* Lifetimes are counted in segments: forward 0..S-1, backward S..2S-1. */
struct lifetimes {
	const struct nst_net *net;
	struct nst_grain_plan *p;
	struct nst_span *span; /* activations by tensor, then other buffers */
	size_t nspans;
	size_t *tensor; /* of a span */
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
	l->tensor[l->nspans] = t;
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

/* Cheap to form again, from tensors that are there: the input of a norm is kept for its own sake,
 * that of squeeze-and-excitation is formed again before it. */
static int is_redone(const struct nst_grain_plan *p, size_t i)
{
	const struct nst_op *o = &p->net->op[i];
	int cheap = (o->kind == NST_OP_BN && o->residual == NST_NONE) || o->kind == NST_OP_SE;

	return has_slope(o) || (cheap && output_needed(p->net, i) && output_stays(p, i));
}

/* Scaling the input of a pointwise convolution is scaling the rows of its weights.  Where it is
 * squeeze-and-excitation that does, of maps much larger than the output is wide, its output is never
 * formed: the weights are scaled anew for every image. */
static void plan_scaling(struct nst_grain_plan *p, size_t i)
{
	const struct nst_net *net = p->net;
	const struct nst_op *se = &net->op[i], *conv = se + 1;

	if (i + 1 == net->nops || se->kind != NST_OP_SE || conv->kind != NST_OP_CONV ||
	    conv->in != se->out || !nst_conv_pointwise(&conv->geo) ||
	    conv->geo.h * conv->geo.w < SCALED_PIXELS * conv->geo.cout)
		return;
	for (size_t j = 0; j < net->nops; j++)
		if (net->op[j].residual == se->out || (net->op[j].in == se->out && j != i + 1))
			return;
	p->op[i].scales = 1;
	p->op[i + 1].scaled_by = i;
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
	/* A band reads k - stride lines of input beside its own, and the last one forms those behind
	 * them, too, that nobody reads; backward, fewer than k lines of output beside its own. */
	s->in_lines = min_size(geo->h, s->band * geo->stride + geo->k);
	s->out_lines = min_size(geo->ho, s->band + geo->k);
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

/* Floats of tensor t that lives in segment s only. */
static size_t local_floats(const struct nst_net *net, const struct segment *s, size_t t)
{
	const struct nst_tensor *is = &net->tensor[t];

	if (!s->band)
		return s->chunk * floats_of(is);
	return is->w * is->c * (t == net->op[s->first + 1].in ? s->in_lines : s->out_lines);
}

/* Sizes and places from lifetimes.  What lives in one segment only needs room for a chunk. */
static int place_all(struct lifetimes *l, struct nst_err *err)
{
	struct nst_grain_plan *p = l->p;
	int r;

	for (size_t i = 0; i < l->nspans; i++) {
		struct nst_span *s = &l->span[i];
		size_t segment = s->first < p->nsegments ? s->first : backward_time(p, s->first);

		if (s->first == s->last)
			s->size = local_floats(l->net, &p->segment[segment], l->tensor[i]);
		else if (nst_mul_size(s->size, p->rows, &s->size))
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
	l.buffer = nst_alloc(net->ntensors, 7 * sizeof(*l.buffer), err);
	if (l.span && l.buffer) {
		l.again = l.buffer + net->ntensors;
		l.slope = l.again + net->ntensors;
		l.tensor = l.slope + net->ntensors;
		for (size_t t = 0; t < net->ntensors; t++) {
			l.span[t].size = floats_of(&net->tensor[t]);
			l.span[t].first = SIZE_MAX;
			l.buffer[t] = l.again[t] = l.slope[t] = NST_NONE;
			l.tensor[t] = t;
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

/* Scaled weights of the convolution behind operation i, these packed, and their gradient. */
static size_t scaled_floats(const struct nst_grain_plan *p, size_t i)
{
	const struct nst_conv *geo = &p->net->op[i + 1].geo;

	return p->op[i].scales ? 2 * NST_ROUND16(geo->cin * geo->cout) +
					 max_size(p->k->conv_pack_size(geo),
						  p->k->conv_pack_grad_size(geo)) :
				 0;
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
			p->kernel_scratch = max_size(p->kernel_scratch, p->k->conv_scratch(&geo, 1));
		else if (o->kind == NST_OP_DW)
			p->kernel_scratch = max_size(p->kernel_scratch, p->k->dw_scratch(&geo));
		if (p->op[i].add_in)
			p->tensor_scratch =
				max_size(p->tensor_scratch, chunk * floats_of(&net->tensor[o->in]));
		if (o->kind == NST_OP_SE)
			p->tensor_scratch = max_size(p->tensor_scratch,
						     se_scratch_floats(chunk, c, o->squeeze) +
							     scaled_floats(p, i));
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
		p->op[i].scaled_by = NST_NONE;
	}
	for (size_t i = 0; i < net->nops; i++)
		plan_scaling(p, i);
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

size_t nst_grain_plan_bytes(const struct nst_grain_plan *p)
{
	return (p->arena + p->state + NST_ROUND16(p->kernel_scratch) +
		NST_ROUND16(p->tensor_scratch) + NST_ROUND16(p->sum_scratch) +
		2 * NST_ROUND16(p->widest) + NST_ROUND16(p->band / sizeof(float))) * sizeof(float);
}
