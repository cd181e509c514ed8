/* What the forward and the backward pass of a grain share: a pass under way, its chunk, and where the
 * things of that chunk lie. */
#ifndef NST_NN_GRAIN_PASS_H
#define NST_NN_GRAIN_PASS_H

#include <string.h>

#include "libcore/nn/grain_state.h"

struct nst_grain {
	const struct nst_grain_plan *plan;
	float *arena, *state;
	float *kernel_scratch, *tensor_scratch, *sum_scratch, *band;
	float *one, *zero; /* channels of 1 and of 0 */
	struct nst_profile *profile;
	unsigned worker; /* of the profile */
};

/* Tensor t by a list of places, from image `from` of the grain on. */
static inline float *at_place(const struct nst_grain *g, const struct place *places, size_t t,
			      size_t from)
{
	const struct place *p = &places[t];

	return g->arena + p->offset + (p->local ? 0 : from * floats_of(&g->plan->net->tensor[t]));
}

/* Factors of stochastic depth of an operation that has them. */
static inline float *path_of(const struct nst_grain *g, size_t i)
{
	const struct nst_grain_plan *p = g->plan;
	const struct nst_op *o = &p->net->op[i];
	float *state = g->state + p->op[i].state;

	return o->kind == NST_OP_ADD ? state : norm_state(state, p->net->tensor[o->in].c).path;
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
static inline float *act_at(const struct pass *p, size_t t)
{
	return at_place(p->g, p->grad ? p->plan->again : p->plan->act, t, p->from);
}

static inline float *grad_at(const struct pass *p, size_t t)
{
	return at_place(p->g, p->plan->grad, t, p->from);
}

static inline float *slope_at(const struct pass *p, size_t t)
{
	return at_place(p->g, p->plan->slope, t, p->from);
}

static inline const float *param_of(const struct pass *p, const struct nst_op *o, int which)
{
	return p->params + p->net->param[o->param[which]].offset;
}

static inline float *param_grad(const struct pass *p, const struct nst_op *o, int which)
{
	return p->grad + p->net->param[o->param[which]].offset;
}

static inline struct norm_state norm_of(const struct pass *p, size_t i)
{
	return norm_state(p->g->state + p->plan->op[i].state, p->net->tensor[p->net->op[i].in].c);
}

/* From image `from` of the grain on. */
static inline struct se_state se_from(const struct pass *p, size_t i, size_t from)
{
	const struct nst_op *o = &p->net->op[i];

	return se_state(p->g->state + p->plan->op[i].state, p->net->tensor[o->in].c, o->squeeze,
			p->plan->rows, from);
}

static inline struct se_state se_of(const struct pass *p, size_t i)
{
	return se_from(p, i, p->from);
}

/* What the backward pass of operation i, squeeze-and-excitation, works in and leaves for the norm
 * before it. */
static inline struct se_back se_back_of(const struct pass *p, size_t i)
{
	return se_back(p->g->tensor_scratch, p->m, p->net->tensor[p->net->op[i].in].c);
}

static inline struct nst_conv conv_of(const struct pass *p, const struct nst_op *o)
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

static inline struct lines all_lines(const struct pass *p, size_t tensor)
{
	return (struct lines){ 0, p->net->tensor[tensor].h };
}

/* Where a line of tensor t begins, in floats. */
static inline size_t line_at(const struct pass *p, size_t t, size_t line)
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

static inline struct window window_of(const struct pass *p, const struct place *places, size_t t)
{
	return (struct window){ at_place(p->g, places, t, p->from), line_at(p, t, 1), 0, 0,
				places[t].local };
}

static inline float *window_line(const struct window *w, size_t line)
{
	return w->at + (line - w->first) * w->line;
}

/* Lines before this one have been of use. */
static inline void window_drop(struct window *w, size_t line)
{
	size_t keep = line < w->end ? line : w->end;

	if (!w->local || keep <= w->first)
		return;
	memmove(w->at, window_line(w, keep), (w->end - keep) * w->line * sizeof(*w->at));
	w->first = keep;
}

static inline struct nst_bn bn_of(const struct pass *p, size_t i, size_t lines)
{
	const struct nst_op *o = &p->net->op[i];
	const struct nst_tensor *t = &p->net->tensor[o->in];
	struct nst_bn s = { .n = p->m, .pixels = lines * t->w, .c = t->c, .act = o->act };

	if (p->plan->op[i].path)
		s.path = path_of(p->g, i) + p->from;
	return s;
}

/* Operation i has worked on `images` images since then. */
static inline double counted(const struct pass *p, enum nst_phase phase, size_t i,
			     size_t images, double since)
{
	return nst_profile_add_op(p->g->profile, p->g->worker, phase, p->net, i, images, since);
}

/* The output of squeeze-and-excitation, which one that scales weights has not got. */
static inline void se_apply(const struct pass *p, size_t i, const float *x, float *y)
{
	const struct nst_tensor *t = &p->net->tensor[p->net->op[i].in];

	if (p->plan->op[i].scales)
		return;
	p->k->scale_channels(p->m, t->h * t->w, t->c, x, se_of(p, i).factor, y);
}

/* Which cell of its window each output of a max pooling is. */
static inline unsigned char *taken_cells(const struct pass *p, size_t i)
{
	unsigned char *all = (unsigned char *)(p->g->state + p->plan->op[i].state);

	return all + p->from * floats_of(&p->net->tensor[p->net->op[i].out]);
}

/* y *= x, for the mask of dropout. */
static inline void multiply(size_t n, const float *x, float *y)
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
static inline struct scaled scaled_of(const struct pass *p, size_t i, size_t image)
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

/* Convolutions of a chunk, or band, of segment s shall ask for what the next one begins by reading: so
 * many floats of the input of the segment's own norm, to form its output, from in_at on in what is at
 * hand now, and backward, before that, of the gradient and the input of the norm behind, for its pass
 * 2, from out_at on. */
static inline void ask_ahead(const struct pass *p, const struct segment *s, size_t out_at,
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

static inline void ask_for_chunk(const struct pass *p, const struct segment *s)
{
	size_t out = floats_of(&p->net->tensor[p->net->op[s->end - 1].out]);
	size_t in = floats_of(&p->net->tensor[p->net->op[s->first].in]);
	size_t left = p->n - p->from - p->m, images = left < s->chunk ? left : s->chunk;

	ask_ahead(p, s, p->m * out, images * out, p->m * in, images * in);
}

/* The next band is of lines of output from `at` on; lines of input from `formed` on are yet to be
 * formed.  Behind the last line of an image is the first one of the next. */
static inline void ask_for_band(const struct pass *p, const struct segment *s, size_t at,
				size_t formed)
{
	const struct nst_op *o = &p->net->op[s->first + 1];
	size_t images = p->n - p->from, out = images * o->geo.ho - at;
	size_t in = images * o->geo.h - formed, most = s->band * o->geo.stride;

	ask_ahead(p, s, line_at(p, o->out, at), line_at(p, o->out, out < s->band ? out : s->band),
		  line_at(p, o->in, formed), line_at(p, o->in, in < most ? in : most));
}

/* Go on with the images from `from` on. */
static inline void next_chunk(struct pass *p, const struct segment *s, size_t from)
{
	p->from = from;
	p->m = p->n - from < s->chunk ? p->n - from : s->chunk;
}

#endif
