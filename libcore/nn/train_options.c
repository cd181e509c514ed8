/* What training is told. */
#include "libcore/nn/train_options.h"

#include <math.h>
#include <string.h>

void nst_train_options_init(struct nst_train_options *o, const struct nst_arch *arch)
{
	int preact = 0;

	for (size_t i = 0; i < arch->nstages; i++)
		preact |= arch->stage[i].kind == NST_STAGE_PREACT;
	memset(o, 0, sizeof(*o));
	o->grain = 32;
	o->dropout = arch->dropout;
	o->drop_path = arch->drop_path;
	o->label_smoothing = 0.1;
	o->smooth_pseudo = 1;
	o->temperature = 1;
	o->optim.momentum = 0.9;
	o->mixup.prob = 1;
	o->mixup.switch_prob = 0.5;
	o->mixup.role[NST_ROLE_LABELED] = o->mixup.role[NST_ROLE_PSEUDO] = 1;
	if (arch->init == NST_INIT_TF) {
		o->optim.kind = NST_OPTIM_RMSPROP_TF;
		o->optim.weight_decay = 1e-5;
		o->ema = 0.9999;
	} else {
		o->optim.kind = NST_OPTIM_SGD;
		o->optim.nesterov = preact;
		o->optim.weight_decay = preact ? 5e-4 : 1e-4;
	}
	nst_optim_constants(o->optim.kind, &o->optim.rho, &o->optim.eps);
}

int nst_train_options_check(const struct nst_net *net, const struct nst_train_options *o,
			    struct nst_err *err)
{
	if (o->grain < nst_net_least_grain(net, o->freeze) || o->grain > 1 << 20)
		return nst_fail(err, NST_EINVAL,
				"a grain of %zu rows cannot be: it needs %zu at least", o->grain,
				nst_net_least_grain(net, o->freeze));
	if (!(o->dropout >= 0 && o->dropout < 1))
		return nst_fail(err, NST_EINVAL, "the dropout rate %g is not in [0,1)", o->dropout);
	if (!(o->drop_path >= 0 && o->drop_path < 1))
		return nst_fail(err, NST_EINVAL, "the stochastic-depth rate %g is not in [0,1)",
				o->drop_path);
	if (!(o->label_smoothing >= 0 && o->label_smoothing < 1))
		return nst_fail(err, NST_EINVAL, "the label smoothing %g is not in [0,1)",
				o->label_smoothing);
	if (!(o->temperature > 0) || !isfinite(o->temperature))
		return nst_fail(err, NST_EINVAL, "the temperature %g is not above 0",
				o->temperature);
	if (!(o->ema >= 0 && o->ema < 1))
		return nst_fail(err, NST_EINVAL,
				"the decay %g of the moving average is not in [0,1)", o->ema);
	if (!(o->clip >= 0) || !isfinite(o->clip))
		return nst_fail(err, NST_EINVAL, "the limit %g of the gradient is not above 0",
				o->clip);
	if (!(o->mixup.mixup >= 0 && o->mixup.cutmix >= 0) || !isfinite(o->mixup.mixup) ||
	    !isfinite(o->mixup.cutmix))
		return nst_fail(err, NST_EINVAL, "alpha of mixup and cutmix cannot be negative");
	return 0;
}
