/* The reference: every kernel as the loop that defines it.
 *
 * Written to be checked by eye, not to be fast.  Forward functions spell out the one rounding a
 * term that the vector tables make (fmaf), in the order that kernels.h promises; gradients are
 * gathered, an element at a time, in double.  Filters are used as they lie in memory, packing is a
 * copy.  Taps outside the image are left out. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "libcore/nn/kernels/tables.h"

/* ---- exp and the activations ---------------------------------------------------------------- */

float nst_expf(float x)
{
	float shifted, n, r, p;
	uint32_t bits, exponent;

	x = -NST_EXP_MOST > x ? -NST_EXP_MOST : x;
	x = NST_EXP_MOST < x ? NST_EXP_MOST : x;
	shifted = fmaf(x, NST_EXP_LOG2E, NST_EXP_ROUND);
	n = shifted - NST_EXP_ROUND;
	r = fmaf(n, -NST_EXP_LN2, x);
	p = fmaf(NST_EXP_C5, r, NST_EXP_C4);
	p = fmaf(p, r, NST_EXP_C3);
	p = fmaf(p, r, NST_EXP_C2);
	p = fmaf(p, r, 1.0f);
	p = fmaf(p, r, 1.0f);
	if (p != p)
		return p;
	memcpy(&bits, &p, sizeof(bits));
	memcpy(&exponent, &shifted, sizeof(exponent));
	bits += exponent << 23;
	memcpy(&p, &bits, sizeof(p));
	return p;
}

static float sigmoid(float x)
{
	return 1.0f / (1.0f + nst_expf(-x));
}

/* RELU is written so that NaN stays NaN: a diverged training must be seen. */
static float activate(enum nst_act act, float x)
{
	switch (act) {
	case NST_ACT_RELU:
		return 0.0f > x ? 0.0f : x;
	case NST_ACT_SWISH:
		return (-NST_EXP_MOST > x ? -NST_EXP_MOST : x) / (1.0f + nst_expf(-x));
	case NST_ACT_SIGMOID:
		return sigmoid(x);
	default:
		return x;
	}
}

/* Derivative at the input x. */
static float slope(enum nst_act act, float x)
{
	float s;

	switch (act) {
	case NST_ACT_RELU:
		return x > 0.0f ? 1.0f : 0.0f;
	case NST_ACT_SWISH:
		s = sigmoid(x);
		return s * fmaf(x, 1.0f - s, 1.0f);
	case NST_ACT_SIGMOID:
		s = sigmoid(x);
		return s * (1.0f - s);
	default:
		return 1.0f;
	}
}

static void act_forward(size_t count, enum nst_act act, const float *x, float *y)
{
	for (size_t i = 0; i < count; i++)
		y[i] = activate(act, x[i]);
}

static void act_backward(size_t count, enum nst_act act, const float *x, const float *dy, float *dx)
{
	for (size_t i = 0; i < count; i++)
		dx[i] = dy[i] * slope(act, x[i]);
}

/* ---- matrix product ------------------------------------------------------------------------- */

static size_t pack_size(size_t k, size_t n)
{
	return k * n;
}

static void pack(size_t k, size_t n, const float *b, size_t ldb, float *packed)
{
	for (size_t p = 0; p < k; p++)
		memcpy(packed + p * n, b + p * ldb, n * sizeof(float));
}

static void gemm(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col,
		 const float *packed, const float *bias, enum nst_act act, int accumulate, float *c,
		 size_t ldc)
{
	for (size_t i = 0; i < m; i++) {
		for (size_t j = 0; j < n; j++) {
			float sum = accumulate ? c[i * ldc + j] : 0.0f;

			for (size_t p = 0; p < k; p++)
				sum = fmaf(a[i * a_row + p * a_col], packed[p * n + j], sum);
			if (bias)
				sum += bias[j];
			c[i * ldc + j] = activate(act, sum);
		}
	}
}

/* ---- dense convolution ---------------------------------------------------------------------- */

/* The input line (or column) that output line i reads with tap a; beyond the last when outside. */
static size_t reads(size_t i, size_t a, size_t stride, size_t pad)
{
	return i * stride + a - pad; /* wraps to a huge number before the first line */
}

#define NONE ((size_t)-1)

/* The output line that reads input line y with tap a, or NONE. */
static size_t read_by(size_t y, size_t a, size_t stride, size_t pad, size_t count)
{
	size_t i;

	if (y + pad < a || (y + pad - a) % stride)
		return NONE;
	i = (y + pad - a) / stride;
	return i < count ? i : NONE;
}

/* F(4x4,3x3), see winograd.inc: one axis of each of the three maps, and both axes. */
static void wino_input(const float *in, size_t step, float out[6])
{
	const float *d[6];
	float even, odd;

	for (size_t i = 0; i < 6; i++)
		d[i] = in + i * step;
	out[0] = fmaf(NST_WINO_A2B2, *d[0], fmaf(-NST_WINO_A2_PLUS_B2, *d[2], *d[4]));
	even = fmaf(-NST_WINO_B2, *d[2], *d[4]);
	odd = fmaf(-NST_WINO_B2, *d[1], *d[3]);
	out[1] = fmaf(NST_WINO_A, odd, even);
	out[2] = fmaf(-NST_WINO_A, odd, even);
	even = fmaf(-NST_WINO_A2, *d[2], *d[4]);
	odd = fmaf(-NST_WINO_A2, *d[1], *d[3]);
	out[3] = fmaf(NST_WINO_B, odd, even);
	out[4] = fmaf(-NST_WINO_B, odd, even);
	out[5] = fmaf(NST_WINO_A2B2, *d[1], fmaf(-NST_WINO_A2_PLUS_B2, *d[3], *d[5]));
}

static void wino_filter(const float *in, size_t step, float out[6])
{
	float even, odd;

	out[0] = NST_WINO_N0 * in[0];
	even = fmaf(NST_WINO_A2, in[2 * step], in[0]);
	odd = NST_WINO_A * in[step];
	out[1] = NST_WINO_NA * (even + odd);
	out[2] = NST_WINO_NA * (even - odd);
	even = fmaf(NST_WINO_B2, in[2 * step], in[0]);
	odd = NST_WINO_B * in[step];
	out[3] = NST_WINO_NB * (even + odd);
	out[4] = NST_WINO_NB * (even - odd);
	out[5] = in[2 * step];
}

static void wino_output(const float *in, size_t step, float out[6])
{
	float p = in[step] + in[2 * step], q = in[step] - in[2 * step];
	float r = in[3 * step] + in[4 * step], s = in[3 * step] - in[4 * step];

	out[0] = in[0] + (p + r);
	out[1] = fmaf(NST_WINO_B, s, NST_WINO_A * q);
	out[2] = fmaf(NST_WINO_B2, r, NST_WINO_A2 * p);
	out[3] = fmaf(NST_WINO_B3, s, fmaf(NST_WINO_A3, q, in[5 * step]));
}

/* Columns, then lines: from x from values become to x to. */
static void wino_axes(void (*axis)(const float *, size_t, float *), size_t from, size_t to,
		      const float *in, float *out)
{
	float column[6], line[6], half[36];

	for (size_t j = 0; j < from; j++) {
		axis(in + j, from, column);
		for (size_t i = 0; i < to; i++)
			half[i * from + j] = column[i];
	}
	for (size_t i = 0; i < to; i++) {
		axis(half + i * from, 1, line);
		memcpy(out + i * to, line, to * sizeof(*out));
	}
}

/* Outputs (top..top+3, left..left+3) of channel co of an image x; those that exist are written. */
static void wino_tile(const struct nst_conv *s, const float *x, size_t top, size_t left, size_t co,
		      const float *w, float bias, enum nst_act act, float *y)
{
	float sum[36] = { 0 }, out[16];

	for (size_t ci = 0; ci < s->cin; ci++) {
		float in[36], spread[36], taps[9], filter[36];

		for (size_t i = 0; i < 36; i++) {
			size_t yy = reads(top, i / 6, 1, 1), xx = reads(left, i % 6, 1, 1);

			in[i] = yy < s->h && xx < s->w ? x[(yy * s->w + xx) * s->cin + ci] : 0.0f;
		}
		for (size_t t = 0; t < 9; t++)
			taps[t] = w[(t * s->cin + ci) * s->cout + co];
		wino_axes(wino_input, 6, 6, in, spread);
		wino_axes(wino_filter, 3, 6, taps, filter);
		for (size_t i = 0; i < 36; i++)
			sum[i] = fmaf(spread[i], filter[i], sum[i]);
	}
	wino_axes(wino_output, 6, 4, sum, out);
	for (size_t i = 0; i < 16; i++) {
		size_t yy = top + i / 4, xx = left + i % 4;

		if (yy < s->h && xx < s->w)
			y[(yy * s->w + xx) * s->cout + co] = activate(act, out[i] + bias);
	}
}

static void wino_forward(const struct nst_conv *s, const float *x, const float *w,
			 const float *bias, enum nst_act act, float *y)
{
	for (size_t image = 0; image < s->n; image++) {
		for (size_t top = 0; top < s->h; top += 4)
			for (size_t left = 0; left < s->w; left += 4)
				for (size_t co = 0; co < s->cout; co++)
					wino_tile(s, x, top, left, co, w, bias ? bias[co] : 0.0f,
						  act, y);
		x += s->h * s->w * s->cin;
		y += s->h * s->w * s->cout;
	}
}

static size_t no_scratch(const struct nst_conv *s)
{
	(void)s;
	return 0;
}

static size_t no_conv_scratch(const struct nst_conv *s, int training)
{
	(void)s;
	(void)training;
	return 0;
}

static size_t conv_pack_size(const struct nst_conv *s)
{
	return s->k * s->k * s->cin * s->cout;
}

static void conv_pack(const struct nst_conv *s, const float *w, float *packed)
{
	memcpy(packed, w, conv_pack_size(s) * sizeof(float));
}

static void conv_forward(const struct nst_conv *s, const float *x, const float *w,
			 const float *bias, enum nst_act act, float *y, float *scratch)
{
	(void)scratch;
	if (nst_wino_fits(s)) {
		wino_forward(s, x, w, bias, act, y);
		return;
	}
	for (size_t pixel = 0; pixel < s->n * s->ho * s->wo; pixel++) {
		size_t image = pixel / (s->ho * s->wo);
		size_t i = pixel / s->wo % s->ho, j = pixel % s->wo;

		for (size_t co = 0; co < s->cout; co++) {
			float sum = 0.0f;

			for (size_t a = 0; a < s->k; a++) {
				for (size_t b = 0; b < s->k; b++) {
					size_t yy = reads(i, a, s->stride, s->pad_top);
					size_t xx = reads(j, b, s->stride, s->pad_left);
					const float *in, *f;

					if (yy >= s->h || xx >= s->w)
						continue;
					in = x + ((image * s->h + yy) * s->w + xx) * s->cin;
					f = w + (a * s->k + b) * s->cin * s->cout + co;
					for (size_t ci = 0; ci < s->cin; ci++)
						sum = fmaf(in[ci], f[ci * s->cout], sum);
				}
			}
			if (bias)
				sum += bias[co];
			y[pixel * s->cout + co] = activate(act, sum);
		}
	}
}

static void conv_data_grad(const struct nst_conv *s, const float *dy, const float *w, float *dx,
			   float *scratch)
{
	(void)scratch;
	for (size_t pixel = 0; pixel < s->n * s->h * s->w; pixel++) {
		size_t image = pixel / (s->h * s->w);
		size_t yy = pixel / s->w % s->h, xx = pixel % s->w;

		for (size_t ci = 0; ci < s->cin; ci++) {
			double sum = 0.0;

			for (size_t a = 0; a < s->k; a++) {
				for (size_t b = 0; b < s->k; b++) {
					size_t i = read_by(yy, a, s->stride, s->pad_top, s->ho);
					size_t j = read_by(xx, b, s->stride, s->pad_left, s->wo);
					const float *g, *f;

					if (i == NONE || j == NONE)
						continue;
					g = dy + ((image * s->ho + i) * s->wo + j) * s->cout;
					f = w + ((a * s->k + b) * s->cin + ci) * s->cout;
					for (size_t co = 0; co < s->cout; co++)
						sum += (double)g[co] * f[co];
				}
			}
			dx[pixel * s->cin + ci] = (float)sum;
		}
	}
}

static void conv_weight_grad(const struct nst_conv *s, const float *x, const float *dy,
			     int accumulate, float *dw, float *scratch)
{
	(void)scratch;
	for (size_t t = 0; t < s->k * s->k * s->cin; t++) {
		size_t a = t / s->cin / s->k, b = t / s->cin % s->k, ci = t % s->cin;

		for (size_t co = 0; co < s->cout; co++) {
			double sum = 0.0;

			for (size_t pixel = 0; pixel < s->n * s->ho * s->wo; pixel++) {
				size_t image = pixel / (s->ho * s->wo);
				size_t yy = reads(pixel / s->wo % s->ho, a, s->stride, s->pad_top);
				size_t xx = reads(pixel % s->wo, b, s->stride, s->pad_left);

				if (yy < s->h && xx < s->w)
					sum += (double)dy[pixel * s->cout + co] *
					       x[((image * s->h + yy) * s->w + xx) * s->cin + ci];
			}
			dw[t * s->cout + co] = (float)sum + (accumulate ? dw[t * s->cout + co] : 0);
		}
	}
}

/* ---- depthwise convolution ------------------------------------------------------------------ */

static void dw_forward(const struct nst_conv *s, const float *x, const float *w, const float *bias,
		       enum nst_act act, float *y, float *scratch)
{
	(void)scratch;
	for (size_t pixel = 0; pixel < s->n * s->ho * s->wo; pixel++) {
		size_t image = pixel / (s->ho * s->wo);

		for (size_t c = 0; c < s->cin; c++) {
			float sum = 0.0f;

			for (size_t t = 0; t < s->k * s->k; t++) {
				size_t yy = reads(pixel / s->wo % s->ho, t / s->k, s->stride,
						  s->pad_top);
				size_t xx = reads(pixel % s->wo, t % s->k, s->stride, s->pad_left);

				size_t from = ((image * s->h + yy) * s->w + xx) * s->cin + c;

				if (yy < s->h && xx < s->w)
					sum = fmaf(x[from], w[t * s->cin + c], sum);
			}
			if (bias)
				sum += bias[c];
			y[pixel * s->cin + c] = activate(act, sum);
		}
	}
}

static void dw_data_grad(const struct nst_conv *s, const float *dy, const float *w, float *dx,
			 float *scratch)
{
	(void)scratch;
	for (size_t pixel = 0; pixel < s->n * s->h * s->w; pixel++) {
		size_t image = pixel / (s->h * s->w);

		for (size_t c = 0; c < s->cin; c++) {
			double sum = 0.0;

			for (size_t t = 0; t < s->k * s->k; t++) {
				size_t i = read_by(pixel / s->w % s->h, t / s->k, s->stride,
						   s->pad_top, s->ho);
				size_t j = read_by(pixel % s->w, t % s->k, s->stride, s->pad_left,
						   s->wo);

				if (i != NONE && j != NONE)
					sum += (double)w[t * s->cin + c] *
					       dy[((image * s->ho + i) * s->wo + j) * s->cin + c];
			}
			dx[pixel * s->cin + c] = (float)sum;
		}
	}
}

static void dw_weight_grad(const struct nst_conv *s, const float *x, const float *dy,
			   int accumulate, float *dw, float *scratch)
{
	(void)scratch;
	for (size_t t = 0; t < s->k * s->k; t++) {
		for (size_t c = 0; c < s->cin; c++) {
			double sum = 0.0;

			for (size_t pixel = 0; pixel < s->n * s->ho * s->wo; pixel++) {
				size_t image = pixel / (s->ho * s->wo);
				size_t yy = reads(pixel / s->wo % s->ho, t / s->k, s->stride,
						  s->pad_top);
				size_t xx = reads(pixel % s->wo, t % s->k, s->stride, s->pad_left);

				if (yy < s->h && xx < s->w)
					sum += (double)dy[pixel * s->cin + c] *
					       x[((image * s->h + yy) * s->w + xx) * s->cin + c];
			}
			dw[t * s->cin + c] = (float)sum + (accumulate ? dw[t * s->cin + c] : 0);
		}
	}
}

/* ---- batch normalisation -------------------------------------------------------------------- */

static void bn_stats(size_t rows, size_t c, const float *z, float *mean, float *var)
{
	for (size_t j = 0; j < c; j++) {
		double sum = 0.0, squares = 0.0;

		for (size_t r = 0; r < rows; r++)
			sum += z[r * c + j];
		sum /= (double)rows;
		for (size_t r = 0; r < rows; r++) {
			double d = z[r * c + j] - sum;

			squares += d * d;
		}
		mean[j] = (float)sum;
		var[j] = (float)(squares / (double)rows);
	}
}

static float path_of(const struct nst_bn *s, size_t element)
{
	return s->path ? s->path[element / (s->pixels * s->c)] : 1.0f;
}

static void bn_forward(const struct nst_bn *s, const float *z, const float *scale,
		       const float *shift, const float *residual, float *y)
{
	for (size_t e = 0; e < s->n * s->pixels * s->c; e++) {
		float v = fmaf(z[e], scale[e % s->c], shift[e % s->c]);

		if (s->path)
			v *= path_of(s, e);
		if (residual)
			v += residual[e];
		y[e] = activate(s->act, v);
	}
}

static void bn_forward_slope(const struct nst_bn *s, const float *z, const float *scale,
			     const float *shift, float *y, float *to)
{
	for (size_t e = 0; e < s->n * s->pixels * s->c; e++) {
		float v = fmaf(z[e], scale[e % s->c], shift[e % s->c]);

		y[e] = activate(s->act, v);
		to[e] = slope(s->act, v);
	}
}

static void bn_backward_sums(const struct nst_bn *s, float *dy, const float *behind, const float *z,
			     const float *mean, const float *istd, float *dgamma, float *dbeta)
{
	size_t rows = s->n * s->pixels;

	for (size_t j = 0; j < s->c; j++) {
		double sum_gx = 0.0, sum_g = 0.0;

		for (size_t r = 0; r < rows; r++) {
			size_t e = r * s->c + j;
			size_t channel = r / s->pixels * s->c + j;
			float xhat = (z[e] - mean[j]) * istd[j], g = dy[e];

			if (s->times)
				g = fmaf(g, s->times[channel], s->plus[channel]);
			if (s->act == NST_ACT_RELU)
				g = behind[e] > 0.0f ? g : 0.0f;
			else if (s->act != NST_ACT_NONE)
				g *= behind[e];
			(s->far ? s->far : dy)[e] = g;
			g *= path_of(s, e);
			sum_gx += (double)g * xhat;
			sum_g += g;
		}
		dgamma[j] = (float)sum_gx;
		dbeta[j] = (float)sum_g;
	}
}

static void bn_backward_data(const struct nst_bn *s, const float *g, const float *z,
			     const float *mean, const float *scale, const float *slope,
			     const float *offset, float *dz)
{
	for (size_t e = 0; e < s->n * s->pixels * s->c; e++) {
		size_t j = e % s->c;

		dz[e] = scale[j] * path_of(s, e) * g[e] + (slope[j] * (z[e] - mean[j]) + offset[j]);
	}
}

/* ---- squeeze and excitation, pooling, small things ------------------------------------------ */

static void mean_pool(size_t n, size_t pixels, size_t c, const float *x, float *y)
{
	for (size_t e = 0; e < n * c; e++) {
		const float *in = x + e / c * pixels * c + e % c;
		float sum = 0.0f;

		for (size_t p = 0; p < pixels; p++)
			sum += in[p * c];
		y[e] = sum / (float)pixels;
	}
}

static void mean_pool_grad(size_t n, size_t pixels, size_t c, const float *dy, int accumulate,
			   float *dx)
{
	for (size_t e = 0; e < n * pixels * c; e++) {
		float g = dy[e / (pixels * c) * c + e % c] / (float)pixels;

		dx[e] = accumulate ? dx[e] + g : g;
	}
}

static void scale_channels(size_t n, size_t pixels, size_t c, const float *x, const float *s,
			   float *y)
{
	for (size_t e = 0; e < n * pixels * c; e++)
		y[e] = x[e] * s[e / (pixels * c) * c + e % c];
}

static void scale_channels_sums(size_t n, size_t pixels, size_t c, const float *x, const float *dy,
				float *ds)
{
	for (size_t e = 0; e < n * c; e++) {
		size_t first = e / c * pixels * c + e % c;
		double sum = 0.0;

		for (size_t i = first; i < first + pixels * c; i += c)
			sum += (double)dy[i] * x[i];
		ds[e] = (float)sum;
	}
}

static void add(size_t count, const float *x, float *y)
{
	for (size_t i = 0; i < count; i++)
		y[i] += x[i];
}

static void stream(size_t count, const float *x, float *y)
{
	memcpy(y, x, count * sizeof(*y));
}

static void max_pool(const struct nst_conv *s, const float *x, float *y, unsigned char *arg)
{
	for (size_t e = 0; e < s->n * s->ho * s->wo * s->cin; e++) {
		size_t pixel = e / s->cin, image = pixel / (s->ho * s->wo);
		int found = 0;

		for (size_t t = 0; t < s->k * s->k; t++) {
			size_t yy = reads(pixel / s->wo % s->ho, t / s->k, s->stride, s->pad_top);
			size_t xx = reads(pixel % s->wo, t % s->k, s->stride, s->pad_left);
			float v;

			if (yy >= s->h || xx >= s->w)
				continue;
			v = x[((image * s->h + yy) * s->w + xx) * s->cin + e % s->cin];
			if (!found || v > y[e] || v != v) {
				y[e] = v;
				if (arg)
					arg[e] = (unsigned char)t;
				found = 1;
			}
		}
	}
}

static void max_pool_grad(const struct nst_conv *s, const float *dy, const unsigned char *arg,
			  float *dx)
{
	memset(dx, 0, s->n * s->h * s->w * s->cin * sizeof(float));
	for (size_t e = 0; e < s->n * s->ho * s->wo * s->cin; e++) {
		size_t pixel = e / s->cin, image = pixel / (s->ho * s->wo);
		size_t yy = reads(pixel / s->wo % s->ho, arg[e] / s->k, s->stride, s->pad_top);
		size_t xx = reads(pixel % s->wo, arg[e] % s->k, s->stride, s->pad_left);

		dx[((image * s->h + yy) * s->w + xx) * s->cin + e % s->cin] += dy[e];
	}
}

/* ---- one pass over the parameters ----------------------------------------------------------- */

static void sgd(size_t count, const float *grad, float lr, float mu, float wd, int nesterov,
		float *m, float *w)
{
	for (size_t i = 0; i < count; i++) {
		float g = fmaf(wd, w[i], grad[i]);

		m[i] = fmaf(mu, m[i], g);
		w[i] = fmaf(-lr, nesterov ? fmaf(mu, m[i], g) : m[i], w[i]);
	}
}

static void rmsprop_tf(size_t count, const float *grad, float lr, float rho, float mu, float eps,
		       float wd, float *ms, float *mom, float *w)
{
	for (size_t i = 0; i < count; i++) {
		float g = fmaf(wd, w[i], grad[i]);

		ms[i] = fmaf(1.0f - rho, fmaf(g, g, -ms[i]), ms[i]);
		mom[i] = fmaf(mu, mom[i], lr * g / sqrtf(ms[i] + eps));
		w[i] -= mom[i];
	}
}

static void ema(size_t count, const float *w, float decay, float *e)
{
	for (size_t i = 0; i < count; i++)
		e[i] = fmaf(1.0f - decay, w[i] - e[i], e[i]);
}

static int all_finite(size_t count, const float *x)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(x[i]))
			return 0;
	return 1;
}

const struct nst_kernels nst_kernels_plain = {
	.name = "plain",
	.lanes = 1,
	.pack_size = pack_size,
	.pack = pack,
	.gemm = gemm,
	.conv_scratch = no_conv_scratch,
	.conv_pack_size = conv_pack_size,
	.conv_pack_grad_size = conv_pack_size,
	.conv_pack = conv_pack,
	.conv_pack_grad = conv_pack,
	.conv_forward = conv_forward,
	.conv_data_grad = conv_data_grad,
	.conv_weight_grad = conv_weight_grad,
	.dw_scratch = no_scratch,
	.dw_forward = dw_forward,
	.dw_data_grad = dw_data_grad,
	.dw_weight_grad = dw_weight_grad,
	.bn_stats = bn_stats,
	.bn_forward = bn_forward,
	.bn_forward_slope = bn_forward_slope,
	.bn_backward_sums = bn_backward_sums,
	.bn_backward_data = bn_backward_data,
	.mean_pool = mean_pool,
	.mean_pool_grad = mean_pool_grad,
	.scale_channels = scale_channels,
	.scale_channels_sums = scale_channels_sums,
	.act_forward = act_forward,
	.act_backward = act_backward,
	.add = add,
	.stream = stream,
	.max_pool = max_pool,
	.max_pool_grad = max_pool_grad,
	.sgd = sgd,
	.rmsprop_tf = rmsprop_tf,
	.ema = ema,
	.all_finite = all_finite,
};
