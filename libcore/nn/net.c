/* Unrolling an architecture into operations, activations and parameters.
 *
 * The builder walks the stages once and appends; shapes, names and counts fall out of the walk, so
 * the published parameter counts are a test of it. */
#include "libcore/nn/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/nn/plan.h"
#include "libcore/util/rng.h"

/* Everything in the flat vector starts on one vector of 16 floats, so that kernels may load
 * aligned. */
struct builder {
	struct nst_net *net;
	size_t op_cap, tensor_cap, param_cap;
	size_t block;        /* of the op being added */
	const char *prefix;  /* of parameter names: "blocks.0.1." */
	struct nst_err *err; /* first failure; the builder goes on without effect */
	int failed;
};

static void fail_once(struct builder *b)
{
	b->failed = 1;
}

/* Make room for one more element of a growing array.  Returns 0 when there is none. */
static int grow(struct builder *b, void **array, size_t *cap, size_t n, size_t size)
{
	size_t want, bytes;
	void *p;

	if (b->failed)
		return 0;
	if (n < *cap)
		return 1;
	want = *cap ? *cap * 2 : 64;
	if (nst_mul_size(want, size, &bytes))
		bytes = SIZE_MAX;
	p = realloc(*array, bytes);
	if (!p) {
		nst_fail_mem(b->err, bytes);
		fail_once(b);
		return 0;
	}
	*array = p;
	*cap = want;
	return 1;
}

static size_t tensor_add(struct builder *b, size_t h, size_t w, size_t c)
{
	struct nst_net *net = b->net;
	size_t floats;

	if (!grow(b, (void **)&net->tensor, &b->tensor_cap, net->ntensors, sizeof(*net->tensor)))
		return 0;
	/* Bounded so that no later product of a tensor, a grain and sizeof(float) overflows. */
	if (nst_mul_size(h * w, c, &floats) || floats > (size_t)1 << 40) {
		nst_fail(b->err, NST_ELIMIT, "architecture '%s' is too large at %zu pixels",
			 net->arch.name, net->size);
		fail_once(b);
		return 0;
	}
	net->tensor[net->ntensors] = (struct nst_tensor){ h, w, c };
	return net->ntensors++;
}

/* Add a parameter "prefix" "name"; dims that are 0 do not count. */
static size_t param_add(struct builder *b, const char *name, const char *suffix,
			enum nst_param_role role, size_t d0, size_t d1, size_t d2, size_t d3)
{
	const size_t dim[4] = { d0, d1, d2, d3 };
	struct nst_net *net = b->net;
	struct nst_buf text = { 0 };
	struct nst_param *p;

	if (!grow(b, (void **)&net->param, &b->param_cap, net->nparams, sizeof(*net->param)))
		return 0;
	p = &net->param[net->nparams];
	memset(p, 0, sizeof(*p));
	if (nst_buf_printf(&text, b->err, "%s%s%s", b->prefix, name, suffix)) {
		fail_once(b);
		return 0;
	}
	if (text.len >= sizeof(p->name)) {
		nst_fail(b->err, NST_ELIMIT, "architecture '%s' has too long a parameter name",
			 net->arch.name);
		fail_once(b);
	} else {
		memcpy(p->name, text.data, text.len);
	}
	nst_buf_release(&text);
	p->role = role;
	p->count = 1;
	for (size_t i = 0; i < 4 && dim[i]; i++) {
		p->shape[p->rank++] = dim[i];
		if (nst_mul_size(p->count, dim[i], &p->count) || p->count > (size_t)1 << 36) {
			nst_fail(b->err, NST_ELIMIT,
				 "parameter '%s' of architecture '%s' is too large", p->name,
				 net->arch.name);
			fail_once(b);
			return 0;
		}
	}
	return net->nparams++;
}

static struct nst_op *op_add(struct builder *b, enum nst_op_kind kind, size_t in, size_t out)
{
	static struct nst_op sink; /* where the fields go after a failure; never read */
	struct nst_net *net = b->net;
	struct nst_op *o;

	if (!grow(b, (void **)&net->op, &b->op_cap, net->nops, sizeof(*net->op)))
		return &sink;
	o = &net->op[net->nops++];
	memset(o, 0, sizeof(*o));
	o->kind = kind;
	o->in = in;
	o->out = out;
	o->residual = NST_NONE;
	o->block = b->block;
	return o;
}

/* ---- layers: each returns the tensor it makes ---------------------------------------------- */

static struct nst_tensor shape_of(const struct builder *b, size_t t)
{
	static const struct nst_tensor none = { 1, 1, 1 };

	return b->failed ? none : b->net->tensor[t];
}

/* Geometry of a window; TensorFlow's SAME gives the odd cell to the far side. */
static struct nst_conv geometry(const struct builder *b, size_t in, size_t k, size_t stride,
				size_t cout)
{
	struct nst_tensor t = shape_of(b, in);
	struct nst_conv g = { 0 };

	g.h = t.h;
	g.w = t.w;
	g.cin = t.c;
	g.cout = cout;
	g.k = k;
	g.stride = stride;
	g.ho = (t.h + stride - 1) / stride;
	g.wo = (t.w + stride - 1) / stride;
	if (b->net->arch.pad == NST_PAD_SAME) {
		size_t need_h = (g.ho - 1) * stride + k, need_w = (g.wo - 1) * stride + k;

		g.pad_top = need_h > t.h ? (need_h - t.h) / 2 : 0;
		g.pad_left = need_w > t.w ? (need_w - t.w) / 2 : 0;
	} else {
		g.pad_top = g.pad_left = k / 2;
	}
	return g;
}

static size_t conv_add(struct builder *b, size_t in, const char *name, size_t k, size_t stride,
		       size_t cout)
{
	struct nst_conv g = geometry(b, in, k, stride, cout);
	size_t weight = param_add(b, name, ".weight", NST_PARAM_WEIGHT, k, k, g.cin, cout);
	size_t out = tensor_add(b, g.ho, g.wo, cout);
	struct nst_op *o = op_add(b, NST_OP_CONV, in, out);

	o->param[0] = weight;
	o->geo = g;
	return out;
}

static size_t dw_add(struct builder *b, size_t in, const char *name, size_t k, size_t stride)
{
	struct nst_conv g = geometry(b, in, k, stride, shape_of(b, in).c);
	size_t weight = param_add(b, name, ".weight", NST_PARAM_WEIGHT, k, k, g.cin, 0);
	size_t out = tensor_add(b, g.ho, g.wo, g.cin);
	struct nst_op *o = op_add(b, NST_OP_DW, in, out);

	o->param[0] = weight;
	o->geo = g;
	return out;
}

static size_t bn_add(struct builder *b, size_t in, const char *name, enum nst_act act,
		     size_t residual, int path)
{
	struct nst_tensor t = shape_of(b, in);
	size_t gamma = param_add(b, name, ".weight", NST_PARAM_GAMMA, t.c, 0, 0, 0);
	size_t beta = param_add(b, name, ".bias", NST_PARAM_BETA, t.c, 0, 0, 0);
	size_t mean = param_add(b, name, ".running_mean", NST_PARAM_MEAN, t.c, 0, 0, 0);
	size_t var = param_add(b, name, ".running_var", NST_PARAM_VAR, t.c, 0, 0, 0);
	size_t out = tensor_add(b, t.h, t.w, t.c);
	struct nst_op *o = op_add(b, NST_OP_BN, in, out);

	o->param[0] = gamma;
	o->param[1] = beta;
	o->param[2] = mean;
	o->param[3] = var;
	o->act = act;
	o->residual = residual;
	o->path = path;
	return out;
}

static size_t se_add(struct builder *b, size_t in, size_t squeeze, enum nst_act act)
{
	struct nst_tensor t = shape_of(b, in);
	size_t w1 = param_add(b, "se.conv_reduce", ".weight", NST_PARAM_WEIGHT, t.c, squeeze, 0, 0);
	size_t b1 = param_add(b, "se.conv_reduce", ".bias", NST_PARAM_BIAS, squeeze, 0, 0, 0);
	size_t w2 = param_add(b, "se.conv_expand", ".weight", NST_PARAM_WEIGHT, squeeze, t.c, 0, 0);
	size_t b2 = param_add(b, "se.conv_expand", ".bias", NST_PARAM_BIAS, t.c, 0, 0, 0);
	size_t out = tensor_add(b, t.h, t.w, t.c);
	struct nst_op *o = op_add(b, NST_OP_SE, in, out);

	o->param[0] = w1;
	o->param[1] = b1;
	o->param[2] = w2;
	o->param[3] = b2;
	o->act = act;
	o->squeeze = squeeze;
	return out;
}

/* Sub-sampling by stride with zero channels appended: a 1x1 window without weights. */
static size_t shortcut_add(struct builder *b, size_t in, size_t stride, size_t cout)
{
	struct nst_conv g = geometry(b, in, 1, stride, cout);
	size_t out = tensor_add(b, g.ho, g.wo, cout);

	op_add(b, NST_OP_SHORTCUT, in, out)->geo = g;
	return out;
}

static size_t maxpool_add(struct builder *b, size_t in, size_t k, size_t stride)
{
	struct nst_conv g = geometry(b, in, k, stride, shape_of(b, in).c);
	size_t out = tensor_add(b, g.ho, g.wo, g.cout);

	op_add(b, NST_OP_MAXPOOL, in, out)->geo = g;
	return out;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static size_t mbconv_add(struct builder *b, size_t x, const struct nst_stage *s, size_t stride)
{
	size_t cin = shape_of(b, x).c, hidden = cin * s->expand;
	int expands = s->expand > 1;
	size_t residual = stride == 1 && cin == s->channels ? x : NST_NONE;
	size_t t = x;

	if (expands) {
		t = conv_add(b, t, "conv_pw", 1, 1, hidden);
		t = bn_add(b, t, "bn1", s->act, NST_NONE, 0);
	}
	t = dw_add(b, t, "conv_dw", s->k, stride);
	t = bn_add(b, t, expands ? "bn2" : "bn1", s->act, NST_NONE, 0);
	if (s->se > 0) {
		size_t squeeze = (size_t)((double)cin * s->se);

		t = se_add(b, t, squeeze ? squeeze : 1, s->act);
	}
	t = conv_add(b, t, expands ? "conv_pwl" : "conv_pw", 1, 1, s->channels);
	return bn_add(b, t, expands ? "bn3" : "bn2", NST_ACT_NONE, residual, residual != NST_NONE);
}

/* The shortcut of a block of ResNet: x itself where the shape allows. */
static size_t resnet_shortcut(struct builder *b, size_t x, const struct nst_stage *s, size_t stride)
{
	size_t t;

	if (stride == 1 && shape_of(b, x).c == s->channels)
		return x;
	if (s->shortcut == NST_SHORTCUT_PAD)
		return shortcut_add(b, x, stride, s->channels);
	t = conv_add(b, x, "downsample.0", 1, stride, s->channels);
	return bn_add(b, t, "downsample.1", NST_ACT_NONE, NST_NONE, 0);
}

static size_t basic_add(struct builder *b, size_t x, const struct nst_stage *s, size_t stride)
{
	size_t shortcut = resnet_shortcut(b, x, s, stride), t;

	t = conv_add(b, x, "conv1", s->k, stride, s->channels);
	t = bn_add(b, t, "bn1", s->act, NST_NONE, 0);
	t = conv_add(b, t, "conv2", s->k, 1, s->channels);
	return bn_add(b, t, "bn2", s->act, shortcut, 1);
}

static size_t bottleneck_add(struct builder *b, size_t x, const struct nst_stage *s, size_t stride)
{
	size_t shortcut = resnet_shortcut(b, x, s, stride), width = s->channels / 4, t;

	t = conv_add(b, x, "conv1", 1, 1, width);
	t = bn_add(b, t, "bn1", s->act, NST_NONE, 0);
	t = conv_add(b, t, "conv2", s->k, stride, width);
	t = bn_add(b, t, "bn2", s->act, NST_NONE, 0);
	t = conv_add(b, t, "conv3", 1, 1, s->channels);
	return bn_add(b, t, "bn3", s->act, shortcut, 1);
}

static size_t preact_add(struct builder *b, size_t x, const struct nst_stage *s, size_t stride,
			 int first)
{
	int same = stride == 1 && shape_of(b, x).c == s->channels;
	size_t a = bn_add(b, x, "bn1", s->act, NST_NONE, 0);
	size_t shortcut = x, t, out;
	struct nst_tensor shape;
	struct nst_op *o;

	if (first && s->shortcut == NST_SHORTCUT_CONV)
		shortcut = conv_add(b, a, "shortcut", 1, stride, s->channels);
	else if (!same)
		shortcut = shortcut_add(b, a, stride, s->channels);
	t = conv_add(b, a, "conv1", s->k, stride, s->channels);
	t = bn_add(b, t, "bn2", s->act, NST_NONE, 0);
	t = conv_add(b, t, "conv2", s->k, 1, s->channels);
	shape = shape_of(b, t);
	out = tensor_add(b, shape.h, shape.w, shape.c);
	o = op_add(b, NST_OP_ADD, t, out);
	o->residual = shortcut;
	o->path = 1;
	return out;
}

/* A stage of blocks, the first with the stride.  timm numbers EfficientNet's stages from 0,
 * torchvision those of ResNets from 1. */
static size_t blocks_add(struct builder *b, size_t t, const struct nst_stage *s, size_t number)
{
	for (size_t i = 0; i < s->repeats; i++) {
		size_t stride = i ? 1 : s->stride;
		struct nst_buf prefix = { 0 };
		int r = s->kind == NST_STAGE_MBCONV
				? nst_buf_printf(&prefix, b->err, "blocks.%zu.%zu.", number, i)
				: nst_buf_printf(&prefix, b->err, "layer%zu.%zu.", number + 1, i);

		if (r) {
			fail_once(b);
			return t;
		}
		b->prefix = (const char *)prefix.data;
		if (s->kind == NST_STAGE_MBCONV)
			t = mbconv_add(b, t, s, stride);
		else if (s->kind == NST_STAGE_BASIC)
			t = basic_add(b, t, s, stride);
		else if (s->kind == NST_STAGE_BOTTLENECK)
			t = bottleneck_add(b, t, s, stride);
		else
			t = preact_add(b, t, s, stride, i == 0);
		b->prefix = "";
		nst_buf_release(&prefix);
		b->block++;
	}
	return t;
}

/* Stem and head carry the names timm (EfficientNet) or torchvision (the others) gives them. */
static void stages_add(struct builder *b)
{
	const struct nst_arch *a = &b->net->arch;
	size_t number = 0, norms = 0, t = tensor_add(b, b->net->size, b->net->size, 3);
	int timm = 0;
	size_t weight, bias, in;
	struct nst_op *o;

	for (size_t i = 0; i < a->nstages; i++)
		timm |= a->stage[i].kind == NST_STAGE_MBCONV;
	for (size_t i = 0; i < a->nstages; i++) {
		const struct nst_stage *s = &a->stage[i];

		if (nst_stage_is_block(s->kind)) {
			t = blocks_add(b, t, s, number++);
			continue;
		}
		if (s->kind == NST_STAGE_MAXPOOL) {
			t = maxpool_add(b, t, s->k, s->stride);
			continue;
		}
		if (s->kind == NST_STAGE_CONV) {
			if (timm)
				t = conv_add(b, t, i ? "conv_head" : "conv_stem", s->k, s->stride,
					     s->channels);
			else
				t = conv_add(b, t, i ? "conv2" : "conv1", s->k, s->stride,
					     s->channels);
		}
		if (s->kind == NST_STAGE_NORM || s->bn)
			t = bn_add(b, t, norms++ ? "bn2" : "bn1", s->act, NST_NONE, 0);
	}
	in = t;
	t = tensor_add(b, 1, 1, shape_of(b, in).c);
	op_add(b, NST_OP_POOL, in, t);
	in = t;
	weight = param_add(b, timm ? "classifier" : "fc", ".weight", NST_PARAM_WEIGHT,
			   shape_of(b, in).c, b->net->classes, 0, 0);
	bias = param_add(b, timm ? "classifier" : "fc", ".bias", NST_PARAM_BIAS, b->net->classes, 0,
			 0, 0);
	t = tensor_add(b, 1, 1, b->net->classes);
	o = op_add(b, NST_OP_DENSE, in, t);
	o->param[0] = weight;
	o->param[1] = bias;
	b->net->nblocks = b->block;
}

/* The part of the flat vector a parameter lies in: see net.h. */
static int part_of(const struct nst_param *p)
{
	switch (p->role) {
	case NST_PARAM_WEIGHT:
	case NST_PARAM_BIAS:
		return 0;
	case NST_PARAM_GAMMA:
	case NST_PARAM_BETA:
		return 1;
	case NST_PARAM_MEAN:
	case NST_PARAM_VAR:
		break;
	}
	return 2;
}

/* Lay the parameters out: what decays, batch norm's gamma and beta, running statistics. */
static int layout(struct nst_net *net, struct nst_err *err)
{
	size_t at = 0;

	for (int part = 0; part < 3; part++) {
		for (size_t i = 0; i < net->nparams; i++) {
			struct nst_param *p = &net->param[i];

			if (part_of(p) != part)
				continue;
			p->offset = at;
			at += NST_ROUND16(p->count);
			if (part < 2)
				net->ncounted += p->count;
			if (at > (size_t)1 << 40)
				return nst_fail(err, NST_ELIMIT,
						"architecture '%s' has too many parameters",
						net->arch.name);
		}
		if (part == 0)
			net->ndecay = at;
		else if (part == 1)
			net->ntrain = at;
	}
	net->nfloats = at;
	return 0;
}

int nst_net_new(const struct nst_arch *arch, size_t size, size_t classes, struct nst_net **out,
		struct nst_err *err)
{
	struct builder b = { .prefix = "", .err = err };

	*out = NULL;
	if (size == 0)
		size = arch->size;
	if (size > NST_ARCH_SIDE)
		return nst_fail(err, NST_ELIMIT, "an input of %zu pixels is larger than %d", size,
				NST_ARCH_SIDE);
	if (classes == 0 || classes > 1u << 24)
		return nst_fail(err, NST_EINVAL, "a net cannot have %zu classes", classes);
	b.net = nst_zalloc(1, sizeof(*b.net), err);
	if (!b.net)
		return err->code;
	b.net->arch = *arch;
	b.net->size = size;
	b.net->classes = classes;
	stages_add(&b);
	if (b.failed || layout(b.net, err)) {
		nst_net_free(b.net);
		return err->code;
	}
	for (size_t i = 0; i < b.net->nops; i++)
		b.net->macs += nst_op_macs(b.net, &b.net->op[i]);
	*out = b.net;
	return 0;
}

void nst_net_free(struct nst_net *net)
{
	if (!net)
		return;
	free(net->param);
	free(net->op);
	free(net->tensor);
	free(net);
}

const struct nst_param *nst_net_find(const struct nst_net *net, const char *name)
{
	for (size_t i = 0; i < net->nparams; i++)
		if (!strcmp(net->param[i].name, name))
			return &net->param[i];
	return NULL;
}

/* ---- operations ---------------------------------------------------------------------------- */

void nst_op_name(const struct nst_net *net, const struct nst_op *o, char *out)
{
	static const char *const kinds[] = {
		[NST_OP_SHORTCUT] = "shortcut", [NST_OP_MAXPOOL] = "maxpool",
		[NST_OP_ADD] = "add",		[NST_OP_POOL] = "pool",
		[NST_OP_DENSE] = "",
	};
	struct nst_buf text = { 0 };
	struct nst_err ignored;
	char *end;

	if (o->kind < NST_OP_SHORTCUT || o->kind == NST_OP_DENSE) {
		memcpy(out, net->param[o->param[0]].name, NST_OP_NAME);
		for (int words = o->kind == NST_OP_SE ? 2 : 1; words > 0; words--) {
			end = strrchr(out, '.');
			if (end)
				*end = 0;
		}
		return;
	}
	*out = 0;
	if (nst_buf_printf(&text, &ignored, "%s.%zu", kinds[o->kind], o->block) == 0 &&
	    text.len < NST_OP_NAME)
		memcpy(out, text.data, text.len + 1);
	nst_buf_release(&text);
}

uint64_t nst_op_macs(const struct nst_net *net, const struct nst_op *o)
{
	const struct nst_conv *g = &o->geo;
	uint64_t window = (uint64_t)g->ho * g->wo * g->k * g->k;

	switch (o->kind) {
	case NST_OP_CONV:
		return window * g->cin * g->cout;
	case NST_OP_DW:
		return window * g->cin;
	case NST_OP_SE:
		return 2 * (uint64_t)net->tensor[o->in].c * o->squeeze;
	case NST_OP_DENSE:
		return (uint64_t)net->tensor[o->in].c * net->classes;
	default:
		return 0;
	}
}

size_t nst_op_tensors(enum nst_op_kind kind)
{
	static const size_t count[] = {
		[NST_OP_CONV] = 1, [NST_OP_DW] = 1,    [NST_OP_BN] = 4,
		[NST_OP_SE] = 4,   [NST_OP_DENSE] = 2,
	};

	return kind < sizeof(count) / sizeof(*count) ? count[kind] : 0;
}

size_t nst_op_params(const struct nst_net *net, const struct nst_op *o)
{
	size_t n = 0;

	for (size_t i = 0; i < nst_op_tensors(o->kind); i++) {
		const struct nst_param *p = &net->param[o->param[i]];

		if (p->role != NST_PARAM_MEAN && p->role != NST_PARAM_VAR)
			n += p->count;
	}
	return n;
}

size_t nst_net_least_grain(const struct nst_net *net, size_t frozen_blocks)
{
	for (size_t i = 0; i < net->nops; i++) {
		const struct nst_op *o = &net->op[i];
		const struct nst_tensor *t = &net->tensor[o->in];

		if (o->kind == NST_OP_BN && o->block >= frozen_blocks && t->h * t->w == 1)
			return 2;
	}
	return 1;
}

/* ---- initial values ------------------------------------------------------------------------ */

static void fill(float *p, size_t n, float value)
{
	for (size_t i = 0; i < n; i++)
		p[i] = value;
}

static void init_weight(const struct nst_net *net, const struct nst_param *p, int classifier,
			struct nst_rng *rng, float *w)
{
	if (classifier) {
		double limit = 1 / sqrt((double)p->shape[net->arch.init == NST_INIT_TF ? 1 : 0]);

		for (size_t i = 0; i < p->count; i++)
			w[i] = (float)nst_rng_uniform(rng, -limit, limit);
	} else {
		/* (KH,KW,Cin,Cout), (KH,KW,C) with one output a channel, (Cin,Cout) of a 1x1
		 * window. */
		double taps = p->rank == 2 ? 1 : (double)(p->shape[0] * p->shape[1]);
		double outputs = p->rank == 3 ? 1 : (double)p->shape[p->rank - 1];
		double deviation = sqrt(2 / (taps * outputs));

		for (size_t i = 0; i < p->count; i++)
			w[i] = (float)(deviation * nst_rng_normal(rng));
	}
}

void nst_net_init_param(const struct nst_net *net, size_t number, uint64_t seed, float *params)
{
	const struct nst_param *p = &net->param[number];
	const struct nst_op *last = &net->op[net->nops - 1];
	float *w = params + p->offset;
	struct nst_rng rng;

	fill(w, NST_ROUND16(p->count), 0);
	switch (p->role) {
	case NST_PARAM_WEIGHT:
		nst_rng_init(&rng, seed, NST_RNG_INIT, 0, number);
		init_weight(net, p, last->param[0] == number, &rng, w);
		break;
	case NST_PARAM_GAMMA:
	case NST_PARAM_VAR:
		fill(w, p->count, 1);
		break;
	case NST_PARAM_BIAS:
	case NST_PARAM_BETA:
	case NST_PARAM_MEAN:
		break;
	}
}

void nst_net_init(const struct nst_net *net, uint64_t seed, float *params)
{
	for (size_t i = 0; i < net->nparams; i++)
		nst_net_init_param(net, i, seed, params);
}
