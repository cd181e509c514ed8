/* Cross-entropy of one row at a time, in double: a row is short and the sum over classes long. */
#include "libcore/nn/loss.h"

#include <math.h>

static void expand_class(int32_t class, size_t k, double smoothing, float *out)
{
	float rest = (float)(smoothing / (double)k);

	for (size_t i = 0; i < k; i++)
		out[i] = rest;
	out[class] = (float)(1 - smoothing + smoothing / (double)k);
}

static int check_sum(double sum, struct nst_err *err)
{
	if (!(fabs(sum - 1) <= 1e-2))
		return nst_fail(err, NST_EINVAL,
				"the probabilities of a target add up to %g instead of 1", sum);
	return 0;
}

static int bad_probability(float p, struct nst_err *err)
{
	return nst_fail(err, NST_EINVAL, "a target has the probability %g", (double)p);
}

static int expand_soft(const struct nst_target *t, size_t k, float *out, struct nst_err *err)
{
	double sum = 0;

	for (size_t i = 0; i < k; i++) {
		if (!(t->soft[i] >= 0) || !isfinite(t->soft[i]))
			return bad_probability(t->soft[i], err);
		out[i] = t->soft[i];
		sum += t->soft[i];
	}
	return check_sum(sum, err);
}

static int expand_top(const struct nst_target *t, size_t k, float *out, struct nst_err *err)
{
	double sum = 0;
	float rest;

	if (t->ntop > k)
		return nst_fail(err, NST_EINVAL, "a target names %zu of %zu classes", t->ntop, k);
	for (size_t i = 0; i < t->ntop; i++) {
		if (t->top[i] < 0 || (size_t)t->top[i] >= k)
			return nst_fail(err, NST_EINVAL, "a target names class %d of %zu",
					(int)t->top[i], k);
		if (!(t->soft[i] >= 0) || !isfinite(t->soft[i]))
			return bad_probability(t->soft[i], err);
		sum += t->soft[i];
	}
	if (t->ntop == k || sum > 1) {
		rest = 0;
	} else {
		rest = (float)((1 - sum) / (double)(k - t->ntop));
		sum = 1;
	}
	for (size_t i = 0; i < k; i++)
		out[i] = rest;
	for (size_t i = 0; i < t->ntop; i++)
		out[t->top[i]] = t->soft[i];
	return check_sum(sum, err);
}

/* p^(1/temperature) / sum; the plain sum for temperature 1, which rounds half precision away. */
static void sharpen(size_t k, double temperature, float *p)
{
	double sum = 0;

	for (size_t i = 0; i < k; i++) {
		if (temperature != 1)
			p[i] = (float)pow(p[i], 1 / temperature);
		sum += p[i];
	}
	for (size_t i = 0; i < k; i++)
		p[i] = (float)(p[i] / sum);
}

int nst_target_expand(const struct nst_target *t, size_t k, double smoothing, double temperature,
		      float *out, struct nst_err *err)
{
	int r;

	if (!t->soft) {
		if (t->class < 0 || (size_t)t->class >= k)
			return nst_fail(err, NST_EINVAL, "a target names class %d of %zu",
					(int)t->class, k);
		expand_class(t->class, k, smoothing, out);
		return 0;
	}
	r = t->ntop ? expand_top(t, k, out, err) : expand_soft(t, k, out, err);
	if (!r)
		sharpen(k, temperature, out);
	return r;
}

/* Largest logit and the sum of exp(logit - largest). */
static double exp_sum(size_t k, const float *logits, double *largest)
{
	double sum = 0, top = logits[0];

	for (size_t i = 1; i < k; i++)
		if (logits[i] > top)
			top = logits[i];
	for (size_t i = 0; i < k; i++)
		sum += exp(logits[i] - top);
	*largest = top;
	return sum;
}

double nst_cross_entropy(size_t k, const float *logits, const float *target, double weight,
			 float *grad)
{
	double top, sum = exp_sum(k, logits, &top), log_sum = log(sum), loss = 0;

	for (size_t i = 0; i < k; i++) {
		double log_p = logits[i] - top - log_sum;

		if (target[i] > 0)
			loss -= target[i] * log_p;
		if (grad)
			grad[i] = (float)(weight * (exp(log_p) - target[i]));
	}
	/* A logit that is not a number may hide behind a target of 0: the sum shows it. */
	return isfinite(log_sum) ? loss : NAN;
}

void nst_loss_means_add(struct nst_loss_means *m, double labeled, double pseudo)
{
	m->labeled += (1 - NST_LOSS_MEANS_DECAY) * (labeled - m->labeled);
	m->pseudo += (1 - NST_LOSS_MEANS_DECAY) * (pseudo - m->pseudo);
}

void nst_loss_weights(enum nst_loss_form form, size_t labeled, size_t pseudo, double alpha,
		      const struct nst_loss_means *means, double *labeled_row, double *pseudo_row)
{
	double l = (double)labeled, u = (double)pseudo, quotient = 1;

	*labeled_row = *pseudo_row = 0;
	if (labeled == 0 && pseudo == 0)
		return;
	if (labeled == 0 || pseudo == 0) {
		*labeled_row = 1 / (l + u);
		*pseudo_row = (form == NST_LOSS_NORMALIZED ? 1 : alpha) / (l + u);
		return;
	}
	switch (form) {
	case NST_LOSS_CONCAT:
		*labeled_row = 1 / (l + u);
		*pseudo_row = alpha / (l + u);
		break;
	case NST_LOSS_ALG1:
		*labeled_row = 1 / l;
		*pseudo_row = alpha / u;
		break;
	case NST_LOSS_CODE:
		*labeled_row = 1 / l;
		*pseudo_row = alpha / l;
		break;
	case NST_LOSS_NORMALIZED:
		if (means->pseudo > 0)
			quotient = means->labeled / means->pseudo;
		*labeled_row = 1 / ((1 + alpha) * l);
		*pseudo_row = alpha * quotient / ((1 + alpha) * u);
		break;
	}
}
