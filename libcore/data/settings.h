/* Everything that decides what a training run computes: what was asked for, and what it comes to.
 *
 * Most defaults depend on the architecture, the batch and the length of the run, so a request says
 * only what the user said, and nst_settings_resolve turns it into a full set.  The full set as text
 * goes into the model, and a checkpoint is only resumed by a run with the same text.
 *
 * Defaults, in the sources' words: EfficientNets as in google-research/noisystudent (RMSProp, rate
 * 0.016 for 256 labeled rows, 0.97 every 2.4 of 350 epochs, decay 1e-5), ResNets and WideResNets as
 * their papers (SGD, rate 0.1 for 128 rows, decay 1e-4 and 5e-4) but with a cosine schedule. */
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
	const char *arch, *randaugment, *autoaugment;
	uint64_t seed;
	int64_t size, batch, grain, cutout, crop_padding, erasing_count;
	double epochs, lr, warmup, final_lr, decay_rate, decay_epochs;
	double momentum, weight_decay, ema;
	double label_smoothing, temperature, dropout, drop_path, crop_fraction, erasing;
	int schedule, optimizer, nesterov, smooth_pseudo, loss, crop, flip; /* enums and 0/1 */
	int interpolation, train_interpolation, erasing_mode, pseudo_noise;
};

#define NST_REQUEST_NONE \
	{.size = -1, .batch = 128, .grain = 0, .cutout = 0, .epochs = NAN, .lr = NAN, \
	 .warmup = NAN, .final_lr = NAN, .decay_rate = 0.97, .decay_epochs = NAN, \
	 .momentum = 0.9, .weight_decay = NAN, .ema = 0.9999, .label_smoothing = 0.1, \
	 .temperature = 1, .dropout = NAN, .drop_path = NAN, .schedule = -1, .optimizer = -1, \
	 .nesterov = -1, .smooth_pseudo = 1, .crop = -1, .flip = 1, .crop_padding = -1, \
	 .crop_fraction = NAN, .interpolation = -1, .train_interpolation = -1, .erasing = 0, \
	 .erasing_mode = -1, .erasing_count = 0}

/* Words of the enums, each list ends with NULL. */
extern const char *const nst_schedule_words[];  /* enum nst_schedule_kind */
extern const char *const nst_optimizer_words[]; /* enum nst_optim_kind */
extern const char *const nst_loss_words[];      /* enum nst_loss_form */
extern const char *const nst_crop_words[];      /* enum nst_view_kind */
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
	size_t batch;
};

/* Returns 0, or NST_EINVAL with a sentence: an unknown architecture, numbers that do not fit. */
int nst_settings_resolve(const struct nst_request *r, struct nst_settings *s, struct nst_err *err)
	NST_MUST_CHECK;

/* Append the set as lines "lr=0.05", named as the options are. */
int nst_settings_lines(const struct nst_settings *s, struct nst_list *lines, struct nst_err *err)
	NST_MUST_CHECK;

/* Shortest text that reads back as the same double; out has at least 32 bytes.  Returns out. */
char *nst_number(double d, char *out);

#endif
