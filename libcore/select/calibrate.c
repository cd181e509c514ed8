/* Temperature scaling.  ln p of each model is formed without ever forming p, so that nothing
 * underflows where a model is sure and wrong. */
#include "libcore/select/calibrate.h"

#include <string.h>

#include "libcore/select/target.h"

/* Of one model: ln p(label) at 1/T = b, and the mean of its logits under p. */
static double log_probability(const float *z, size_t classes, size_t label, double b, double *mean)
{
	double top = z[nst_argmax(z, classes)], sum = 0, weighted = 0;

	for (size_t i = 0; i < classes; i++) {
		double e = nst_exp((z[i] - top) * b);

		sum += e;
		weighted += e * z[i];
	}
	*mean = weighted / sum;
	return (z[label] - top) * b - nst_log(sum);
}

/* -ln of the mean over the models of p(label), and its derivative by b. */
static double row_loss(const struct nst_calibration *c, size_t row, double b, double *slope)
{
	const float *z = c->logits + row * c->models * c->classes;
	size_t label = (size_t)c->label[row];
	double top = 0, sum = 0, weighted = 0;

	/* A running sum of exponentials relative to the largest so far. */
	for (size_t m = 0; m < c->models; m++, z += c->classes) {
		double mean, p = log_probability(z, c->classes, label, b, &mean);
		double lead = z[label] - mean;

		if (m == 0 || p > top) {
			double shrink = m ? nst_exp(top - p) : 0;

			sum = sum * shrink + 1;
			weighted = weighted * shrink + lead;
			top = p;
		} else {
			double e = nst_exp(p - top);

			sum += e;
			weighted += e * lead;
		}
	}
	*slope = -weighted / sum;
	return nst_log((double)c->models) - top - nst_log(sum);
}

void nst_calibrated(const float *logits, size_t models, size_t classes, double temperature,
		    double *sum, float *p)
{
	memset(sum, 0, classes * sizeof(*sum));
	for (size_t m = 0; m < models; m++) {
		nst_softmax(logits + m * classes, classes, temperature, p);
		for (size_t i = 0; i < classes; i++)
			sum[i] += p[i];
	}
	for (size_t i = 0; i < classes; i++)
		p[i] = (float)(sum[i] / (double)models);
}

static double total(const struct nst_calibration *c, double temperature, int slopes)
{
	double sum = 0;

	for (size_t i = 0; i < c->rows; i++) {
		double slope, loss = row_loss(c, i, 1 / temperature, &slope);

		sum += slopes ? slope : loss;
	}
	return sum / (double)c->rows;
}

double nst_calibration_nll(const struct nst_calibration *c, double temperature)
{
	return total(c, temperature, 0);
}

double nst_calibration_slope(const struct nst_calibration *c, double temperature)
{
	return total(c, temperature, 1);
}

double nst_calibration_fit(const struct nst_calibration *c)
{
	double low = NST_CALIBRATE_LOW, high = NST_CALIBRATE_HIGH;

	/* Where the loss rises with 1/T it falls with T: the minimum lies above. */
	while (high - low > NST_CALIBRATE_TOLERANCE) {
		double middle = low + (high - low) / 2;

		if (nst_calibration_slope(c, middle) > 0)
			low = middle;
		else
			high = middle;
	}
	return low + (high - low) / 2;
}
