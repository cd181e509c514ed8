/* One pass over each range of parameters: the kernel reads gradient, slots and weight once. */
#include "libcore/nn/optim.h"

static const struct {
	const char *name;
	float start;
} sgd_slot[] = { { "momentum", 0 } }, rmsprop_slot[] = { { "mean_square", 1 }, { "momentum", 0 } };

size_t nst_optim_slots(enum nst_optim_kind kind)
{
	return kind == NST_OPTIM_SGD ? 1 : 2;
}

const char *nst_optim_slot_name(enum nst_optim_kind kind, size_t slot)
{
	return kind == NST_OPTIM_SGD ? sgd_slot[slot].name : rmsprop_slot[slot].name;
}

float nst_optim_slot_start(enum nst_optim_kind kind, size_t slot)
{
	return kind == NST_OPTIM_SGD ? sgd_slot[slot].start : rmsprop_slot[slot].start;
}

/* A range that decays as a whole or not at all. */
static void update(const struct nst_optim *o, const struct nst_kernels *k, size_t from, size_t to,
		   double lr, double decay, const float *g, float *const slot[2], float *w)
{
	if (from >= to)
		return;
	if (o->kind == NST_OPTIM_SGD)
		k->sgd(to - from, g + from, (float)lr, (float)o->momentum, (float)decay,
		       o->nesterov, slot[0] + from, w + from);
	else
		k->rmsprop_tf(to - from, g + from, (float)lr, (float)o->rho, (float)o->momentum,
			      (float)o->eps, (float)decay, slot[0] + from, slot[1] + from,
			      w + from);
}

void nst_optim_update(const struct nst_optim *o, const struct nst_kernels *k,
		      const struct nst_net *net, size_t from, size_t to, double lr, const float *g,
		      float *const slot[2], float *w)
{
	size_t middle = to < net->ndecay ? to : net->ndecay;

	update(o, k, from, middle, lr, o->weight_decay, g, slot, w);
	update(o, k, from > middle ? from : middle, to, lr, 0, g, slot, w);
}

double nst_ema_decay(double decay, uint64_t step)
{
	double early = (1 + (double)step) / (10 + (double)step);

	return early < decay ? early : decay;
}
