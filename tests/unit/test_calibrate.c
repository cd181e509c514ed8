/* Temperature scaling against a plain twin: a loss written down as it is defined, and a search of a
 * fine grid of temperatures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libcore/select/calibrate.h"
#include "libcore/util/rng.h"

enum { ROWS = 120, MODELS = 3, CLASSES = 7 };

static float logits[ROWS * MODELS * CLASSES];
static int32_t label[ROWS];

/* Models whose logits are `scale` times those that would be calibrated. */
static struct nst_calibration make(uint64_t seed, size_t models, double scale)
{
	struct nst_calibration c = {ROWS, models, CLASSES, logits, label};
	struct nst_rng rng;

	nst_rng_init(&rng, seed, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < ROWS; i++) {
		double base[CLASSES], sum = 0, draw;

		for (size_t k = 0; k < CLASSES; k++) {
			base[k] = 2 * nst_rng_normal(&rng);
			sum += exp(base[k]);
		}
		/* The label is drawn from the distribution itself. */
		draw = nst_rng_unit(&rng) * sum;
		label[i] = 0;
		for (size_t k = 0; k + 1 < CLASSES && (draw -= exp(base[k])) > 0; k++)
			label[i]++;
		for (size_t m = 0; m < models; m++)
			for (size_t k = 0; k < CLASSES; k++)
				logits[(i * models + m) * CLASSES + k] = (float)(scale *
					(base[k] + (m ? 0.5 * nst_rng_normal(&rng) : 0)));
	}
	return c;
}

static double twin_nll(const struct nst_calibration *c, double temperature)
{
	double total = 0;

	for (size_t i = 0; i < c->rows; i++) {
		double p = 0;

		for (size_t m = 0; m < c->models; m++) {
			const float *z = c->logits + (i * c->models + m) * c->classes;
			double sum = 0;

			for (size_t k = 0; k < c->classes; k++)
				sum += exp(((double)z[k] - z[c->label[i]]) / temperature);
			p += 1 / sum / (double)c->models;
		}
		total -= log(p);
	}
	return total / (double)c->rows;
}

static void the_loss_is_that_of_the_definition(void **state)
{
	(void)state;
	for (size_t models = 1; models <= MODELS; models++) {
		struct nst_calibration c = make(models, models, 1.7);

		for (double t = 0.2; t < 6; t += 0.3) {
			double h = 1e-6, b = 1 / t, up = twin_nll(&c, 1 / (b + h));
			double down = twin_nll(&c, 1 / (b - h)), slope = (up - down) / (2 * h);

			assert_float_equal(nst_calibration_nll(&c, t), twin_nll(&c, t), 1e-12);
			assert_float_equal(nst_calibration_slope(&c, t), slope, 1e-6);
		}
	}
}

static void the_fit_is_the_best_of_a_fine_grid(void **state)
{
	static const double scale[] = {0.4, 0.9, 1, 1.3, 3.1};

	(void)state;
	for (size_t round = 0; round < 15; round++) {
		size_t models = 1 + round / 5;
		struct nst_calibration c = make(round, models, scale[round % 5]);
		double best = NAN, least = INFINITY, fit = nst_calibration_fit(&c);

		for (double t = NST_CALIBRATE_LOW; t <= NST_CALIBRATE_HIGH; t += 5e-4) {
			double nll = twin_nll(&c, t);

			if (nll < least) {
				least = nll;
				best = t;
			}
		}
		assert_true(fit > NST_CALIBRATE_LOW + 0.01 && fit < NST_CALIBRATE_HIGH - 0.01);
		assert_float_equal(fit, best, 5e-4 + NST_CALIBRATE_TOLERANCE);
		assert_true(twin_nll(&c, fit) <= least + 1e-7);
		if (models == 1) /* what the scale was, up to the luck of 120 labels */
			assert_true(fit > 0.6 * scale[round % 5] && fit < 1.6 * scale[round % 5]);
	}
}

static void beyond_the_interval_it_is_the_end(void **state)
{
	struct nst_calibration c = make(5, 1, 1);

	(void)state;
	for (size_t i = 0; i < ROWS; i++) { /* always right: the sharper the better */
		for (size_t k = 0; k < CLASSES; k++)
			logits[i * CLASSES + k] = (int32_t)k == label[i] ? 3 : 0;
	}
	assert_float_equal(nst_calibration_fit(&c), NST_CALIBRATE_LOW, NST_CALIBRATE_TOLERANCE);
	for (size_t i = 0; i < ROWS; i++) /* always wrong, and sure beyond what a double can hold */
		logits[i * CLASSES + (size_t)label[i]] = -90000;
	assert_float_equal(nst_calibration_fit(&c), NST_CALIBRATE_HIGH, NST_CALIBRATE_TOLERANCE);
	assert_true(isfinite(nst_calibration_nll(&c, 0.2)));
}

static void probabilities_are_the_mean_of_softmaxes(void **state)
{
	struct nst_calibration c = make(9, MODELS, 1);
	double sum[CLASSES];
	float p[CLASSES];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		const float *z = c.logits + i * MODELS * CLASSES;

		nst_calibrated(z, MODELS, CLASSES, 1.5, sum, p);
		for (size_t k = 0; k < CLASSES; k++) {
			double wanted = 0;

			for (size_t m = 0; m < MODELS; m++) {
				double total = 0;

				for (size_t j = 0; j < CLASSES; j++)
					total += exp(((double)z[m * CLASSES + j] -
						      z[m * CLASSES + k]) / 1.5);
				wanted += 1 / total / MODELS;
			}
			assert_float_equal(p[k], wanted, 1e-6);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loss_is_that_of_the_definition),
		cmocka_unit_test(the_fit_is_the_best_of_a_fine_grid),
		cmocka_unit_test(beyond_the_interval_it_is_the_end),
		cmocka_unit_test(probabilities_are_the_mean_of_softmaxes),
	};

	return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
