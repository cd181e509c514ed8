/* The parameter-free shortcut of CIFAR ResNets (option A of He et al. 2015, section 4.2): every
 * stride-th pixel, and zeros for the channels the input does not have. */
#ifndef NST_NN_SHORTCUT_H
#define NST_NN_SHORTCUT_H

#include "libcore/nn/kernels/kernels.h"

/* y (n,ho,wo,cout) from x (n,h,w,cin), cout >= cin; s->k is 1. */
void nst_shortcut_forward(const struct nst_conv *s, const float *x, float *y);

/* dx (n,h,w,cin) = [dx +] gradient of x. */
void nst_shortcut_backward(const struct nst_conv *s, const float *dy, int accumulate, float *dx);

#endif
