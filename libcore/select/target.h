/* Probabilities as targets: softmax, temperature, top-k.
 *
 * Distributions are float vectors over K classes; sums run in double in index order.  Only
 * operations that IEEE 754 defines to the bit are used on the way from logits to probabilities, so
 * pseudo labels do not depend on the machine or its C library. */
#ifndef NST_SELECT_TARGET_H
#define NST_SELECT_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* e^x within 1e-15 relative, 0 below -708; for x <= 709. */
double nst_exp(double x);

/* ln x within 1e-15 relative or absolute, whichever is larger, for finite x > 0; -inf for 0. */
double nst_log(double x);

/* p = softmax(logits / temperature), temperature > 0.  p may be logits. */
void nst_softmax(const float *logits, size_t classes, double temperature, float *p);

/* Index of the largest value; of equal ones the first. */
size_t nst_argmax(const float *p, size_t classes);

/* How many classes come before `class` in falling order of p, equal ones in index order; the rank
 * is 0 for the argmax. */
size_t nst_rank(const float *p, size_t classes, size_t class);

/* How far `class` is ahead of the best of the other classes: p[class] - max; below 0 when it is not
 * ahead, p[class] when there is no other. */
float nst_margin(const float *p, size_t classes, size_t class);

/* Entropy -sum q ln q of q = p / sum, in nats: 0 for a certain row, ln K for an even one and for
 * zeros. */
double nst_entropy(const float *p, size_t classes);

/* p becomes p^(1/T) / sum: the softmax of the logits over T, from stored probabilities.  T > 0. */
void nst_temper(float *p, size_t classes, double temperature);

/* The k <= classes largest of p in falling order, equal ones in index order.  value may be p. */
void nst_topk(const float *p, size_t classes, size_t k, int32_t *index, float *value);

/* What each class outside the top k has: the remaining mass 1 - sum, never below 0, spread evenly;
 * 0 when there is none outside. */
double nst_topk_rest(const float *value, size_t k, size_t classes);

/* nst_temper for a top-k target: the spread classes are tempered with the rest. */
void nst_topk_temper(float *value, size_t k, size_t classes, double temperature);

#endif
