/* The order of dimensions in PyTorch.  All layouts are one: (O,I,taps) there, (taps,I,O) here, and
 * what a parameter lacks is 1. */
#include "libcore/nn/torch.h"

struct order {
	size_t taps, in, out;
};

static struct order order_of(const struct nst_param *p)
{
	switch (p->rank) {
	case 4:
		return (struct order){p->shape[0] * p->shape[1], p->shape[2], p->shape[3]};
	case 3:
		return (struct order){p->shape[0] * p->shape[1], 1, p->shape[2]};
	case 2:
		return (struct order){1, p->shape[0], p->shape[1]};
	default:
		return (struct order){1, 1, p->shape[0]};
	}
}

size_t nst_torch_shape(const struct nst_net *net, size_t number, size_t shape[4])
{
	const struct nst_param *p = &net->param[number];
	struct order o = order_of(p);

	shape[0] = o.out;
	shape[1] = o.in;
	shape[2] = p->rank > 2 ? p->shape[0] : 1;
	shape[3] = p->rank > 2 ? p->shape[1] : 1;
	if (p->rank == 1)
		return 1;
	return number == net->op[net->nops - 1].param[0] ? 2 : 4;
}

void nst_torch_import(const struct nst_net *net, size_t number, const float *from, float *to)
{
	struct order n = order_of(&net->param[number]);

	for (size_t o = 0; o < n.out; o++)
		for (size_t i = 0; i < n.in; i++)
			for (size_t t = 0; t < n.taps; t++)
				to[(t * n.in + i) * n.out + o] = *from++;
}

void nst_torch_export(const struct nst_net *net, size_t number, const float *from, float *to)
{
	struct order n = order_of(&net->param[number]);

	for (size_t o = 0; o < n.out; o++)
		for (size_t i = 0; i < n.in; i++)
			for (size_t t = 0; t < n.taps; t++)
				*to++ = from[(t * n.in + i) * n.out + o];
}
