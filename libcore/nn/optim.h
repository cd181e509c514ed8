/* Optimizers and the moving average of weights, over ranges of the flat vector.  All but lamb are
 * element-wise, so a range may be cut between threads anywhere without changing a bit; lamb wants
 * whole tensors. */
#ifndef NST_NN_OPTIM_H
#define NST_NN_OPTIM_H

#include <stdint.h>

#include "libcore/nn/net.h"

enum nst_optim_kind { NST_OPTIM_SGD, NST_OPTIM_RMSPROP_TF, NST_OPTIM_ADAMW, NST_OPTIM_LAMB };

/* sgd: m = momentum*m + g; w -= lr*m (nesterov: lr*(g + momentum*m)).
 * rmsprop-tf: TensorFlow's form, ms starts at ONES, eps is inside the root and the rate inside the
 * momentum: ms += (1-rho)*(g*g-ms); mom = momentum*mom + lr*g/sqrt(ms+eps); w -= mom.
 * In both, weight_decay*w is added to g first, for [0, ndecay) of the net only.
 * adamw (Loshchilov & Hutter 2019, algorithm 2): m += (1-momentum)*(g-m); v += (1-rho)*(g*g-v);
 * w -= lr*(m'/(sqrt(v')+eps) + weight_decay*w), where m' = m/(1-momentum^t), v' = v/(1-rho^t) in
 * step t = 1, 2, ...
 * lamb (You et al. 2020, algorithm 2): u = m'/(sqrt(v')+eps) + weight_decay*w for a tensor of
 * [0, ndecay), and w -= lr*|w|/|u|*u (lr*u where a norm is 0); batch norm goes by adamw without
 * decay, as in the authors' code. */
struct nst_optim {
	enum nst_optim_kind kind;
	double momentum;     /* 0.9; adamw, lamb: beta1 */
	int nesterov;        /* sgd */
	double rho;          /* decay of the mean square: rmsprop-tf 0.9; adamw, lamb (beta2) 0.999 */
	double eps;          /* rmsprop-tf 0.001, adamw 1e-8, lamb 1e-6 */
	double weight_decay; /* coefficient of w^2/2; adamw, lamb: decoupled */
};

/* rho and eps as the authors of that optimizer have them. */
void nst_optim_constants(enum nst_optim_kind kind, double *rho, double *eps);

/* Vectors of state it keeps (sgd 1, the others 2), their names in files, and their start values. */
size_t nst_optim_slots(enum nst_optim_kind kind);
const char *nst_optim_slot_name(enum nst_optim_kind kind, size_t slot);
float nst_optim_slot_start(enum nst_optim_kind kind, size_t slot);

/* Does it look at whole tensors, so that nst_optim_update wants a tensor's range each time? */
int nst_optim_by_tensor(enum nst_optim_kind kind);

/* Update elements [from, to) of w, to <= net->ntrain, with gradient g and rate lr, in step `step`
 * (from 0).  An optimizer by tensor takes g's memory to work in. */
void nst_optim_update(const struct nst_optim *o, const struct nst_kernels *k,
		      const struct nst_net *net, size_t from, size_t to, double lr, uint64_t step,
		      float *g, float *const slot[2], float *w);

/* Limits of the gradient, applied before weight decay.
 * norm   g * limit / (|g| + 1e-6) where the norm |g| of all trained gradients exceeds limit
 *        (Pascanu et al. 2013; the 1e-6 is torch's clip_grad_norm_)
 * value  each element cut to [-limit, limit] */
enum nst_clip_mode { NST_CLIP_NORM, NST_CLIP_VALUE };

/* Sum of squares of x[0..n), in double, in order; eight partial sums. */
double nst_sum_squares(const float *x, size_t n);
/* Factor for a gradient with that sum of squares. */
double nst_clip_factor(double limit, double sum_squares);
void nst_clip_value(float *g, size_t n, double limit);

/* Decay of the moving average at step t (counted from 0): min(decay, (1+t)/(10+t)), which keeps the
 * average useful from the first epoch (TensorFlow ExponentialMovingAverage with num_updates). */
double nst_ema_decay(double decay, uint64_t step);

#endif
