/* Optimizers and the moving average of weights, over ranges of the flat vector.  All are
 * element-wise, so a range may be cut between threads anywhere without changing a bit. */
#ifndef NST_NN_OPTIM_H
#define NST_NN_OPTIM_H

#include <stdint.h>

#include "libcore/nn/net.h"

enum nst_optim_kind { NST_OPTIM_SGD, NST_OPTIM_RMSPROP_TF };

/* sgd: m = momentum*m + g; w -= lr*m (nesterov: lr*(g + momentum*m)).
 * rmsprop-tf: TensorFlow's form, ms starts at ONES, eps is inside the root and the rate inside the
 * momentum: ms += (1-rho)*(g*g-ms); mom = momentum*mom + lr*g/sqrt(ms+eps); w -= mom.
 * In both, weight_decay*w is added to g first, for [0, ndecay) of the net only. */
struct nst_optim {
	enum nst_optim_kind kind;
	double momentum;     /* 0.9 */
	int nesterov;        /* sgd */
	double rho, eps;     /* rmsprop-tf: 0.9, 0.001 */
	double weight_decay; /* coefficient of w^2/2 */
};

/* Vectors of state it keeps (sgd 1, rmsprop-tf 2), their names in files, and their start values. */
size_t nst_optim_slots(enum nst_optim_kind kind);
const char *nst_optim_slot_name(enum nst_optim_kind kind, size_t slot);
float nst_optim_slot_start(enum nst_optim_kind kind, size_t slot);

/* Update elements [from, to) of w, to <= net->ntrain, with gradient g and rate lr. */
void nst_optim_update(const struct nst_optim *o, const struct nst_kernels *k,
		      const struct nst_net *net, size_t from, size_t to, double lr, const float *g,
		      float *const slot[2], float *w);

/* Decay of the moving average at step t (counted from 0): min(decay, (1+t)/(10+t)), which keeps the
 * average useful from the first epoch (TensorFlow ExponentialMovingAverage with num_updates). */
double nst_ema_decay(double decay, uint64_t step);

#endif
