/* Everything that decides what a training run computes: what was asked for, and what it comes to.
 *
 * Most defaults depend on the architecture, the batch and the length of the run, so a request says
 * only what the user said, and nst_settings_resolve turns it into a full set.  The full set as text
 * goes into the model, and a checkpoint is only resumed by a run with the same text.
 *
 * Defaults, in the sources' words: EfficientNets as in google-research/noisystudent (RMSProp, rate
 * 0.016 for 256 labeled rows, 0.97 every 2.4 of 350 epochs, decay 1e-5), ResNets and WideResNets as
 * their papers (SGD, rate 0.1 for 128 rows, decay 1e-4 and 5e-4) but with a cosine schedule.  AdamW
 * as Touvron et al. 2021 (arXiv 2012.12877; rate 5e-4 for 512 rows, decay 0.05), LAMB as Wightman et
 * al. 2021 (arXiv 2110.00476; rate 5e-3 for 2048 rows, decay 0.02). */
#ifndef NST_DATA_SETTINGS_H
#define NST_DATA_SETTINGS_H

#include <stdint.h>

#include "libcore/augment/augment.h"
#include "libcore/image/preprocess.h"
#include "libcore/io/list.h"
#include "libcore/nn/schedule.h"
#include "libcore/nn/trainer.h"

/* NaN, -1 and NULL mean: not said.  Start from NST_REQUEST_NONE. */
struct nst_request {
	const char *preset;           /* whose options stand among the rest, or NULL */
	const char *arch, *arch_file; /* the second one goes first */
	const char *randaugment, *autoaugment, *mean, *std;
	uint64_t seed;
	int64_t size, batch, accumulate, grain, cutout, freeze, crop_padding, erasing_count;
	double epochs, last_epochs, lr, warmup, final_lr, decay_rate, decay_epochs, power;
	double momentum, beta2, eps, weight_decay, ema, clip;
	double label_smoothing, temperature, loss_alpha, label_prob, ratio, dropout, drop_path;
	double mixup, cutmix, mixup_prob, switch_prob, crop_fraction, erasing;
	int schedule, optimizer, nesterov, smooth_pseudo, loss, crop, flip; /* enums and 0/1 */
	int clip_mode, bn_stats, mixup_rows, hard_teacher;
	int interpolation, train_interpolation, erasing_mode, pseudo_noise;
};

#define NST_REQUEST_NONE \
	{.size = -1, .batch = 128, .accumulate = 1, .grain = 0, .cutout = 0, .epochs = NAN, \
	 .lr = NAN, .warmup = NAN, .final_lr = NAN, .decay_rate = NAN, .decay_epochs = NAN, \
	 .power = NAN, .momentum = 0.9, .beta2 = NAN, .eps = NAN, .weight_decay = NAN, \
	 .ema = 0.9999, .label_smoothing = 0.1, .temperature = 1, .loss_alpha = 1, \
	 .label_prob = 1, .ratio = NAN, .dropout = NAN, .drop_path = NAN, .mixup_prob = NAN, \
	 .switch_prob = NAN, .clip_mode = -1, .mixup_rows = -1, .schedule = -1, \
	 .optimizer = -1, .nesterov = -1, \
	 .smooth_pseudo = 1, .crop = -1, .flip = 1, .crop_padding = -1, .crop_fraction = NAN, \
	 .interpolation = -1, .train_interpolation = -1, .erasing_mode = -1}

/* Words of the enums, each list ends with NULL. */
extern const char *const nst_schedule_words[];  /* enum nst_schedule_kind */
extern const char *const nst_optimizer_words[]; /* enum nst_optim_kind */
extern const char *const nst_loss_words[];      /* enum nst_loss_form */
extern const char *const nst_crop_words[];      /* enum nst_view_kind */
extern const char *const nst_clip_words[];      /* enum nst_clip_mode */
extern const char *const nst_bn_words[];        /* enum nst_bn_stats */
extern const char *const nst_mixup_words[];     /* enum nst_mixup_rows */

/* Which rows share batch statistics, and whose become the running ones: all together; labeled and
 * pseudo-labeled rows in grains of their own, all of which make the running ones; such grains, but
 * the labeled ones alone make the running ones. */
enum nst_bn_stats { NST_BN_JOINT, NST_BN_SPLIT, NST_BN_LABELED };

enum nst_mixup_rows { NST_MIXUP_BOTH, NST_MIXUP_LABELED, NST_MIXUP_PSEUDO };
extern const char *const nst_filter_words[];    /* enum nst_filter */
extern const char *const nst_train_filter_words[]; /* enum nst_filter, then "random" */
extern const char *const nst_erasing_words[];      /* enum nst_erasing_mode */
extern const char *const nst_pseudo_noise_words[]; /* enum nst_pseudo_noise */

struct nst_settings {
	struct nst_arch arch;
	struct nst_preprocess preprocess; /* its size is the net's */
	struct nst_augment augment;
	enum nst_pseudo_noise pseudo_noise;
	struct nst_train_options train;
	struct nst_schedule schedule;
	enum nst_loss_form loss;
	double loss_alpha;
	size_t batch;            /* labeled rows of a step, accumulated ones included */
	double last_epochs;      /* how much of the end of the schedule is run; 0 = all of it */
	double label_prob;       /* chance of a labeled row to count in the loss */
	double ratio;            /* pseudo-labeled rows for each labeled one; 0 = what the mix says */
	int ratio_asked;         /* by the user, not by a preset */
	enum nst_bn_stats bn_stats;
	int hard_teacher;        /* the most probable class of the teacher is the target */
};

/* Returns 0, or NST_EINVAL with a sentence: an unknown architecture, numbers that do not fit. */
int nst_settings_resolve(const struct nst_request *r, struct nst_settings *s, struct nst_err *err)
	NST_MUST_CHECK;

/* The options to train steps of so many rows with: the grain that suits them unless one was asked for,
 * and not more than there are, since rows that no step has need no memory.  Returns 0, or NST_EINVAL
 * where a grain of a single row would be left without statistics (nst_net_least_grain). */
int nst_settings_training(const struct nst_settings *s, const struct nst_net *net, size_t rows,
			  struct nst_train_options *o, struct nst_err *err) NST_MUST_CHECK;

/* Append the set as lines "lr=0.05", named as the options are. */
int nst_settings_lines(const struct nst_settings *s, struct nst_list *lines, struct nst_err *err)
	NST_MUST_CHECK;

/* Shortest text that reads back as the same double; out has at least 32 bytes.  Returns out. */
char *nst_number(double d, char *out);

#endif
