/* Probabilities as targets.
 *
 * exp and ln are our own because those of the C library may use fused operations on one machine and
 * not on another; the difference of a last bit would be enough to make files differ. */
#include <math.h>
#include <string.h>

#include "libcore/select/target.h"
#include "libcore/util/clones.h"

/* e^x = 2^n e^r, n = round(x / ln 2).  ln 2 is in two parts, the first short enough that n * high is
 * exact; e^r by the Taylor series on |r| <= ln(2)/2, whose first term left out is below 4e-18. */
#define LOG2E    0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW  0x1.a39ef35793c76p-33
#define LEAST    -708.0 /* of smaller x, e^x is taken for 0 */

enum { TERMS = 13 };

static const double inverse[TERMS + 1] = {0, 1, 1. / 2, 1. / 3, 1. / 4, 1. / 5, 1. / 6, 1. / 7,
					  1. / 8, 1. / 9, 1. / 10, 1. / 11, 1. / 12, 1. / 13};

double nst_exp(double x)
{
	double n, r, sum = 1;

	if (!(x >= LEAST))
		return 0;
	n = rint(x * LOG2E);
	r = x - n * LN2_HIGH - n * LN2_LOW;
	for (int i = TERMS; i > 0; i--)
		sum = 1 + sum * (r * inverse[i]);
	return ldexp(sum, (int)n);
}

enum {
	BLOCK = 64,        /* numbers at a time */
	KEPT = 32 * BLOCK, /* exponentials of a row that are not worked out twice */
};

/* y (BLOCK) = e^x (BLOCK), number for number what nst_exp makes of x <= 0.  Adding `round` leaves the
 * nearest whole number in the low bits, where the shift finds it for the exponent. */
NST_CLONES
static void exp_block(const double *restrict x, double *restrict y)
{
	static const double round = 0x1.8p52;
	double r[BLOCK], power[BLOCK];

	for (size_t j = 0; j < BLOCK; j++) {
		double shifted = x[j] * LOG2E + round, n = shifted - round;
		uint64_t bits;

		r[j] = x[j] - n * LN2_HIGH - n * LN2_LOW;
		shifted = n + (round + 1023);
		memcpy(&bits, &shifted, sizeof(bits));
		bits <<= 52;
		memcpy(&power[j], &bits, sizeof(bits));
		y[j] = 1;
	}
	for (int i = TERMS; i > 0; i--)
		for (size_t j = 0; j < BLOCK; j++)
			y[j] = 1 + y[j] * (r[j] * inverse[i]);
	for (size_t j = 0; j < BLOCK; j++)
		y[j] = x[j] >= LEAST ? y[j] * power[j] : 0;
}

double nst_log(double x)
{
	static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
	double m, s, square, sum = 0;
	int n;

	if (!(x > 0))
		return -INFINITY;
	m = frexp(x, &n);
	if (m < 0x1.6a09e667f3bcdp-1) { /* sqrt(1/2) */
		m *= 2;
		n--;
	}
	/* ln m = 2 atanh(s) on |s| <= 0.1716: the first term left out is below 1e-19. */
	s = (m - 1) / (m + 1);
	square = s * s;
	for (int i = 21; i > 1; i -= 2)
		sum = (sum + 1. / i) * square;
	return n * ln2_high + (n * ln2_low + 2 * s * (1 + sum));
}

/* e^((logit - top) / temperature) of n classes, at most a block. */
static void exp_logits(const float *logits, size_t n, double top, double temperature,
		       double y[BLOCK])
{
	double x[BLOCK] = {0};

	for (size_t i = 0; i < n; i++)
		x[i] = (logits[i] - top) / temperature;
	exp_block(x, y);
}

void nst_softmax(const float *logits, size_t classes, double temperature, float *p)
{
	double top = logits[nst_argmax(logits, classes)];
	double sum = 0, kept[KEPT + BLOCK];

	for (size_t at = 0, n; at < classes; at += n) {
		double *y = kept + (at < KEPT ? at : KEPT);

		n = classes - at < BLOCK ? classes - at : BLOCK;
		exp_logits(logits + at, n, top, temperature, y);
		for (size_t i = 0; i < n; i++)
			sum += y[i];
	}
	for (size_t at = 0, n; at < classes; at += n) {
		double *y = kept + (at < KEPT ? at : KEPT);

		n = classes - at < BLOCK ? classes - at : BLOCK;
		if (at >= KEPT)
			exp_logits(logits + at, n, top, temperature, y);
		for (size_t i = 0; i < n; i++)
			p[at + i] = (float)(y[i] / sum);
	}
}

/* The largest so far, of blocks, in each of their places; what is not a number is not. */
NST_CLONES
static void largest_block(const float *restrict p, float *restrict largest)
{
	for (size_t j = 0; j < BLOCK; j++)
		largest[j] = p[j] > largest[j] ? p[j] : largest[j];
}

/* First how much it is, a block at a time, then where that is for the first time. */
size_t nst_argmax(const float *p, size_t classes)
{
	float largest[BLOCK], top = p[0];
	size_t at = 0, best = 0;

	if (classes >= 2 * BLOCK) {
		for (size_t j = 0; j < BLOCK; j++)
			largest[j] = top;
		for (; classes - at >= BLOCK; at += BLOCK)
			largest_block(p + at, largest);
		for (size_t j = 0; j < BLOCK; j++)
			top = largest[j] > top ? largest[j] : top;
	}
	for (; at < classes; at++)
		top = p[at] > top ? p[at] : top;
	while (best < classes && !(p[best] == top))
		best++;
	return best < classes ? best : 0; /* the first one is not a number */
}

size_t nst_rank(const float *p, size_t classes, size_t class)
{
	size_t rank = 0;

	for (size_t i = 0; i < classes; i++)
		rank += p[i] > p[class] || (p[i] == p[class] && i < class);
	return rank;
}

float nst_margin(const float *p, size_t classes, size_t class)
{
	float second = classes > 1 ? -INFINITY : 0;

	for (size_t i = 0; i < classes; i++) {
		if (i != class && p[i] > second)
			second = p[i];
	}
	return p[class] - second;
}

double nst_entropy(const float *p, size_t classes)
{
	double sum = 0, terms = 0;

	for (size_t i = 0; i < classes; i++) {
		sum += p[i];
		if (p[i] > 0)
			terms += p[i] * nst_log(p[i]);
	}
	return sum > 0 ? nst_log(sum) - terms / sum : nst_log((double)classes);
}

void nst_temper(float *p, size_t classes, double temperature)
{
	/* Relative to the largest, so that small temperatures do not underflow. */
	double top = p[nst_argmax(p, classes)];
	double sum = 0;

	if (top <= 0)
		return;
	for (size_t i = 0; i < classes; i++)
		sum += pow(p[i] / top, 1 / temperature);
	for (size_t i = 0; i < classes; i++)
		p[i] = (float)(pow(p[i] / top, 1 / temperature) / sum);
}

void nst_topk(const float *p, size_t classes, size_t k, int32_t *index, float *value)
{
	size_t found = 0;

	/* Insertion into a short list: k is a handful, and most values fail the first test. */
	for (size_t i = 0; i < classes; i++) {
		const float x = p[i]; /* the list may grow over it, never beyond */
		size_t at;

		if (found == k && (k == 0 || x <= value[k - 1]))
			continue;
		at = found < k ? found++ : k - 1;
		for (; at > 0 && x > value[at - 1]; at--) {
			value[at] = value[at - 1];
			index[at] = index[at - 1];
		}
		value[at] = x;
		index[at] = (int32_t)i;
	}
}

double nst_topk_rest(const float *value, size_t k, size_t classes)
{
	double sum = 0;

	if (k >= classes)
		return 0;
	for (size_t i = 0; i < k; i++)
		sum += value[i];
	return sum < 1 ? (1 - sum) / (double)(classes - k) : 0;
}

void nst_topk_temper(float *value, size_t k, size_t classes, double temperature)
{
	double rest = nst_topk_rest(value, k, classes);
	double top = rest, sum;

	for (size_t i = 0; i < k; i++)
		top = value[i] > top ? value[i] : top;
	if (top <= 0)
		return;
	sum = (double)(classes - k) * pow(rest / top, 1 / temperature);
	for (size_t i = 0; i < k; i++)
		sum += pow(value[i] / top, 1 / temperature);
	for (size_t i = 0; i < k; i++)
		value[i] = (float)(pow(value[i] / top, 1 / temperature) / sum);
}
