/* Inference over small groups of images.
 *
 * Every convolution followed by a norm becomes one step with folded weights; a norm behind a sum
 * (pre-activation nets) stays a step of its own.  The kernels form each output element by one chain
 * of operations whatever the number of images, so the size of a group is free: it is chosen so that
 * the activations stay in the second-level cache, small maps still make whole tiles, and weights too
 * large for the caches serve several images.  So the steps come in phases, each with a group of its
 * own: while maps are large few images go together, later more, several groups of the phase before
 * making one. */
#include "libcore/nn/infer.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/nn/pack.h"
#include "libcore/nn/plan.h"
#include "libcore/nn/shortcut.h"

enum {
	GROUP_BYTES = 768 << 10, /* activations of a group */
	GROUP_MOST = 32,         /* images in a group, a power of two */
	PHASES = 6,              /* groups of 1, 2, 4 ... GROUP_MOST */
	BAND_BYTES = 448 << 10,  /* lines between a convolution and the depthwise one behind it */
	WEIGHT_USES = 64,        /* products with each weight that make it worth being loaded again */
};

/* Steps up to `end`, done for `group` images together: a power of two, more than the phase before. */
struct phase {
	size_t end, group;
};

/* A step: an operation, with the norm behind it when that is folded in. */
struct step {
	const struct nst_op *op;
	enum nst_act act;
	size_t residual, out;
	size_t weight,
		bias; /* offsets in data: packed weights and bias; of a norm scale and shift */
	size_t weight2, bias2; /* of squeeze-and-excitation */
	/* A pointwise convolution whose output, too large for the cache, goes nowhere but into the
	 * depthwise convolution behind it is `banded`: that one has it done, some lines at a time,
	 * as it needs them for `lines` lines of its own. */
	int banded;
	size_t lines; /* 0: all at once, from the tensor */
	/* Squeeze-and-excitation that is `unscaled` stops at the factors: the convolution behind it is
	 * `scaled`, and multiplies its input by them where it is rounded. */
	int unscaled, scaled;
};

/* The first failure of a worker. */
struct failure {
	size_t row;
	struct nst_err err;
};

struct nst_infer {
	const struct nst_net *net;
	const struct nst_kernels *k;
	enum nst_arithmetic arithmetic;
	struct nst_pool *pool;
	struct nst_profile *profile;
	size_t nsteps, nphases;
	struct step *step;
	struct phase phase[PHASES];
	float *data;    /* folded and packed weights */
	size_t *offset; /* in the arena, by tensor ... */
	size_t *held;   /* ... which holds so many images, those of the last group that reads it */
	size_t arena, kernel_scratch, small_scratch, band;
	float **memory;          /* of each worker */
	struct failure *failure; /* of each worker */
	size_t least;            /* images worth a task of their own */
	size_t n;                /* images of the run under way */
	nst_load_fn load;
	nst_take_fn take;
	void *ctx;
	atomic_size_t lowest; /* failing row so far, SIZE_MAX for none */
};

static size_t floats_of(const struct nst_tensor *t)
{
	return t->h * t->w * t->c;
}

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* ---- steps and their weights --------------------------------------------------------------- */

/* The norm to fold into operation i: the one that reads its output, if that is a convolution's. */
static const struct nst_op *norm_behind(const struct nst_net *net, size_t i)
{
	const struct nst_op *o = &net->op[i];

	if (o->kind != NST_OP_CONV && o->kind != NST_OP_DW)
		return NULL;
	for (size_t j = i + 1; j < net->nops; j++)
		if (net->op[j].kind == NST_OP_BN && net->op[j].in == o->out)
			return &net->op[j];
	return NULL;
}

/* The convolution a norm was folded into, or NULL. */
static const struct nst_op *folded_into(const struct nst_net *net, const struct nst_op *norm)
{
	for (const struct nst_op *o = net->op; o < norm; o++)
		if (o->out == norm->in && (o->kind == NST_OP_CONV || o->kind == NST_OP_DW))
			return o;
	return NULL;
}

/* A folded convolution runs where its norm stood: what the residual needs is there by then. */
static void steps_list(struct nst_infer *inf)
{
	const struct nst_net *net = inf->net;

	for (size_t i = 0; i < net->nops; i++) {
		const struct nst_op *o = &net->op[i], *conv = NULL;
		struct step *s;

		if (norm_behind(net, i))
			continue;
		if (o->kind == NST_OP_BN)
			conv = folded_into(net, o);
		s = &inf->step[inf->nsteps++];
		s->op = conv ? conv : o;
		s->act = o->act;
		s->residual = o->residual;
		s->out = o->out;
	}
}

/* The tensor a step starts from. */
static size_t input_of(const struct step *s)
{
	return s->lines || s->scaled ? (s - 1)->op->in : s->op->in;
}

/* The tensor it makes, if any. */
static size_t output_of(const struct step *s)
{
	return s->banded || s->unscaled ? NST_NONE : s->out;
}

/* How many times the net reads tensor t. */
static int readers(const struct nst_net *net, size_t t)
{
	int n = 0;

	for (size_t i = 0; i < net->nops; i++)
		n += (net->op[i].in == t) + (net->op[i].residual == t);
	return n;
}

/* The lines that `lines` lines of output read. */
static size_t lines_read(const struct nst_conv *geo, size_t lines)
{
	return (lines - 1) * geo->stride + geo->k;
}

static void bands_plan(struct nst_infer *inf)
{
	for (size_t i = 0; i + 1 < inf->nsteps; i++) {
		struct step *s = &inf->step[i], *next = &inf->step[i + 1];
		const struct nst_conv *geo = &next->op->geo;
		size_t line;

		if (s->op->kind != NST_OP_CONV || s->op->geo.k != 1 || s->op->geo.stride != 1 ||
		    s->residual != NST_NONE || next->op->kind != NST_OP_DW ||
		    next->op->in != s->out || next->residual != NST_NONE ||
		    readers(inf->net, s->out) != 1)
			continue;
		line = geo->w * geo->cin;
		if (geo->h * line * sizeof(float) <= BAND_BYTES)
			continue;
		s->banded = 1;
		next->lines = 1;
		while (next->lines < geo->ho &&
		       lines_read(geo, next->lines + 1) * line * sizeof(float) <= BAND_BYTES)
			next->lines++;
		inf->band = max_size(inf->band, lines_read(geo, next->lines) * line);
	}
}

/* Is this convolution a product of bfloat16? */
static int is_rounded(const struct nst_infer *inf, const struct nst_conv *geo)
{
	return inf->arithmetic == NST_BFLOAT16 && nst_conv_pointwise(geo);
}

static void scaling_plan(struct nst_infer *inf)
{
	for (size_t i = 0; i + 1 < inf->nsteps; i++) {
		struct step *s = &inf->step[i], *next = &inf->step[i + 1];

		s->unscaled = next->scaled =
			s->op->kind == NST_OP_SE && next->op->kind == NST_OP_CONV &&
			is_rounded(inf, &next->op->geo) && next->op->in == s->out &&
			readers(inf->net, s->out) == 1;
	}
}

static size_t place(size_t *end, size_t floats)
{
	size_t at = *end;

	*end += NST_ROUND16(floats);
	return at;
}

static size_t conv_floats(const struct nst_infer *inf, const struct nst_conv *geo)
{
	return is_rounded(inf, geo) ? nst_bf16_pack_size(inf->k, geo->cin, geo->cout) :
				      inf->k->conv_pack_size(geo);
}

static void conv_fill(const struct nst_infer *inf, const struct nst_conv *geo, const float *w,
		      float *packed)
{
	if (is_rounded(inf, geo))
		nst_bf16_pack(inf->k, geo->cin, geo->cout, w, geo->cout, packed);
	else
		inf->k->conv_pack(geo, w, packed);
}

/* The dense layer is a convolution of maps of one pixel. */
static struct nst_conv dense_geo(const struct nst_net *net, const struct nst_op *o)
{
	struct nst_conv s = { .n = 1, .h = 1, .w = 1, .ho = 1, .wo = 1, .k = 1, .stride = 1 };

	s.cin = net->tensor[o->in].c;
	s.cout = net->classes;
	return s;
}

static size_t weights_reserve(struct nst_infer *inf)
{
	const struct nst_net *net = inf->net;
	const struct nst_kernels *k = inf->k;
	struct nst_conv geo;
	size_t end = 0;

	for (size_t i = 0; i < inf->nsteps; i++) {
		struct step *s = &inf->step[i];
		const struct nst_op *o = s->op;
		size_t c = net->tensor[o->in].c;

		switch (o->kind) {
		case NST_OP_CONV:
			s->weight = place(&end, conv_floats(inf, &o->geo));
			s->bias = place(&end, o->geo.cout);
			break;
		case NST_OP_DW:
			s->weight = place(&end, net->param[o->param[0]].count);
			s->bias = place(&end, c);
			break;
		case NST_OP_BN:
			s->weight = place(&end, c);
			s->bias = place(&end, c);
			break;
		case NST_OP_SE:
			s->weight = place(&end, k->pack_size(c, o->squeeze));
			s->bias = place(&end, o->squeeze);
			s->weight2 = place(&end, k->pack_size(o->squeeze, c));
			s->bias2 = place(&end, c);
			break;
		case NST_OP_ADD:
			s->weight = place(&end, c);
			s->bias = place(&end, c);
			break;
		case NST_OP_DENSE:
			geo = dense_geo(net, o);
			s->weight = place(&end, conv_floats(inf, &geo));
			s->bias = place(&end, net->classes);
			break;
		case NST_OP_SHORTCUT:
		case NST_OP_MAXPOOL:
		case NST_OP_POOL:
			break;
		}
		/* A residual behind a convolution is added by a norm that does nothing else. */
		if (s->residual != NST_NONE && (o->kind == NST_OP_CONV || o->kind == NST_OP_DW)) {
			s->weight2 = place(&end, net->tensor[s->out].c);
			s->bias2 = place(&end, net->tensor[s->out].c);
		}
	}
	return end;
}

/* Scale and shift that a norm with running statistics amounts to. */
static void norm_fold(const struct nst_net *net, const struct nst_op *norm,
		      const float *const *param, float *scale, float *shift)
{
	const float *p[4];

	for (int i = 0; i < 4; i++)
		p[i] = param[norm->param[i]];
	for (size_t c = 0; c < net->tensor[norm->in].c; c++) {
		double s = p[0][c] / sqrt((double)p[3][c] + net->arch.bn_eps);

		scale[c] = (float)s;
		shift[c] = (float)(p[1][c] - p[2][c] * s);
	}
}

static void fill_identity(size_t c, float *scale, float *shift)
{
	for (size_t i = 0; i < c; i++) {
		scale[i] = 1;
		shift[i] = 0;
	}
}

static const struct nst_op *norm_of(const struct nst_net *net, const struct nst_op *conv)
{
	return norm_behind(net, (size_t)(conv - net->op));
}

/* Weights of a convolution times the scale of its norm, the norm's shift as bias.  `folded` has
 * room for the largest weight and two rows of channels. */
static void conv_prepare(struct nst_infer *inf, const struct step *s, const float *const *param,
			 float *folded)
{
	const struct nst_net *net = inf->net;
	const struct nst_param *p = &net->param[s->op->param[0]];
	const struct nst_op *norm = norm_of(net, s->op);
	size_t c = s->op->geo.cout;
	float *scale = folded + NST_ROUND16(p->count), *bias = inf->data + s->bias;
	const float *w = param[s->op->param[0]];

	fill_identity(c, scale, bias);
	if (norm)
		norm_fold(net, norm, param, scale, bias);
	for (size_t i = 0; i < p->count; i += c)
		for (size_t j = 0; j < c; j++)
			folded[i + j] = w[i + j] * scale[j];
	if (s->op->kind == NST_OP_CONV)
		conv_fill(inf, &s->op->geo, folded, inf->data + s->weight);
	else
		memcpy(inf->data + s->weight, folded, p->count * sizeof(float));
	if (s->residual != NST_NONE)
		fill_identity(c, inf->data + s->weight2, inf->data + s->bias2);
}

/* A dense layer, or one of the two of squeeze-and-excitation. */
static void dense_prepare(struct nst_infer *inf, const struct nst_op *o, int which,
			  const float *const *param, size_t weight, size_t bias)
{
	const struct nst_param *p = &inf->net->param[o->param[which]];
	const struct nst_param *b = &inf->net->param[o->param[which + 1]];
	const float *w = param[o->param[which]];
	float *packed = inf->data + weight;

	if (o->kind == NST_OP_DENSE) {
		struct nst_conv geo = dense_geo(inf->net, o);

		conv_fill(inf, &geo, w, packed);
	} else {
		inf->k->pack(p->shape[0], p->shape[1], w, p->shape[1], packed);
	}
	memcpy(inf->data + bias, param[o->param[which + 1]], b->count * sizeof(float));
}

/* What conv_prepare works in, in floats. */
static size_t folded_floats(const struct nst_net *net)
{
	size_t largest = 0, widest = 0;

	for (const struct nst_op *o = net->op; o < net->op + net->nops; o++)
		if (o->kind == NST_OP_CONV || o->kind == NST_OP_DW)
			largest = max_size(largest, net->param[o->param[0]].count);
	for (size_t t = 0; t < net->ntensors; t++)
		widest = max_size(widest, net->tensor[t].c);
	return NST_ROUND16(largest) + NST_ROUND16(widest);
}

struct preparing {
	struct nst_infer *inf;
	const float *const *param;
	float *folded; /* (threads, stride) */
	size_t stride;
};

static void prepare_step(void *ctx, size_t number, unsigned worker)
{
	const struct preparing *p = ctx;
	struct nst_infer *inf = p->inf;
	const struct step *s = &inf->step[number];

	switch (s->op->kind) {
	case NST_OP_CONV:
	case NST_OP_DW:
		conv_prepare(inf, s, p->param, p->folded + worker * p->stride);
		break;
	case NST_OP_BN:
		norm_fold(inf->net, s->op, p->param, inf->data + s->weight, inf->data + s->bias);
		break;
	case NST_OP_ADD:
		fill_identity(inf->net->tensor[s->out].c, inf->data + s->weight,
			      inf->data + s->bias);
		break;
	case NST_OP_SE:
		dense_prepare(inf, s->op, 0, p->param, s->weight, s->bias);
		dense_prepare(inf, s->op, 2, p->param, s->weight2, s->bias2);
		break;
	case NST_OP_DENSE:
		dense_prepare(inf, s->op, 0, p->param, s->weight, s->bias);
		break;
	case NST_OP_SHORTCUT:
	case NST_OP_MAXPOOL:
	case NST_OP_POOL:
		break;
	}
}

static int weights_prepare(struct nst_infer *inf, const float *const *param, struct nst_err *err)
{
	struct preparing p = { inf, param, NULL, folded_floats(inf->net) };

	p.folded = nst_alloc_aligned(nst_pool_threads(inf->pool), p.stride * sizeof(float), err);
	if (!p.folded)
		return err->code;
	nst_pool_run(inf->pool, inf->nsteps, prepare_step, &p);
	free(p.folded);
	return 0;
}

/* ---- memory of a worker -------------------------------------------------------------------- */

static void touch(struct nst_span *s, size_t time)
{
	if (s->size == 0)
		return;
	if (time < s->first)
		s->first = time;
	if (time > s->last)
		s->last = time;
}

/* The group that suits one step: its activations in the cache, or its weights used often enough. */
static size_t group_of(const struct nst_infer *inf, const struct step *s)
{
	const struct nst_tensor *tensor = inf->net->tensor;
	size_t floats = floats_of(&tensor[input_of(s)]) + floats_of(&tensor[s->out]);
	size_t weights = s->op->kind == NST_OP_CONV ? conv_floats(inf, &s->op->geo) : 0;
	size_t budget = max_size(GROUP_BYTES / sizeof(float), weights / 2), group = 1;

	if (s->residual != NST_NONE)
		floats += floats_of(&tensor[s->residual]);
	while (group < GROUP_MOST && 2 * group * floats <= budget)
		group *= 2;
	return group;
}

/* Pixels of the maps a step works on: those it writes, but for the pool, which makes whole maps into
 * a pixel, those it reads. */
static size_t pixels_of(const struct nst_infer *inf, const struct step *s)
{
	const struct nst_tensor *t =
		&inf->net->tensor[s->op->kind == NST_OP_POOL ? input_of(s) : s->out];

	return t->h * t->w;
}

/* Cut the steps into phases: where the maps get smaller for good, if what follows can go in larger
 * groups.  Steps between two such places go together in the largest group that suits one of them
 * whose weights ask for it, or else in the smallest that suits all. */
static void phases_plan(struct nst_infer *inf)
{
	size_t later = GROUP_MOST;

	/* From the last step backwards, so that a phase can be held to the group of the next. */
	for (size_t end = inf->nsteps, first; end > 0; end = first) {
		size_t pixels = pixels_of(inf, &inf->step[end - 1]);
		size_t least = GROUP_MOST, most = 1;

		for (first = end; first > 0; first--) {
			const struct step *s = &inf->step[first - 1];
			size_t group = group_of(inf, s);

			if (s->banded)
				continue;
			if (pixels_of(inf, s) > pixels)
				break;
			least = group < least ? group : least;
			if (s->op->kind == NST_OP_CONV && inf->k->conv_pack_size(&s->op->geo) >
			    GROUP_BYTES / sizeof(float))
				most = max_size(most, group);
		}
		least = max_size(least, most);
		later = least < later ? least : later;
		if (inf->nphases == 0 || inf->phase[0].group != later) {
			memmove(inf->phase + 1, inf->phase, inf->nphases * sizeof(*inf->phase));
			inf->phase[0] = (struct phase){ end, later };
			inf->nphases++;
		}
	}
}

static size_t phase_of(const struct nst_infer *inf, size_t step)
{
	size_t p = 0;

	while (step >= inf->phase[p].end)
		p++;
	return p;
}

/* The least images worth a task of their own: an eighth of the group of the last convolution, for the
 * sake of small maps, and so many that products make up for loading the weights. */
static void least_plan(struct nst_infer *inf)
{
	size_t last = inf->nsteps - 1;

	while (last > 0 && inf->step[last].op->kind != NST_OP_CONV)
		last--;
	inf->least = (inf->phase[phase_of(inf, last)].group + 7) / 8;
	while (inf->least < GROUP_MOST &&
	       inf->least * inf->net->macs < WEIGHT_USES * inf->net->nfloats)
		inf->least *= 2;
}

/* Places of the tensors; those that folding did away with get no room.  What a later phase reads is
 * there, bit by bit, while the earlier phases run again and again. */
static int arena_plan(struct nst_infer *inf, struct nst_err *err)
{
	const struct nst_net *net = inf->net;
	struct nst_span *span = nst_zalloc(net->ntensors, sizeof(*span), err);
	int r;

	if (!span)
		return err->code;
	for (size_t t = 0; t < net->ntensors; t++)
		span[t].first = SIZE_MAX;
	for (size_t i = 0; i < inf->nsteps; i++) {
		const struct step *s = &inf->step[i];
		const size_t used[3] = { input_of(s), output_of(s), s->residual };

		for (int j = 0; j < 3 && !s->banded; j++) {
			if (used[j] == NST_NONE)
				continue;
			span[used[j]].size = 1;
			touch(&span[used[j]], i);
		}
	}
	for (size_t t = 0; t < net->ntensors; t++) {
		struct nst_span *s = &span[t];
		size_t last;

		if (s->size == 0)
			continue;
		last = phase_of(inf, s->last);
		if (phase_of(inf, s->first) < last)
			s->first = 0;
		inf->held[t] = inf->phase[last].group;
		s->size = inf->held[t] * floats_of(&net->tensor[t]);
	}
	r = nst_plan(span, net->ntensors, &inf->arena, err);
	for (size_t t = 0; t < net->ntensors; t++)
		inf->offset[t] = span[t].offset;
	free(span);
	return r;
}

static size_t conv_scratch(const struct nst_infer *inf, const struct nst_conv *geo)
{
	return is_rounded(inf, geo) ? nst_bf16_scratch(inf->k, geo->cin) :
				      inf->k->conv_scratch(geo, 0);
}

static void scratch_plan(struct nst_infer *inf)
{
	for (size_t i = 0; i < inf->nsteps; i++) {
		const struct nst_op *o = inf->step[i].op;
		size_t group = inf->phase[phase_of(inf, i)].group;
		struct nst_conv geo = o->kind == NST_OP_DENSE ? dense_geo(inf->net, o) : o->geo;

		geo.n = group;
		if (o->kind == NST_OP_CONV || o->kind == NST_OP_DENSE)
			inf->kernel_scratch =
				max_size(inf->kernel_scratch, conv_scratch(inf, &geo));
		else if (o->kind == NST_OP_DW)
			inf->kernel_scratch =
				max_size(inf->kernel_scratch, inf->k->dw_scratch(&geo));
		else if (o->kind == NST_OP_SE)
			inf->small_scratch =
				max_size(inf->small_scratch,
					 2 * NST_ROUND16(group * inf->net->tensor[o->in].c) +
						 NST_ROUND16(group * o->squeeze));
	}
	inf->kernel_scratch = NST_ROUND16(inf->kernel_scratch);
}

/* Everything but memory: *weights is what they take packed, in floats. */
static int plan(struct nst_infer *inf, size_t *weights, struct nst_err *err)
{
	const struct nst_net *net = inf->net;
	const char *why = "";

	inf->k = nst_kernels_get(&why);
	if (!inf->k)
		return nst_fail(err, NST_EINVAL, "%s", why);
	inf->step = nst_zalloc(net->nops, sizeof(*inf->step), err);
	inf->offset = nst_zalloc(net->ntensors, 2 * sizeof(*inf->offset), err);
	if (!inf->step || !inf->offset)
		return err->code;
	inf->held = inf->offset + net->ntensors;
	steps_list(inf);
	bands_plan(inf);
	scaling_plan(inf);
	*weights = weights_reserve(inf);
	phases_plan(inf);
	least_plan(inf);
	if (arena_plan(inf, err))
		return err->code;
	scratch_plan(inf);
	return 0;
}

/* Of a worker, in floats. */
static size_t worker_floats(const struct nst_infer *inf)
{
	return inf->arena + inf->kernel_scratch + inf->small_scratch + inf->band;
}

static int prepare(struct nst_infer *inf, const float *const *param, struct nst_err *err)
{
	unsigned threads = nst_pool_threads(inf->pool);
	size_t weights;
	int r = plan(inf, &weights, err);

	if (r)
		return r;
	inf->memory = nst_zalloc(threads, sizeof(*inf->memory), err);
	inf->failure = nst_zalloc(threads, sizeof(*inf->failure), err);
	inf->data = nst_alloc_aligned(weights, sizeof(float), err);
	if (!inf->memory || !inf->failure || !inf->data)
		return err->code;
	r = weights_prepare(inf, param, err);
	for (unsigned w = 0; !r && w < threads; w++) {
		inf->memory[w] = nst_alloc_aligned(worker_floats(inf), sizeof(float), err);
		if (!inf->memory[w])
			r = err->code;
	}
	return r;
}

int nst_infer_memory(const struct nst_net *net, enum nst_arithmetic arithmetic, unsigned threads,
		     size_t *bytes, struct nst_err *err)
{
	struct nst_infer inf = { .net = net, .arithmetic = arithmetic };
	size_t weights;
	int r = plan(&inf, &weights, err);

	if (!r)
		*bytes = sizeof(float) *
			 (weights + threads * max_size(folded_floats(net), worker_floats(&inf)));
	free(inf.offset);
	free(inf.step);
	return r;
}

int nst_infer_from(const struct nst_net *net, const float *const *param,
		   enum nst_arithmetic arithmetic, struct nst_pool *pool, struct nst_infer **out,
		   struct nst_err *err)
{
	struct nst_infer *inf = nst_zalloc(1, sizeof(*inf), err);
	int r;

	*out = NULL;
	if (!inf)
		return err->code;
	inf->net = net;
	inf->arithmetic = arithmetic;
	inf->pool = pool;
	r = prepare(inf, param, err);
	if (r) {
		nst_infer_free(inf);
		return r;
	}
	*out = inf;
	return 0;
}

int nst_infer_new(const struct nst_net *net, const float *params, enum nst_arithmetic arithmetic,
		  struct nst_pool *pool, struct nst_infer **out, struct nst_err *err)
{
	const float **param = nst_alloc(net->nparams, sizeof(*param), err);
	int r;

	*out = NULL;
	if (!param)
		return err->code;
	for (size_t i = 0; i < net->nparams; i++)
		param[i] = params + net->param[i].offset;
	r = nst_infer_from(net, param, arithmetic, pool, out, err);
	free(param);
	return r;
}

void nst_infer_free(struct nst_infer *inf)
{
	if (!inf)
		return;
	for (unsigned w = 0; inf->memory && w < nst_pool_threads(inf->pool); w++)
		free(inf->memory[w]);
	free(inf->memory);
	free(inf->failure);
	free(inf->offset);
	free(inf->data);
	free(inf->step);
	free(inf);
}

int nst_infer_profile(struct nst_infer *inf, struct nst_profile *profile, struct nst_err *err)
{
	inf->profile = profile;
	return nst_profile_net(profile, inf->net, err);
}

/* ---- running ------------------------------------------------------------------------------- */

/* small begins with the factors, which are still there for the next step. */
static void se_run(const struct nst_infer *inf, const struct step *s, size_t n, const float *x,
		   float *small, float *y)
{
	const struct nst_tensor *t = &inf->net->tensor[s->op->in];
	size_t c = t->c, sq = s->op->squeeze;
	float *factor = small, *pooled = factor + NST_ROUND16(n * c),
	      *middle = pooled + NST_ROUND16(n * c);

	inf->k->mean_pool(n, t->h * t->w, c, x, pooled);
	inf->k->gemm(n, sq, c, pooled, c, 1, inf->data + s->weight, inf->data + s->bias, s->op->act,
		     0, middle, sq);
	inf->k->gemm(n, c, sq, middle, sq, 1, inf->data + s->weight2, inf->data + s->bias2,
		     NST_ACT_SIGMOID, 0, factor, c);
	if (!s->unscaled)
		inf->k->scale_channels(n, t->h * t->w, c, x, factor, y);
}

/* factor (n,cin) or NULL: see struct step. */
static void conv_run(const struct nst_infer *inf, const struct nst_conv *geo, const float *x,
		     const float *factor, const float *weight, const float *bias, enum nst_act act,
		     float *y, float *scratch)
{
	const struct nst_bf16_product product = {
		.m = geo->n * geo->h * geo->w, .n = geo->cout, .k = geo->cin,
		.a = x, .lda = geo->cin, .factor = factor, .pixels = geo->h * geo->w,
		.packed = weight, .bias = bias, .act = act, .c = y, .ldc = geo->cout,
	};

	if (is_rounded(inf, geo))
		nst_bf16_gemm(inf->k, &product, scratch);
	else
		inf->k->conv_forward(geo, x, weight, bias, act, y, scratch);
}

/* Tensor t of image `at` of a task; NULL for none. */
static float *tensor_at(const struct nst_infer *inf, float *memory, size_t t, size_t at)
{
	if (t == NST_NONE)
		return NULL;
	return memory + inf->offset[t] + at % inf->held[t] * floats_of(&inf->net->tensor[t]);
}

/* A banded convolution with the depthwise one behind it, for one image. */
static void bands_run(const struct nst_infer *inf, const struct step *dw, const float *x, float *y,
		      float *band, float *scratch)
{
	const struct step *conv = dw - 1;
	const struct nst_conv *whole = &dw->op->geo;
	size_t line = whole->w * whole->cin, first = 0, end = 0; /* lines in the band */

	for (size_t o = 0; o < whole->ho; o += dw->lines) {
		size_t lines = whole->ho - o < dw->lines ? whole->ho - o : dw->lines, from;
		struct nst_conv part = conv->op->geo;
		struct nst_conv geo = nst_conv_lines(whole, o, lines, &from);
		size_t to = from + geo.h;

		if (from < end)
			memmove(band, band + (from - first) * line,
				(end - from) * line * sizeof(*band));
		else
			end = from;
		first = from;
		part.n = 1;
		part.h = part.ho = to - end;
		conv_run(inf, &part, x + end * part.w * part.cin, NULL, inf->data + conv->weight,
			 inf->data + conv->bias, conv->act, band + (end - first) * line, scratch);
		inf->k->dw_forward(&geo, band, inf->data + dw->weight, inf->data + dw->bias,
				   dw->act, y + o * geo.wo * geo.cout, NULL);
		end = to;
	}
}

/* A step for the images [at, at+n) of a task. */
static void step_run(const struct nst_infer *inf, const struct step *s, size_t at, size_t n,
		     float *memory)
{
	const struct nst_op *o = s->op;
	const struct nst_tensor *in = &inf->net->tensor[o->in], *out = &inf->net->tensor[s->out];
	const float *weight = inf->data + s->weight, *bias = inf->data + s->bias;
	const float *x = tensor_at(inf, memory, input_of(s), at);
	const float *residual = tensor_at(inf, memory, s->residual, at);
	float *y = tensor_at(inf, memory, output_of(s), at);
	float *scratch = memory + inf->arena, *small = scratch + inf->kernel_scratch;
	struct nst_bn norm = { .n = n, .pixels = out->h * out->w, .c = out->c, .act = s->act };
	enum nst_act act = residual ? NST_ACT_NONE : s->act;
	struct nst_conv geo = o->kind == NST_OP_DENSE ? dense_geo(inf->net, o) : o->geo;

	geo.n = n;
	switch (o->kind) {
	case NST_OP_CONV:
	case NST_OP_DENSE:
		conv_run(inf, &geo, x, s->scaled ? small : NULL, weight, bias, act, y, scratch);
		break;
	case NST_OP_DW:
		for (size_t i = 0; s->lines && i < n; i++)
			bands_run(inf, s, tensor_at(inf, memory, input_of(s), at + i),
				  tensor_at(inf, memory, s->out, at + i),
				  small + inf->small_scratch, scratch);
		if (!s->lines)
			inf->k->dw_forward(&geo, x, weight, bias, act, y, scratch);
		break;
	case NST_OP_BN:
	case NST_OP_ADD:
		inf->k->bn_forward(&norm, x, weight, bias, residual, y);
		return;
	case NST_OP_SE:
		se_run(inf, s, n, x, small, y);
		break;
	case NST_OP_SHORTCUT:
		nst_shortcut_forward(&geo, x, y);
		break;
	case NST_OP_MAXPOOL:
		inf->k->max_pool(&geo, x, y, NULL);
		break;
	case NST_OP_POOL:
		inf->k->mean_pool(n, in->h * in->w, in->c, x, y);
		break;
	}
	if (residual)
		inf->k->bn_forward(&norm, y, inf->data + s->weight2, inf->data + s->bias2, residual,
				   y);
}

static void note_failure(struct nst_infer *inf, unsigned worker, size_t row,
			 const struct nst_err *err)
{
	struct failure *f = &inf->failure[worker];
	size_t lowest = atomic_load(&inf->lowest);

	if (row >= f->row)
		return;
	f->row = row;
	f->err = *err;
	while (row < lowest && !atomic_compare_exchange_weak(&inf->lowest, &lowest, row))
		;
}

/* A task under way on a worker: rows from `from` on. */
struct task {
	struct nst_infer *inf;
	size_t from;
	unsigned worker;
	float *memory;
};

/* The images [at, at+n) of a task up to the end of phase p. */
static int phase_run(const struct task *task, size_t p, size_t at, size_t n)
{
	struct nst_infer *inf = task->inf;
	struct nst_err err = { 0 };
	double since;

	for (size_t i = 0; i < n && p == 0; i++) {
		if (inf->load(inf->ctx, task->from + at + i, task->worker,
			      tensor_at(inf, task->memory, 0, at + i), &err)) {
			note_failure(inf, task->worker, task->from + at + i, &err);
			return err.code;
		}
	}
	for (size_t i = 0; i < n && p > 0; i += inf->phase[p - 1].group) {
		size_t group = inf->phase[p - 1].group;

		if (phase_run(task, p - 1, at + i, n - i < group ? n - i : group))
			return NST_EINVAL;
	}
	since = nst_profile_now(inf->profile);
	for (size_t i = p ? inf->phase[p - 1].end : 0; i < inf->phase[p].end; i++) {
		if (!inf->step[i].banded)
			step_run(inf, &inf->step[i], at, n, task->memory);
		since = nst_profile_add_op(inf->profile, task->worker, NST_PHASE_FORWARD, inf->net,
					   (size_t)(inf->step[i].op - inf->net->op), n, since);
	}
	return 0;
}

/* Images of the task that begins with `left` images of a run to go: a power of two, and no more than
 * half a thread's share, so that tasks get smaller towards the end and nobody waits long for a thread
 * that is slow or began late. */
static size_t task_images(const struct nst_infer *inf, size_t left)
{
	size_t images = inf->phase[inf->nphases - 1].group;
	unsigned threads = nst_pool_threads(inf->pool);

	while (threads > 1 && images > inf->least && 2 * threads * images > left)
		images /= 2;
	return images < left ? images : left;
}

static void task_run(void *ctx, size_t number, unsigned worker)
{
	struct nst_infer *inf = ctx;
	size_t from = 0, n;
	struct task task = { inf, 0, worker, inf->memory[worker] };

	for (size_t i = 0; i < number; i++)
		from += task_images(inf, inf->n - from);
	n = task_images(inf, inf->n - from);
	task.from = from;
	/* Rows below the lowest failure are still tried: the sentence is that of the first. */
	if (from >= atomic_load(&inf->lowest) || phase_run(&task, inf->nphases - 1, 0, n))
		return;
	inf->take(inf->ctx, from, n, worker,
		  tensor_at(inf, task.memory, inf->step[inf->nsteps - 1].out, 0));
}

static size_t tasks_count(const struct nst_infer *inf)
{
	size_t tasks = 0;

	for (size_t from = 0; from < inf->n; from += task_images(inf, inf->n - from))
		tasks++;
	return tasks;
}

int nst_infer_each(struct nst_infer *inf, size_t n, nst_load_fn load, nst_take_fn take, void *ctx,
		   struct nst_err *err)
{
	unsigned threads = nst_pool_threads(inf->pool);
	const struct failure *first = NULL;

	if (n == 0)
		return 0;
	inf->n = n;
	inf->load = load;
	inf->take = take;
	inf->ctx = ctx;
	atomic_store(&inf->lowest, SIZE_MAX);
	for (unsigned w = 0; w < threads; w++)
		inf->failure[w].row = SIZE_MAX;
	nst_pool_run(inf->pool, tasks_count(inf), task_run, inf);
	for (unsigned w = 0; w < threads; w++)
		if (inf->failure[w].row != SIZE_MAX && (!first || inf->failure[w].row < first->row))
			first = &inf->failure[w];
	if (!first)
		return 0;
	*err = first->err;
	return err->code;
}

/* Rows that come from somewhere and go to an array. */
struct collecting {
	nst_load_fn load;
	void *ctx;
	float *logits;
	size_t classes;
};

static int load_there(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct collecting *c = ctx;

	return c->load(c->ctx, row, worker, dst, err);
}

static void collect(void *ctx, size_t row, size_t n, unsigned worker, float *logits)
{
	const struct collecting *c = ctx;

	(void)worker;
	memcpy(c->logits + row * c->classes, logits, n * c->classes * sizeof(*logits));
}

int nst_infer_run(struct nst_infer *inf, size_t n, nst_load_fn load, void *ctx, float *logits,
		  struct nst_err *err)
{
	struct collecting c = { load, ctx, logits, inf->net->classes };

	return nst_infer_each(inf, n, load_there, collect, &c, err);
}
