/* The rows of a tool's option table (libcore/cli/opt.h) that fill a request: one place for what can
 * be set and what it means.  The tool includes opt.h itself, this room does not know the command
 * line; the help texts state the defaults that nst_settings_resolve computes. */
#ifndef NST_DATA_SETTINGS_OPTIONS_H
#define NST_DATA_SETTINGS_OPTIONS_H

#include "libcore/data/settings.h"

#define NST_SETTINGS_OPTIONS(r) \
	NST_OPT_STRING('a', "arch", "NAME", &(r)->arch, "train this architecture"), \
	NST_OPT_STRING(0, "arch-file", "FILE", &(r)->arch_file, \
		       "train the architecture that FILE describes, see ARCHITECTURES"), \
	NST_OPT_INT(0, "size", "PIXELS", &(r)->size, 8, 4096, \
		    "side of the input images; unless given, what the architecture is made for"), \
	NST_OPT_STRING(0, "mean", "R,G,B", &(r)->mean, \
		       "means of the channels, of values up to 1; unless given, those of ImageNet"), \
	NST_OPT_STRING(0, "std", "R,G,B", &(r)->std, \
		       "standard deviations of the channels, likewise"), \
	NST_OPT_DOUBLE(0, "epochs", "E", &(r)->epochs, 0, 1e6, NST_OPEN_LOW, \
		       "passes over the labeled rows; unless given, 350, or 100 for small images"), \
	NST_OPT_DOUBLE(0, "last-epochs", "E", &(r)->last_epochs, 0, 1e6, NST_OPEN_LOW, \
		       "train the last E of these epochs only, where the schedule has come to then"), \
	NST_OPT_INT(0, "batch", "B", &(r)->batch, 1, 1 << 24, "labeled rows in a step"), \
	NST_OPT_INT(0, "grad-accum-steps", "N", &(r)->accumulate, 1, 1 << 20, \
		    "take the rows of N such batches before the weights change"), \
	NST_OPT_DOUBLE(0, "ratio", "R", &(r)->ratio, 0, 1e6, NST_OPEN_LOW, \
		       "pseudo-labeled rows for each labeled one; unless given, what the mix says, " \
		       "or 1 with --teacher"), \
	NST_OPT_INT(0, "grain", "ROWS", &(r)->grain, 1, 65536, \
		    "rows that share batch-norm statistics, and the piece of work of a thread; " \
		    "unless given, 32, or half of a step of 32 to 63 rows"), \
	NST_OPT_ENUM(0, "bn-stats", "KIND", &(r)->bn_stats, nst_bn_words, \
		     "grains of all rows, or grains of labeled and of pseudo-labeled rows apart; " \
		     "with labeled these alone make the running statistics"), \
	NST_OPT_INT(0, "freeze", "K", &(r)->freeze, 0, 10000, \
		    "keep the stem and the first K blocks as --init has them, their batch norm " \
		    "working as in inference"), \
	NST_OPT_SEED(&(r)->seed), \
	NST_OPT_SECTION("Optimization"), \
	NST_OPT_ENUM(0, "optimizer", "NAME", &(r)->optimizer, nst_optimizer_words, \
		     "unless given, that of the architecture's authors"), \
	NST_OPT_DOUBLE(0, "lr", "RATE", &(r)->lr, 0, 1e6, NST_OPEN_LOW, \
		       "learning rate of a step as it stands, not scaled by the batch"), \
	NST_OPT_ENUM(0, "schedule", "NAME", &(r)->schedule, nst_schedule_words, \
		     "how the rate falls; unless given, staircase for rmsprop-tf, else cosine"), \
	NST_OPT_DOUBLE(0, "warmup", "E", &(r)->warmup, 0, 1e6, NST_CLOSED, \
		       "epochs in which the rate rises from 0; unless given, 5 or a tenth of all"), \
	NST_OPT_DOUBLE(0, "final-lr", "RATE", &(r)->final_lr, 0, 1e6, NST_CLOSED, \
		       "rate at the end; unless given, 0 for cosine, linear and polynomial"), \
	NST_OPT_DOUBLE(0, "power", "X", &(r)->power, 0, 1000, NST_OPEN_LOW, \
		       "polynomial: its exponent; unless given, 1"), \
	NST_OPT_DOUBLE(0, "decay-rate", "X", &(r)->decay_rate, 0, 1, NST_OPEN_LOW, \
		       "staircase: factor of a stair; unless given, 0.97"), \
	NST_OPT_DOUBLE(0, "decay-epochs", "E", &(r)->decay_epochs, 0, 1e6, NST_OPEN_LOW, \
		       "staircase: epochs of a stair; unless given, 2.4 for each 350 of the run, or " \
		       "what --final-lr needs"), \
	NST_OPT_DOUBLE(0, "momentum", "X", &(r)->momentum, 0, 1, NST_OPEN_HIGH, \
		       "momentum of the optimizer; beta1 of adamw and lamb"), \
	NST_OPT_DOUBLE(0, "beta2", "X", &(r)->beta2, 0, 1, NST_OPEN, \
		       "decay of the mean square; unless given, 0.9 for rmsprop-tf, 0.999 for adamw " \
		       "and lamb"), \
	NST_OPT_DOUBLE(0, "eps", "X", &(r)->eps, 0, 1, NST_OPEN_LOW, \
		       "what is added to the root of the mean square, in it for rmsprop-tf; unless " \
		       "given, 0.001, 1e-8 for adamw, 1e-6 for lamb"), \
	NST_OPT_SET(0, "nesterov", &(r)->nesterov, 1, "sgd: Nesterov's momentum"), \
	NST_OPT_SET(0, "no-nesterov", &(r)->nesterov, 0, "sgd: plain momentum"), \
	NST_OPT_DOUBLE(0, "weight-decay", "X", &(r)->weight_decay, 0, 1, NST_CLOSED, \
		       "coefficient of half the squared weights, batch norm excepted; adamw and " \
		       "lamb: decoupled from the gradient"), \
	NST_OPT_DOUBLE(0, "clip-grad", "X", &(r)->clip, 0, 1e9, NST_OPEN_LOW, \
		       "limit the gradient to X"), \
	NST_OPT_ENUM(0, "clip-mode", "MODE", &(r)->clip_mode, nst_clip_words, \
		     "what --clip-grad limits: the length of the gradient, or each of its numbers; " \
		     "unless given, norm"), \
	NST_OPT_DOUBLE(0, "ema", "D", &(r)->ema, 0, 1, NST_OPEN_HIGH, \
		       "decay of the moving average of the weights, (1+t)/(10+t) in early steps t; " \
		       "0 keeps none"), \
	NST_OPT_SECTION("Targets and loss"), \
	NST_OPT_DOUBLE(0, "label-smoothing", "X", &(r)->label_smoothing, 0, 1, NST_OPEN_HIGH, \
		       "share of a hard target that is spread over all classes"), \
	NST_OPT_UNFLAG(0, "no-smooth-pseudo", &(r)->smooth_pseudo, \
		       "do not smooth hard pseudo labels"), \
	NST_OPT_DOUBLE(0, "temperature", "T", &(r)->temperature, 0, 1000, NST_OPEN_LOW, \
		       "soft targets become p^(1/T), scaled to add up to 1"), \
	NST_OPT_ENUM(0, "loss", "FORM", &(r)->loss, nst_loss_words, \
		     "how the losses of labeled and pseudo-labeled rows add up"), \
	NST_OPT_DOUBLE(0, "loss-alpha", "X", &(r)->loss_alpha, 0, 1e6, NST_OPEN_LOW, \
		       "factor of the loss of pseudo-labeled rows"), \
	NST_OPT_DOUBLE(0, "label-sample-prob", "P", &(r)->label_prob, 0, 1, NST_OPEN_LOW, \
		       "chance of a labeled row of a step to count in the loss"), \
	NST_OPT_FLAG(0, "hard-teacher", &(r)->hard_teacher, \
		     "with --teacher: its most probable class is the target"), \
	NST_OPT_SECTION("Noise"), \
	NST_OPT_DOUBLE(0, "dropout", "P", &(r)->dropout, 0, 1, NST_OPEN_HIGH, \
		       "before the classifier; unless given, that of the architecture"), \
	NST_OPT_DOUBLE(0, "drop-path", "P", &(r)->drop_path, 0, 1, NST_OPEN_HIGH, \
		       "stochastic depth of the last block; unless given, that of the architecture"), \
	NST_OPT_STRING(0, "randaugment", "FORM", &(r)->randaugment, \
		       "random operations on each image: nN,mM[,...] for N of magnitude M, " \
		       "timm's rand-m9-mstd0.5-inc1 and the like, fixmatch, or none"), \
	NST_OPT_STRING(0, "autoaugment", "POLICY", &(r)->autoaugment, \
		       "a random pair of operations on each image: v0, v0r, original or " \
		       "originalr, perhaps with -mstdS"), \
	NST_OPT_ENUM(0, "crop", "KIND", &(r)->crop, nst_crop_words, \
		     "unless given, random resized crops, or shifts for small images"), \
	NST_OPT_UNFLAG(0, "no-flip", &(r)->flip, "do not mirror images at random"), \
	NST_OPT_INT(0, "cutout", "PIXELS", &(r)->cutout, 0, 4096, \
		    "half side of a grey square in each image"), \
	NST_OPT_DOUBLE(0, "mixup", "ALPHA", &(r)->mixup, 0, 1000, NST_CLOSED, \
		       "mix pairs of rows by a share from Beta(ALPHA, ALPHA)"), \
	NST_OPT_DOUBLE(0, "cutmix", "ALPHA", &(r)->cutmix, 0, 1000, NST_CLOSED, \
		       "put a box of one image into another, of a share from Beta(ALPHA, ALPHA)"), \
	NST_OPT_DOUBLE(0, "mixup-prob", "P", &(r)->mixup_prob, 0, 1, NST_OPEN_LOW, \
		       "chance of a row to be mixed; unless given, 1"), \
	NST_OPT_DOUBLE(0, "mixup-switch-prob", "P", &(r)->switch_prob, 0, 1, NST_CLOSED, \
		       "chance of cutmix where both are on; unless given, 0.5"), \
	NST_OPT_ENUM(0, "mixup-rows", "WHICH", &(r)->mixup_rows, nst_mixup_words, \
		     "which rows mixup and cutmix mix, each kind with its own; unless given, both"), \
	NST_OPT_DOUBLE(0, "random-erasing", "P", &(r)->erasing, 0, 1, NST_CLOSED, \
		       "erase a random rectangle from an image with probability P"), \
	NST_OPT_ENUM(0, "random-erasing-mode", "MODE", &(r)->erasing_mode, nst_erasing_words, \
		     "fill it with the mean, a random colour, or noise; unless given, const"), \
	NST_OPT_INT(0, "random-erasing-count", "N", &(r)->erasing_count, 1, 100, \
		    "erase 1 to N smaller rectangles; unless given, 1"), \
	NST_OPT_ENUM(0, "train-interpolation", "FILTER", &(r)->train_interpolation, \
		     nst_train_filter_words, \
		     "how random crops are resized; random: bilinear or bicubic; unless given, " \
		     "bicubic"), \
	NST_OPT_ENUM(0, "pseudo-noise", "WHAT", &(r)->pseudo_noise, nst_pseudo_noise_words, \
		     "what noise pseudo-labeled rows get"), \
	NST_OPT_SECTION("Test images"), \
	NST_OPT_INT(0, "crop-padding", "PIXELS", &(r)->crop_padding, 0, 4096, \
		    "take the central square of size/(size+PIXELS) of the shorter side, then resize; " \
		    "unless given, 32, or 0 for small images"), \
	NST_OPT_DOUBLE(0, "crop-fraction", "F", &(r)->crop_fraction, 0, 1, NST_OPEN_LOW, \
		       "resize the shorter side to size/F, then take the central square (crop_pct)"), \
	NST_OPT_ENUM(0, "interpolation", "FILTER", &(r)->interpolation, nst_filter_words, \
		     "how test images are resized; unless given, bicubic")

#endif
