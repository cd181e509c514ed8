/* Learning rate as a function of the (fractional) epoch. */
#ifndef NST_NN_SCHEDULE_H
#define NST_NN_SCHEDULE_H

#include "libcore/util/err.h"

enum nst_schedule_kind {
	NST_SCHEDULE_CONSTANT,
	NST_SCHEDULE_COSINE,
	NST_SCHEDULE_STAIRCASE,
	NST_SCHEDULE_LINEAR,
	NST_SCHEDULE_POLYNOMIAL
};

struct nst_schedule {
	enum nst_schedule_kind kind;
	double base;         /* rate after the warm-up */
	double epochs;       /* length of the training */
	double warmup;       /* epochs of linear rise from 0 to base; 0 = none */
	double final;        /* cosine, linear, polynomial: rate at the end */
	double decay_rate;   /* staircase: factor (0.97) ... */
	double decay_epochs; /* ... every so many epochs (2.4), counted from 0 */
	double power;        /* polynomial: exponent */
};

/* 0, or NST_EINVAL naming what is out of range. */
int nst_schedule_check(const struct nst_schedule *s, struct nst_err *err) NST_MUST_CHECK;

/* Rate at epoch >= 0:
 *   constant   base
 *   cosine     final + (base-final) * (1 + cos(pi * (epoch-warmup)/(epochs-warmup))) / 2   (SGDR)
 *   staircase  base * decay_rate^floor(epoch/decay_epochs)            (noisystudent utils.py)
 *   linear     final + (base-final) * (1 - (epoch-warmup)/(epochs-warmup))
 *   polynomial final + (base-final) * (1 - (epoch-warmup)/(epochs-warmup))^power
 * and before `warmup` base * epoch/warmup in place of all. */
double nst_schedule_rate(const struct nst_schedule *s, double epoch);

/* Epochs between staircase steps that bring base down to final at the end (noisystudent's
 * final_base_lr): (epochs - warmup) / (ln(final/base) / ln(decay_rate)). */
double nst_schedule_decay_epochs(double base, double final, double epochs, double warmup,
				 double decay_rate);

#endif
