/* Targets, softmax cross-entropy, and the weights of labeled and pseudo-labeled rows. */
#ifndef NST_NN_LOSS_H
#define NST_NN_LOSS_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

/* What a row should be.  Exactly one form: a class (class >= 0, soft NULL), all probabilities
 * (soft, ntop 0), or the top ones (soft of ntop values for the classes top[]; the mass they lack is
 * spread evenly over the other classes).  Pointers are the caller's and live through the step. */
struct nst_target {
	int32_t class;
	const float *soft;
	const int32_t *top;
	size_t ntop;
};

/* Expand a target to k probabilities that sum to 1.  A class: 1, smoothed to
 * (1-smoothing)*1 + smoothing/k.  Soft: p^(1/temperature)/sum, never smoothed (noisystudent
 * main.py).  Returns 0, or NST_EINVAL for a class outside 0..k-1, a probability that is negative or
 * not a number, or a sum that is not 1 within 1e-2. */
int nst_target_expand(const struct nst_target *t, size_t k, double smoothing, double temperature,
		      float *out, struct nst_err *err) NST_MUST_CHECK;

/* Cross-entropy of softmax(logits) against probabilities target (k), in nats.  grad (k) becomes
 * weight * (softmax - target), the gradient of weight * loss; may be NULL. */
double nst_cross_entropy(size_t k, const float *logits, const float *target, double weight,
			 float *grad);

/* The loss forms; L, U are the mean losses of labeled and pseudo rows:
 *   concat      mean over the concatenation, (nL*L + nU*U)/(nL+nU)    (paper, section 3.1, text)
 *   alg1        L + U                                                 (paper, Algorithm 1)
 *   code        L + (nU/nL) * U                                       (google-research/noisystudent)
 *   normalized  (L + alpha * mL/mU * U) / (1 + alpha), mL and mU running means of L and U
 *                                      (Zoph et al. 2020, arXiv 2006.06882, appendix)
 * In the first three U is further multiplied by alpha, which is 1 there unless asked for. */
enum nst_loss_form { NST_LOSS_CONCAT, NST_LOSS_ALG1, NST_LOSS_CODE, NST_LOSS_NORMALIZED };

/* Running means of the two losses, decay 0.9997 (same source).  They begin at 0, which their
 * quotient does not see. */
struct nst_loss_means {
	double labeled, pseudo;
};
#define NST_LOSS_MEANS_DECAY 0.9997
void nst_loss_means_add(struct nst_loss_means *m, double labeled, double pseudo);

/* Weights to give each labeled and each pseudo row so that sum(weight * row loss) is the form; means
 * of the steps before this one, the quotient is 1 before the first.  With only one kind of rows all
 * forms are their mean (times alpha for pseudo rows, but for normalized). */
void nst_loss_weights(enum nst_loss_form form, size_t labeled, size_t pseudo, double alpha,
		      const struct nst_loss_means *means, double *labeled_row, double *pseudo_row);

#endif
