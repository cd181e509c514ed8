/* Temperature scaling (Guo et al. 2017, section 4.2): the temperature that fits the probabilities
 * of a model to labeled rows.
 *
 * With several models the probability of a row is the mean of their softmaxes, all at one
 * temperature, as the labeler forms it. */
#ifndef NST_SELECT_CALIBRATE_H
#define NST_SELECT_CALIBRATE_H

#include <stddef.h>
#include <stdint.h>

/* Where natural-adv-examples/calibration_tools.py looks, and how closely. */
#define NST_CALIBRATE_LOW       0.2
#define NST_CALIBRATE_HIGH      5.0
#define NST_CALIBRATE_TOLERANCE 1e-4

/* What models say of labeled rows; everything borrowed. */
struct nst_calibration {
	size_t rows, models, classes; /* all > 0 */
	const float *logits;          /* (rows, models, classes), finite */
	const int32_t *label;         /* (rows), < classes */
};

/* Probabilities p (classes) of a row of logits (models, classes) at a temperature > 0; sum
 * (classes) is scratch. */
void nst_calibrated(const float *logits, size_t models, size_t classes, double temperature,
		    double *sum, float *p);

/* Mean of -ln p(label), in nats, at a temperature. */
double nst_calibration_nll(const struct nst_calibration *c, double temperature);

/* Its derivative by 1/T, in which the loss of one model is convex. */
double nst_calibration_slope(const struct nst_calibration *c, double temperature);

/* The temperature in [NST_CALIBRATE_LOW, NST_CALIBRATE_HIGH] of the least loss, within
 * NST_CALIBRATE_TOLERANCE, by bisection on the sign of the slope; an end of the interval where the
 * loss falls towards it.  With several models the loss need not be convex: then it is one of the
 * minima. */
double nst_calibration_fit(const struct nst_calibration *c);

#endif
