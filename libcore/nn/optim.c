/* One pass over each range of parameters: gradient, slots and weight are read once.  sgd and
 * rmsprop-tf have kernels, adamw and lamb are plain loops: beside a gradient they are nothing. */
#include "libcore/nn/optim.h"

#include <math.h>

static const struct {
	double rho, eps;
	size_t slots;
	struct {
		const char *name;
		float start;
	} slot[2];
} optimizer[] = {
	[NST_OPTIM_SGD] = { 0, 0, 1, { { "momentum", 0 } } },
	[NST_OPTIM_RMSPROP_TF] = { 0.9, 0.001, 2, { { "mean_square", 1 }, { "momentum", 0 } } },
	[NST_OPTIM_ADAMW] = { 0.999, 1e-8, 2, { { "mean_square", 0 }, { "momentum", 0 } } },
	[NST_OPTIM_LAMB] = { 0.999, 1e-6, 2, { { "mean_square", 0 }, { "momentum", 0 } } },
};

void nst_optim_constants(enum nst_optim_kind kind, double *rho, double *eps)
{
	*rho = optimizer[kind].rho;
	*eps = optimizer[kind].eps;
}

size_t nst_optim_slots(enum nst_optim_kind kind)
{
	return optimizer[kind].slots;
}

const char *nst_optim_slot_name(enum nst_optim_kind kind, size_t slot)
{
	return optimizer[kind].slot[slot].name;
}

float nst_optim_slot_start(enum nst_optim_kind kind, size_t slot)
{
	return optimizer[kind].slot[slot].start;
}

int nst_optim_by_tensor(enum nst_optim_kind kind)
{
	return kind == NST_OPTIM_LAMB;
}

/* A range of adamw, or of lamb's batch norm: g becomes the direction, and w steps along it by lr,
 * unless lr is 0. */
static void adam(const struct nst_optim *o, size_t n, double lr, double decay, uint64_t step,
		 float *restrict g, float *restrict square, float *restrict mean, float *restrict w)
{
	const double t = (double)step + 1;
	const float beta1 = (float)(1 - o->momentum), beta2 = (float)(1 - o->rho);
	const float unbias1 = (float)(1 / (1 - pow(o->momentum, t)));
	const float unbias2 = (float)(1 / (1 - pow(o->rho, t)));
	const float eps = (float)o->eps, rate = (float)lr, shrink = (float)decay;

	for (size_t i = 0; i < n; i++) {
		mean[i] += beta1 * (g[i] - mean[i]);
		square[i] += beta2 * (g[i] * g[i] - square[i]);
		g[i] = mean[i] * unbias1 / (sqrtf(square[i] * unbias2) + eps) + shrink * w[i];
		w[i] -= rate * g[i];
	}
}

static void lamb(const struct nst_optim *o, size_t n, double lr, uint64_t step, float *g,
		 float *square, float *mean, float *w)
{
	double weights = sqrt(nst_sum_squares(w, n)), direction, trust;
	float rate;

	adam(o, n, 0, o->weight_decay, step, g, square, mean, w);
	direction = sqrt(nst_sum_squares(g, n));
	trust = weights > 0 && direction > 0 ? weights / direction : 1;
	rate = (float)(lr * trust);
	for (size_t i = 0; i < n; i++)
		w[i] -= rate * g[i];
}

/* A range that decays as a whole or not at all. */
static void update(const struct nst_optim *o, const struct nst_kernels *k, size_t from, size_t to,
		   double lr, int decays, uint64_t step, float *g, float *const slot[2], float *w)
{
	double decay = decays ? o->weight_decay : 0;
	size_t n = to - from;

	if (from >= to)
		return;
	if (o->kind == NST_OPTIM_SGD)
		k->sgd(n, g + from, (float)lr, (float)o->momentum, (float)decay, o->nesterov,
		       slot[0] + from, w + from);
	else if (o->kind == NST_OPTIM_RMSPROP_TF)
		k->rmsprop_tf(n, g + from, (float)lr, (float)o->rho, (float)o->momentum,
			      (float)o->eps, (float)decay, slot[0] + from, slot[1] + from,
			      w + from);
	else if (o->kind == NST_OPTIM_LAMB && decays)
		lamb(o, n, lr, step, g + from, slot[0] + from, slot[1] + from, w + from);
	else
		adam(o, n, lr, decay, step, g + from, slot[0] + from, slot[1] + from, w + from);
}

void nst_optim_update(const struct nst_optim *o, const struct nst_kernels *k,
		      const struct nst_net *net, size_t from, size_t to, double lr, uint64_t step,
		      float *g, float *const slot[2], float *w)
{
	size_t middle = to < net->ndecay ? to : net->ndecay;

	update(o, k, from, middle, lr, 1, step, g, slot, w);
	update(o, k, from > middle ? from : middle, to, lr, 0, step, g, slot, w);
}

double nst_sum_squares(const float *x, size_t n)
{
	double sum[8] = { 0 }, all = 0;

	for (size_t i = 0; i < n; i++)
		sum[i % 8] += (double)x[i] * x[i];
	for (size_t i = 0; i < 8; i++)
		all += sum[i];
	return all;
}

double nst_clip_factor(double limit, double sum_squares)
{
	double factor = limit / (sqrt(sum_squares) + 1e-6);

	return factor < 1 ? factor : 1;
}

void nst_clip_value(float *g, size_t n, double limit)
{
	float most = (float)limit;

	for (size_t i = 0; i < n; i++)
		g[i] = g[i] > most ? most : g[i] < -most ? -most : g[i];
}

double nst_ema_decay(double decay, uint64_t step)
{
	double early = (1 + (double)step) / (10 + (double)step);

	return early < decay ? early : decay;
}
