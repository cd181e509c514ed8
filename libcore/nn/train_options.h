/* What training is told: rates of noise, forms of the loss, the optimizer, what stays as it is. */
#ifndef NST_NN_TRAIN_OPTIONS_H
#define NST_NN_TRAIN_OPTIONS_H

#include "libcore/nn/mixup.h"
#include "libcore/nn/net.h"
#include "libcore/nn/optim.h"

struct nst_train_options {
	size_t grain; /* rows, >= nst_net_least_grain; 32 */
	uint64_t seed;
	double dropout;         /* rate before the classifier, 0 <= rate < 1 */
	double drop_path;       /* rate of the block behind the last; block b has rate*b/nblocks */
	int calm_pseudo;        /* 1: neither of the two acts on pseudo-labeled rows */
	double label_smoothing; /* of classes as targets, labeled and pseudo (main.py) */
	int smooth_pseudo;      /* 0: hard pseudo labels are not smoothed */
	double temperature;     /* of soft targets, 1 */
	struct nst_optim optim;
	double ema; /* decay of the moving average, 0 = none; see nst_ema_decay */
	struct nst_mixup mixup;
	double clip; /* limit of the gradient, 0 = none */
	enum nst_clip_mode clip_mode;
	/* The stem and blocks before this one keep their weights, and their batch norm works with
	 * its running statistics, which stay as they are (noisystudent's fix_layer_num); 0 = none. */
	size_t freeze;
	/* Running statistics of batch norm are those of grains of labeled rows alone: a grain must
	 * then hold rows of one role. */
	int labeled_stats;
};

/* Options as the architecture's authors have them, a start to be overridden: grain 32, seed 0,
 * label smoothing 0.1, temperature 1, rates of the arch; EfficientNet RMSProp, weight decay 1e-5,
 * EMA .9999 (noisystudent main.py); ResNet SGD 1e-4, WideResNet Nesterov 5e-4, no EMA. */
void nst_train_options_init(struct nst_train_options *o, const struct nst_arch *arch);

/* Whether net can be trained so.  Returns 0 or NST_EINVAL. */
int nst_train_options_check(const struct nst_net *net, const struct nst_train_options *o,
			    struct nst_err *err) NST_MUST_CHECK;

#endif
