/* The arithmetic of the net, as one table of functions per vector width.
 *
 * Nothing outside this folder knows about vector widths.  `plain.c` is the reference and is always
 * built; the others come from one template compiled for AVX2+FMA, AVX-512 and NEON.  The table is
 * chosen at run time (nst_kernels_get), NST_SIMD=plain|avx2|avx512|neon forces one.
 *
 * Layout: activations are (N,H,W,C) float32, dense, C fastest.  Filters of a dense convolution are
 * (KH,KW,Cin,Cout), of a depthwise one (KH,KW,C), of a dense layer (Cin,Cout): the output channel
 * is always fastest.  All blocks are aligned to NST_ALIGN.  No function allocates, locks or fails.
 *
 * Order of summation (what makes results the same on every machine): forward functions accumulate
 * each output element with one fused multiply-add a term, in the order (kh, kw, cin), from zero;
 * no term is split off and vectors run along channels only, so the vector width does not show.
 * Terms of padding are products with an exact 0 and may be left out.  A 3x3 convolution that
 * nst_wino_fits (tables.h) is such a product at each of 36 points, between fixed maps before and
 * behind it (winograd.inc), on every table.  plain.c spells the fused
 * multiply-add fmaf().  Gradient functions promise the same result for the same table and CPU,
 * not across tables. */
#ifndef NST_NN_KERNELS_H
#define NST_NN_KERNELS_H

#include <stddef.h>

enum nst_act { NST_ACT_NONE, NST_ACT_RELU, NST_ACT_SWISH, NST_ACT_SIGMOID };

/* Memory that the caller will read next.  Convolutions, which leave the memory idle, ask for it while
 * they multiply, a line of a cache or two for each step of a register tile, one place after the other;
 * what has been asked for is taken away.  It changes no result. */
enum { NST_AHEAD_PLACES = 3 };

struct nst_ahead {
	struct {
		const float *at;
		size_t floats;
	} place[NST_AHEAD_PLACES];
};

/* A convolution of a grain: x (n,h,w,cin) -> y (n,ho,wo,cout); output pixel (i,j), tap (a,b) reads
 * input pixel (i*stride + a - pad_top, j*stride + b - pad_left), zero outside. */
struct nst_conv {
	size_t n, h, w, cin;
	size_t ho, wo, cout; /* depthwise: cout == cin */
	size_t k, stride, pad_top, pad_left;
	struct nst_ahead *ahead; /* to be asked for meanwhile, or NULL */
};

/* Is it one matrix product, (n*h*w, cin) by (cin, cout)? */
static inline int nst_conv_pointwise(const struct nst_conv *s)
{
	return s->k == 1 && s->stride == 1 && s->pad_top == 0 && s->pad_left == 0 &&
	       s->ho == s->h && s->wo == s->w;
}

/* The convolution that makes lines [first, first+count) of the output of s, of one image: what it
 * reads begins at line *from of the input. */
static inline struct nst_conv nst_conv_lines(const struct nst_conv *s, size_t first, size_t count,
					     size_t *from)
{
	struct nst_conv part = *s;
	size_t at = first * s->stride, end = at + (count - 1) * s->stride + s->k;

	part.n = 1;
	part.ho = count;
	part.pad_top = at < s->pad_top ? s->pad_top - at : 0;
	*from = at < s->pad_top ? 0 : at - s->pad_top;
	end = end < s->pad_top ? 0 : end - s->pad_top;
	end = end < s->h ? end : s->h;
	*from = *from < end ? *from : end;
	part.h = end - *from;
	return part;
}

/* The convolution whose data gradient is that of lines [first, first+count) of the input of s, of
 * one image: what that reads begins at line *from of the gradient of the output. */
static inline struct nst_conv nst_conv_lines_grad(const struct nst_conv *s, size_t first,
						  size_t count, size_t *from)
{
	struct nst_conv part = *s;
	size_t at = first + s->pad_top, end = (at + count - 1) / s->stride + 1;

	part.n = 1;
	part.h = count;
	*from = at < s->k ? 0 : (at - s->k) / s->stride + 1;
	end = end < s->ho ? end : s->ho;
	*from = *from < end ? *from : end;
	part.pad_top = at - *from * s->stride;
	part.ho = end - *from;
	return part;
}

/* Batch normalisation with what follows it, over rows = n*pixels of c channels:
 *   u = z * scale[c] + shift[c];  v = u (+ path_scale[image] applied, + residual);  y = act(v)
 * where scale = gamma/sqrt(var+eps), shift = beta - mean*scale.  Order: u, times path factor, plus
 * residual, then act. */
struct nst_bn {
	size_t n, pixels, c;
	enum nst_act act;
	const float *path; /* (n) stochastic-depth factor 0 or 1/keep, or NULL for 1 */
	/* Backward, (n,c) of each image: the gradient of y is dy * times + plus, where y went on scaled
	 * and averaged, as squeeze-and-excitation does; or both NULL. */
	const float *times, *plus;
	float *far; /* backward: g goes here, past the caches, and dy stays; or NULL */
};

struct nst_kernels {
	const char *name;
	size_t lanes; /* floats in a vector */

	/* ---- matrix product ------------------------------------------------------------- */
	/* Floats needed for the packed form of b (k,n), and the packing. */
	size_t (*pack_size)(size_t k, size_t n);
	void (*pack)(size_t k, size_t n, const float *b, size_t ldb, float *packed);
	/* c (m,n) = [c +] a (m,k) * b (k,n) [+ bias(n)], then act.  a[i*a_row + p*a_col]; fast when
	 * either is 1.  With accumulate the chain of an element starts from c. */
	void (*gemm)(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col,
		     const float *packed, const float *bias, enum nst_act act, int accumulate,
		     float *c, size_t ldc);

	/* ---- dense convolution ---------------------------------------------------------- */
	/* Floats of scratch that conv_forward needs for this shape, or for training any of the three. */
	size_t (*conv_scratch)(const struct nst_conv *s, int training);
	size_t (*conv_pack_size)(const struct nst_conv *s);      /* for forward */
	size_t (*conv_pack_grad_size)(const struct nst_conv *s); /* for data_grad */
	void (*conv_pack)(const struct nst_conv *s, const float *w, float *packed);
	void (*conv_pack_grad)(const struct nst_conv *s, const float *w, float *packed);
	/* y = act(x * w + bias); bias may be NULL. */
	void (*conv_forward)(const struct nst_conv *s, const float *x, const float *packed,
			     const float *bias, enum nst_act act, float *y, float *scratch);
	/* dx = gradient of x, overwritten. */
	void (*conv_data_grad)(const struct nst_conv *s, const float *dy, const float *packed_grad,
			       float *dx, float *scratch);
	/* dw (KH,KW,Cin,Cout) = [dw +] gradient of w. */
	void (*conv_weight_grad)(const struct nst_conv *s, const float *x, const float *dy,
				 int accumulate, float *dw, float *scratch);

	/* ---- depthwise convolution ------------------------------------------------------ */
	size_t (*dw_scratch)(const struct nst_conv *s);
	void (*dw_forward)(const struct nst_conv *s, const float *x, const float *w,
			   const float *bias, enum nst_act act, float *y, float *scratch);
	void (*dw_data_grad)(const struct nst_conv *s, const float *dy, const float *w, float *dx,
			     float *scratch);
	void (*dw_weight_grad)(const struct nst_conv *s, const float *x, const float *dy,
			       int accumulate, float *dw, float *scratch);

	/* ---- batch normalisation, activation, residual ---------------------------------- */
	/* mean(c) and biased variance var(c) of z (rows,c); robust against a large mean. */
	void (*bn_stats)(size_t rows, size_t c, const float *z, float *mean, float *var);
	/* y = act(path*(z*scale+shift) + residual); residual (same shape) or NULL; y may be z. */
	void (*bn_forward)(const struct nst_bn *s, const float *z, const float *scale,
			   const float *shift, const float *residual, float *y);
	/* The same once more for the backward pass, without path and residual; also slope = act' there,
	 * of SWISH or SIGMOID.  y may differ from that of bn_forward in the last bit. */
	void (*bn_forward_slope)(const struct nst_bn *s, const float *z, const float *scale,
				 const float *shift, float *y, float *slope);
	/* Backward, two passes, with g = (dy [* times + plus]) * act'(v) and xhat = (z-mean)*istd:
	 *   pass 1: g takes the place of dy (unless they are the same: act NONE, no times) or goes far;
	 *           dgamma(c) = sum of path*g*xhat, dbeta(c) = sum of path*g.  act' is known from
	 *           `behind`: y for RELU, slope for SWISH and SIGMOID, not read for NONE.
	 *   pass 2: dz = gamma*istd*(path*g - dbeta/rows - xhat*dgamma/rows), which is
	 *           scale*path*g + slope*(z-mean) + offset, all (c), with scale = gamma*istd,
	 *           slope = -scale*istd*dgamma/rows, offset = -scale*dbeta/rows; dz may be g. */
	void (*bn_backward_sums)(const struct nst_bn *s, float *dy, const float *behind,
				 const float *z, const float *mean, const float *istd,
				 float *dgamma, float *dbeta);
	void (*bn_backward_data)(const struct nst_bn *s, const float *g, const float *z,
				 const float *mean, const float *scale, const float *slope,
				 const float *offset, float *dz);

	/* ---- squeeze and excitation, pooling, small things ------------------------------- */
	/* y (n,c) = mean over pixels of x (n,pixels,c); sums in pixel order. */
	void (*mean_pool)(size_t n, size_t pixels, size_t c, const float *x, float *y);
	/* dx (n,pixels,c) = [dx +] dy (n,c) / pixels. */
	void (*mean_pool_grad)(size_t n, size_t pixels, size_t c, const float *dy, int accumulate,
			       float *dx);
	/* y = x * s[image][c] */
	void (*scale_channels)(size_t n, size_t pixels, size_t c, const float *x, const float *s,
			       float *y);
	/* Backward: ds (n,c) = sum over pixels of dy * x. */
	void (*scale_channels_sums)(size_t n, size_t pixels, size_t c, const float *x,
				    const float *dy, float *ds);
	void (*act_forward)(size_t count, enum nst_act act, const float *x, float *y);
	/* dx = dy * act'(x); for RELU and SIGMOID as for SWISH, x is the input of act.  dx may be either. */
	void (*act_backward)(size_t count, enum nst_act act, const float *x, const float *dy,
			     float *dx);
	void (*add)(size_t count, const float *x, float *y); /* y += x */
	/* y = x, past the caches: for what is too much for them and will be read much later. */
	void (*stream)(size_t count, const float *x, float *y);
	/* Max pooling k x k, stride, padding as in s (cin == cout); every output must read a
	 * pixel.  arg keeps the tap for backward, or is NULL. */
	void (*max_pool)(const struct nst_conv *s, const float *x, float *y, unsigned char *arg);
	void (*max_pool_grad)(const struct nst_conv *s, const float *dy, const unsigned char *arg,
			      float *dx);

	/* ---- one pass over the parameters ------------------------------------------------ */
	/* SGD with momentum as PyTorch/TF write it: g += wd*w; m = mu*m + g;
	 * w -= lr * (nesterov ? g + mu*m : m). */
	void (*sgd)(size_t count, const float *grad, float lr, float mu, float wd, int nesterov,
		    float *m, float *w);
	/* RMSProp in TensorFlow's form (noisystudent utils.py; timm rmsprop_tf): g += wd*w;
	 * ms += (1-rho)*(g*g - ms); mom = mu*mom + lr*g/sqrt(ms+eps); w -= mom. */
	void (*rmsprop_tf)(size_t count, const float *grad, float lr, float rho, float mu,
			   float eps, float wd, float *ms, float *mom, float *w);
	/* e += (1-decay)*(w-e) */
	void (*ema)(size_t count, const float *w, float decay, float *e);
	/* Is none of them infinite or not a number? */
	int (*all_finite)(size_t count, const float *x);
};

/* A product of bfloat16: c (m,n) = act(a (m,k) * b (k,n) + bias). */
struct nst_bf16_product {
	size_t m, n, k;
	const float *a;      /* rows of consecutive floats ... */
	size_t lda;          /* ... which lie so many apart */
	const float *factor; /* (m / pixels rounded up, k) that rows of a are multiplied by first, ... */
	size_t pixels;       /* ... element by element, each row for so many of a; or NULL */
	const float *packed; /* b, by nst_bf16_pack */
	const float *bias;   /* (n), or NULL */
	enum nst_act act;
	float *c;            /* rows of consecutive floats ... */
	size_t ldc;          /* ... which lie so many apart */
};

/* Products of bfloat16 for a table, where a and b are rounded to bfloat16 (to nearest, ties to even;
 * subnormals to 0; a behind the factor) and a term is added to the float32 sum by
 * one fused multiply-add, in the order 1 0 3 2 5 4 ..., from zero.  That is what the instruction of
 * AVX512_BF16 does, which the widest table uses where the CPU has it; elsewhere the float32 product
 * does it with rounded terms.  So results are the same, but for sums below 2^-126, which the instruction
 * flushes to 0.  packed and scratch are the caller's, of nst_bf16_pack_size and nst_bf16_scratch
 * floats. */
size_t nst_bf16_pack_size(const struct nst_kernels *t, size_t k, size_t n);
void nst_bf16_pack(const struct nst_kernels *t, size_t k, size_t n, const float *b, size_t ldb,
		   float *packed);
size_t nst_bf16_scratch(const struct nst_kernels *t, size_t k);
void nst_bf16_gemm(const struct nst_kernels *t, const struct nst_bf16_product *p, float *scratch);

/* e^x in float as every table has it for its activations: off by at most 3 ulp and |x| * 2.8e-9.
 * Beyond -87 and 87 it is what it is there. */
float nst_expf(float x);

/* The table for this machine, or the one NST_SIMD names.  NULL when NST_SIMD names one that is not
 * built in or that this CPU cannot run (*why then says so).  Thread-safe, no allocation. */
const struct nst_kernels *nst_kernels_get(const char **why);

/* All tables that this CPU can run, plain first; returns their number (at most 4). */
size_t nst_kernels_all(const struct nst_kernels *list[4]);

#endif
