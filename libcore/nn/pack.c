/* One block for all packed weights; an operation has up to two forward forms or a forward and a
 * gradient form. */
#include "libcore/nn/pack.h"

#include <stdlib.h>

#include "libcore/nn/plan.h"

struct slots {
	size_t forward[2], gradient; /* offsets or NST_NONE */
};

struct nst_pack {
	const struct nst_net *net;
	const struct nst_kernels *k;
	struct slots *slots; /* per operation */
	float *data;
	const float *params; /* of the filling under way */
};

static size_t take(size_t *end, size_t floats)
{
	size_t at = *end;

	*end += NST_ROUND16(floats);
	return at;
}

/* Reserve the packed forms of operation i. */
static struct slots reserve(const struct nst_net *net, const struct nst_kernels *k, size_t i,
			    size_t *end)
{
	const struct nst_op *o = &net->op[i];
	struct slots s = { { NST_NONE, NST_NONE }, NST_NONE };

	switch (o->kind) {
	case NST_OP_CONV:
		s.forward[0] = take(end, k->conv_pack_size(&o->geo));
		if (o->in != 0)
			s.gradient = take(end, k->conv_pack_grad_size(&o->geo));
		break;
	case NST_OP_SE:
		s.forward[0] = take(end, k->pack_size(net->tensor[o->in].c, o->squeeze));
		s.forward[1] = take(end, k->pack_size(o->squeeze, net->tensor[o->in].c));
		break;
	case NST_OP_DENSE:
		s.forward[0] = take(end, k->pack_size(net->tensor[o->in].c, net->classes));
		break;
	default:
		break;
	}
	return s;
}

size_t nst_pack_bytes(const struct nst_net *net, const struct nst_kernels *k)
{
	size_t end = 0;

	for (size_t i = 0; i < net->nops; i++)
		reserve(net, k, i, &end);
	return end * sizeof(float);
}

int nst_pack_new(const struct nst_net *net, const struct nst_kernels *k, struct nst_pack **out,
		 struct nst_err *err)
{
	struct nst_pack *p = nst_zalloc(1, sizeof(*p), err);
	size_t end = 0;

	*out = NULL;
	if (!p)
		return err->code;
	p->net = net;
	p->k = k;
	p->slots = nst_alloc(net->nops, sizeof(*p->slots), err);
	if (p->slots) {
		for (size_t i = 0; i < net->nops; i++)
			p->slots[i] = reserve(net, k, i, &end);
		p->data = nst_alloc_aligned(end, sizeof(float), err);
	}
	if (!p->data) {
		nst_pack_free(p);
		return err->code;
	}
	*out = p;
	return 0;
}

void nst_pack_free(struct nst_pack *p)
{
	if (!p)
		return;
	free(p->slots);
	free(p->data);
	free(p);
}

/* Backwards: the largest weights, those behind, shall not be what everybody waits for in the end. */
static void fill_op(void *ctx, size_t task, unsigned worker)
{
	struct nst_pack *p = ctx;
	const struct nst_net *net = p->net;
	size_t i = net->nops - 1 - task;
	const struct nst_op *o = &net->op[i];
	const struct slots *s = &p->slots[i];
	size_t c = net->tensor[o->in].c;
	const float *w;

	(void)worker;
	if (s->forward[0] == NST_NONE)
		return;
	w = p->params + net->param[o->param[0]].offset;
	switch (o->kind) {
	case NST_OP_CONV:
		p->k->conv_pack(&o->geo, w, p->data + s->forward[0]);
		if (s->gradient != NST_NONE)
			p->k->conv_pack_grad(&o->geo, w, p->data + s->gradient);
		break;
	case NST_OP_SE:
		p->k->pack(c, o->squeeze, w, o->squeeze, p->data + s->forward[0]);
		p->k->pack(o->squeeze, c, p->params + net->param[o->param[2]].offset, c,
			   p->data + s->forward[1]);
		break;
	default:
		p->k->pack(c, net->classes, w, net->classes, p->data + s->forward[0]);
		break;
	}
}

void nst_pack_fill(struct nst_pack *p, const float *params, struct nst_pool *pool)
{
	p->params = params;
	nst_pool_run(pool, p->net->nops, fill_op, p);
	p->params = NULL;
}

const float *nst_pack_forward(const struct nst_pack *p, size_t op, int which)
{
	return p->data + p->slots[op].forward[which];
}

const float *nst_pack_gradient(const struct nst_pack *p, size_t op)
{
	size_t at = p->slots[op].gradient;

	return at == NST_NONE ? NULL : p->data + at;
}
