/* Learning-rate schedules: closed forms of the epoch, no state to save. */
#include "libcore/nn/schedule.h"

#include <math.h>

static int falls_to_final(enum nst_schedule_kind kind)
{
	return kind == NST_SCHEDULE_COSINE || kind == NST_SCHEDULE_LINEAR ||
	       kind == NST_SCHEDULE_POLYNOMIAL;
}

int nst_schedule_check(const struct nst_schedule *s, struct nst_err *err)
{
	if (!(s->base > 0) || !isfinite(s->base))
		return nst_fail(err, NST_EINVAL, "the learning rate must be above 0");
	if (!(s->epochs > 0) || !isfinite(s->epochs))
		return nst_fail(err, NST_EINVAL, "the number of epochs must be above 0");
	if (!(s->warmup >= 0) || s->warmup > s->epochs)
		return nst_fail(err, NST_EINVAL,
				"the warm-up of %g epochs must lie within the %g of the training",
				s->warmup, s->epochs);
	if (falls_to_final(s->kind) && !(s->final >= 0 && s->final <= s->base))
		return nst_fail(err, NST_EINVAL,
				"the final learning rate %g must lie between 0 and %g", s->final,
				s->base);
	if (s->kind == NST_SCHEDULE_STAIRCASE && !(s->decay_rate > 0 && s->decay_rate <= 1))
		return nst_fail(err, NST_EINVAL, "the decay rate %g must be above 0 and at most 1",
				s->decay_rate);
	if (s->kind == NST_SCHEDULE_STAIRCASE && !(s->decay_epochs > 0))
		return nst_fail(err, NST_EINVAL, "the decay epochs %g must be above 0",
				s->decay_epochs);
	if (s->kind == NST_SCHEDULE_POLYNOMIAL && !(s->power > 0 && isfinite(s->power)))
		return nst_fail(err, NST_EINVAL, "the power %g of the schedule must be above 0",
				s->power);
	return 0;
}

/* Which part of the way from warm-up to end is done. */
static double part_done(const struct nst_schedule *s, double epoch)
{
	double length = s->epochs - s->warmup;
	double part = length > 0 ? (epoch - s->warmup) / length : 1;

	return part > 1 ? 1 : part;
}

double nst_schedule_rate(const struct nst_schedule *s, double epoch)
{
	if (epoch < s->warmup)
		return s->base * epoch / s->warmup;
	switch (s->kind) {
	case NST_SCHEDULE_COSINE:
		return s->final +
		       (s->base - s->final) * (1 + cos(M_PI * part_done(s, epoch))) / 2;
	case NST_SCHEDULE_STAIRCASE:
		return s->base * pow(s->decay_rate, floor(epoch / s->decay_epochs));
	case NST_SCHEDULE_LINEAR:
		return s->final + (s->base - s->final) * (1 - part_done(s, epoch));
	case NST_SCHEDULE_POLYNOMIAL:
		return s->final + (s->base - s->final) * pow(1 - part_done(s, epoch), s->power);
	case NST_SCHEDULE_CONSTANT:
		break;
	}
	return s->base;
}

double nst_schedule_decay_epochs(double base, double final, double epochs, double warmup,
				 double decay_rate)
{
	return (epochs - warmup) / (log(final / base) / log(decay_rate));
}
