/* Parameters in the layout of PyTorch, which timm, torchvision and their weight files share.  Names
 * are the same on both sides (net.h); dimensions are in another order:
 *
 *	ours                                        PyTorch's
 *	convolution (KH,KW,Cin,Cout)                (Cout,Cin,KH,KW)
 *	depthwise (KH,KW,C)                         (C,1,KH,KW)
 *	squeeze and excitation (Cin,Cout)           (Cout,Cin,1,1), convolutions there
 *	classifier (Cin,Cout)                       (Cout,Cin)
 *	vectors (C)                                 (C) */
#ifndef NST_NN_TORCH_H
#define NST_NN_TORCH_H

#include "libcore/nn/net.h"

/* Dimensions of parameter `number` over there.  Returns how many, 1 to 4. */
size_t nst_torch_shape(const struct nst_net *net, size_t number, size_t shape[4]);

/* Reorder the numbers of a parameter; from and to hold net->param[number].count floats each and do
 * not overlap. */
void nst_torch_import(const struct nst_net *net, size_t number, const float *from, float *to);
void nst_torch_export(const struct nst_net *net, size_t number, const float *from, float *to);

#endif
