/* A plain twin of the net, in double: it walks the stages of an architecture itself, finds
 * parameters by name, and spells every layer as the obvious loops.  It shares nothing with
 * libcore/nn but the struct of the spec and the table of parameter names. */
#ifndef TESTS_UNIT_NN_TWIN_H
#define TESTS_UNIT_NN_TWIN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "libcore/nn/net.h"
#include "libcore/util/rng.h"

struct twin_map {
	size_t n, h, w, c;
	double *v;
};

/* Noise of a pass; NULL means none. */
struct twin_noise {
	uint64_t seed;
	uint32_t epoch;
	const uint64_t *key; /* per row */
	double dropout, drop_path;
};

struct twin {
	const struct nst_net *net;
	const double *params; /* the flat vector */
	const struct twin_noise *noise;
	size_t frozen_blocks;        /* blocks whose norms use running statistics; SIZE_MAX: all */
	struct nst_rng path_rng[64]; /* per row */
	size_t block;
	void *owned[4096];
	size_t nowned;
};

static struct twin_map twin_map(struct twin *t, size_t n, size_t h, size_t w, size_t c)
{
	struct twin_map m = { n, h, w, c, calloc(n * h * w * c, sizeof(double)) };

	assert_non_null(m.v);
	assert_true(t->nowned < sizeof(t->owned) / sizeof(*t->owned));
	t->owned[t->nowned++] = m.v;
	return m;
}

static double *twin_at(const struct twin_map *m, size_t n, size_t i, size_t j, size_t c)
{
	return &m->v[((n * m->h + i) * m->w + j) * m->c + c];
}

static const double *twin_param(const struct twin *t, const char *prefix, const char *name)
{
	const struct nst_param *p;
	char full[128] = "";

	strcat(full, prefix);
	strcat(full, name);
	p = nst_net_find(t->net, full);
	if (!p)
		fail_msg("no parameter '%s'", full);
	return t->params + p->offset;
}

static double twin_act(enum nst_act act, double v)
{
	switch (act) {
	case NST_ACT_RELU:
		return v > 0 ? v : 0;
	case NST_ACT_SWISH:
		return v / (1 + exp(-v));
	case NST_ACT_SIGMOID:
		return 1 / (1 + exp(-v));
	case NST_ACT_NONE:
		break;
	}
	return v;
}

/* Cells of padding before the first, by the rule of the architecture. */
static long twin_padding(const struct twin *t, size_t in, size_t out, size_t k, size_t stride)
{
	long all = (long)((out - 1) * stride + k) - (long)in;

	if (t->net->arch.pad != NST_PAD_SAME)
		return (long)(k / 2);
	return all > 0 ? all / 2 : 0;
}

/* Dense or depthwise convolution with the padding of the architecture. */
static struct twin_map twin_conv(struct twin *t, struct twin_map x, const char *prefix,
				 const char *name, size_t k, size_t stride, size_t cout,
				 int depthwise)
{
	size_t ho = (x.h + stride - 1) / stride, wo = (x.w + stride - 1) / stride;
	struct twin_map y = twin_map(t, x.n, ho, wo, cout);
	const double *w = twin_param(t, prefix, name);
	long pad_h = twin_padding(t, x.h, ho, k, stride), pad_w = twin_padding(t, x.w, wo, k, stride);

	for (size_t n = 0; n < x.n; n++)
		for (size_t i = 0; i < ho; i++)
			for (size_t j = 0; j < wo; j++)
				for (size_t o = 0; o < cout; o++)
					for (size_t a = 0; a < k; a++)
						for (size_t b = 0; b < k; b++) {
							long r = (long)(i * stride + a) - pad_h;
							long s = (long)(j * stride + b) - pad_w;

							if (r < 0 || s < 0 || r >= (long)x.h ||
							    s >= (long)x.w)
								continue;
							if (depthwise) {
								*twin_at(&y, n, i, j, o) +=
									*twin_at(&x, n, (size_t)r,
										 (size_t)s, o) *
									w[(a * k + b) * cout + o];
								continue;
							}
							for (size_t c = 0; c < x.c; c++)
								*twin_at(&y, n, i, j, o) +=
									*twin_at(&x, n, (size_t)r,
										 (size_t)s, c) *
									w[((a * k + b) * x.c + c) *
										  cout +
									  o];
						}
	return y;
}

/* The largest of each window, the first of equals not mattering. */
static struct twin_map twin_maxpool(struct twin *t, struct twin_map x, size_t k, size_t stride)
{
	size_t ho = (x.h + stride - 1) / stride, wo = (x.w + stride - 1) / stride;
	struct twin_map y = twin_map(t, x.n, ho, wo, x.c);
	long pad_h = twin_padding(t, x.h, ho, k, stride), pad_w = twin_padding(t, x.w, wo, k, stride);

	for (size_t n = 0; n < x.n; n++)
		for (size_t i = 0; i < ho; i++)
			for (size_t j = 0; j < wo; j++)
				for (size_t c = 0; c < x.c; c++) {
					double largest = -INFINITY;

					for (size_t a = 0; a < k * k; a++) {
						long r = (long)(i * stride + a / k) - pad_h;
						long s = (long)(j * stride + a % k) - pad_w;

						if (r >= 0 && s >= 0 && r < (long)x.h &&
						    s < (long)x.w)
							largest = fmax(largest,
								       *twin_at(&x, n, (size_t)r,
										(size_t)s, c));
					}
					*twin_at(&y, n, i, j, c) = largest;
				}
	return y;
}

static struct twin_map twin_norm(struct twin *t, struct twin_map z, const char *prefix,
				 const char *name)
{
	struct twin_map y = twin_map(t, z.n, z.h, z.w, z.c);
	size_t rows = z.n * z.h * z.w;
	char text[4][64];
	const double *p[4];
	static const char *const suffix[] = { ".weight", ".bias", ".running_mean", ".running_var" };

	for (int i = 0; i < 4; i++) {
		strcpy(text[i], name);
		strcat(text[i], suffix[i]);
		p[i] = twin_param(t, prefix, text[i]);
	}
	for (size_t c = 0; c < z.c; c++) {
		double mean = p[2][c], var = p[3][c];

		if (t->block >= t->frozen_blocks) {
			mean = var = 0;
			for (size_t r = 0; r < rows; r++)
				mean += z.v[r * z.c + c] / (double)rows;
			for (size_t r = 0; r < rows; r++)
				var += (z.v[r * z.c + c] - mean) * (z.v[r * z.c + c] - mean) /
				       (double)rows;
		}
		for (size_t r = 0; r < rows; r++)
			y.v[r * z.c + c] = p[0][c] * (z.v[r * z.c + c] - mean) /
						   sqrt(var + t->net->arch.bn_eps) +
					   p[1][c];
	}
	return y;
}

static struct twin_map twin_activate(struct twin *t, struct twin_map x, enum nst_act act)
{
	struct twin_map y = twin_map(t, x.n, x.h, x.w, x.c);

	for (size_t i = 0; i < x.n * x.h * x.w * x.c; i++)
		y.v[i] = twin_act(act, x.v[i]);
	return y;
}

/* branch, dropped or divided by its chance to survive, plus shortcut. */
static struct twin_map twin_join(struct twin *t, struct twin_map branch, struct twin_map shortcut)
{
	struct twin_map y = twin_map(t, branch.n, branch.h, branch.w, branch.c);
	size_t image = branch.h * branch.w * branch.c;

	for (size_t n = 0; n < branch.n; n++) {
		double factor = 1;

		if (t->noise && t->noise->drop_path > 0 && t->block > 0) {
			double keep = 1 - t->noise->drop_path * (double)t->block /
						  (double)t->net->nblocks;

			factor = nst_rng_unit(&t->path_rng[n]) < keep ? 1 / keep : 0;
		}
		for (size_t i = n * image; i < (n + 1) * image; i++)
			y.v[i] = factor * branch.v[i] + shortcut.v[i];
	}
	return y;
}

static struct twin_map twin_pad(struct twin *t, struct twin_map x, size_t stride, size_t cout)
{
	struct twin_map y =
		twin_map(t, x.n, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride, cout);

	for (size_t n = 0; n < y.n; n++)
		for (size_t i = 0; i < y.h; i++)
			for (size_t j = 0; j < y.w; j++)
				for (size_t c = 0; c < x.c; c++)
					*twin_at(&y, n, i, j, c) =
						*twin_at(&x, n, i * stride, j * stride, c);
	return y;
}

static void twin_dense(const double *x, size_t in, const double *w, const double *bias, size_t out,
		       double *y)
{
	for (size_t o = 0; o < out; o++) {
		y[o] = bias[o];
		for (size_t i = 0; i < in; i++)
			y[o] += x[i] * w[i * out + o];
	}
}

static struct twin_map twin_mean(struct twin *t, struct twin_map x)
{
	struct twin_map y = twin_map(t, x.n, 1, 1, x.c);

	for (size_t n = 0; n < x.n; n++)
		for (size_t p = 0; p < x.h * x.w; p++)
			for (size_t c = 0; c < x.c; c++)
				y.v[n * x.c + c] +=
					x.v[(n * x.h * x.w + p) * x.c + c] / (double)(x.h * x.w);
	return y;
}

static struct twin_map twin_se(struct twin *t, struct twin_map x, const char *prefix,
			       size_t squeeze, enum nst_act act)
{
	struct twin_map pooled = twin_mean(t, x), y = twin_map(t, x.n, x.h, x.w, x.c);
	double *middle = twin_map(t, 1, 1, 1, squeeze).v, *factor = twin_map(t, 1, 1, 1, x.c).v;

	for (size_t n = 0; n < x.n; n++) {
		twin_dense(pooled.v + n * x.c, x.c, twin_param(t, prefix, "se.conv_reduce.weight"),
			   twin_param(t, prefix, "se.conv_reduce.bias"), squeeze, middle);
		for (size_t i = 0; i < squeeze; i++)
			middle[i] = twin_act(act, middle[i]);
		twin_dense(middle, squeeze, twin_param(t, prefix, "se.conv_expand.weight"),
			   twin_param(t, prefix, "se.conv_expand.bias"), x.c, factor);
		for (size_t p = 0; p < x.h * x.w; p++)
			for (size_t c = 0; c < x.c; c++) {
				size_t at = (n * x.h * x.w + p) * x.c + c;

				y.v[at] = x.v[at] * twin_act(NST_ACT_SIGMOID, factor[c]);
			}
	}
	return y;
}

static struct twin_map twin_resnet_shortcut(struct twin *t, struct twin_map x,
					    const struct nst_stage *s, size_t stride,
					    const char *prefix)
{
	if (stride == 1 && x.c == s->channels)
		return x;
	if (s->shortcut == NST_SHORTCUT_PAD)
		return twin_pad(t, x, stride, s->channels);
	x = twin_conv(t, x, prefix, "downsample.0.weight", 1, stride, s->channels, 0);
	return twin_norm(t, x, prefix, "downsample.1");
}

static struct twin_map twin_block(struct twin *t, struct twin_map x, const struct nst_stage *s,
				  size_t stride, int first, const char *prefix)
{
	int same = stride == 1 && x.c == s->channels;
	struct twin_map y = x, shortcut = x;

	switch (s->kind) {
	case NST_STAGE_MBCONV:
		if (s->expand > 1) {
			y = twin_conv(t, y, prefix, "conv_pw.weight", 1, 1, x.c * s->expand, 0);
			y = twin_activate(t, twin_norm(t, y, prefix, "bn1"), s->act);
		}
		y = twin_conv(t, y, prefix, "conv_dw.weight", s->k, stride, y.c, 1);
		y = twin_activate(t, twin_norm(t, y, prefix, s->expand > 1 ? "bn2" : "bn1"),
				  s->act);
		if (s->se > 0) {
			size_t squeeze = (size_t)floor((double)x.c * s->se);

			y = twin_se(t, y, prefix, squeeze < 1 ? 1 : squeeze, s->act);
		}
		y = twin_conv(t, y, prefix, s->expand > 1 ? "conv_pwl.weight" : "conv_pw.weight", 1,
			      1, s->channels, 0);
		y = twin_norm(t, y, prefix, s->expand > 1 ? "bn3" : "bn2");
		return same ? twin_join(t, y, x) : y;
	case NST_STAGE_BASIC:
		shortcut = twin_resnet_shortcut(t, x, s, stride, prefix);
		y = twin_conv(t, x, prefix, "conv1.weight", s->k, stride, s->channels, 0);
		y = twin_activate(t, twin_norm(t, y, prefix, "bn1"), s->act);
		y = twin_norm(t, twin_conv(t, y, prefix, "conv2.weight", s->k, 1, s->channels, 0),
			      prefix, "bn2");
		return twin_activate(t, twin_join(t, y, shortcut), s->act);
	case NST_STAGE_BOTTLENECK:
		shortcut = twin_resnet_shortcut(t, x, s, stride, prefix);
		y = twin_conv(t, x, prefix, "conv1.weight", 1, 1, s->channels / 4, 0);
		y = twin_activate(t, twin_norm(t, y, prefix, "bn1"), s->act);
		y = twin_conv(t, y, prefix, "conv2.weight", s->k, stride, s->channels / 4, 0);
		y = twin_activate(t, twin_norm(t, y, prefix, "bn2"), s->act);
		y = twin_conv(t, y, prefix, "conv3.weight", 1, 1, s->channels, 0);
		return twin_activate(t, twin_join(t, twin_norm(t, y, prefix, "bn3"), shortcut),
				     s->act);
	case NST_STAGE_PREACT:
		y = twin_activate(t, twin_norm(t, x, prefix, "bn1"), s->act);
		if (s->shortcut == NST_SHORTCUT_CONV && first)
			shortcut = twin_conv(t, y, prefix, "shortcut.weight", 1, stride,
					     s->channels, 0);
		else if (!same)
			shortcut = twin_pad(t, y, stride, s->channels);
		y = twin_conv(t, y, prefix, "conv1.weight", s->k, stride, s->channels, 0);
		y = twin_activate(t, twin_norm(t, y, prefix, "bn2"), s->act);
		y = twin_conv(t, y, prefix, "conv2.weight", s->k, 1, s->channels, 0);
		return twin_join(t, y, shortcut);
	default:
		break;
	}
	return x;
}

static struct twin_map twin_stage(struct twin *t, struct twin_map x, const struct nst_stage *s,
				  size_t number)
{
	for (size_t i = 0; i < s->repeats; i++) {
		char prefix[64] = "blocks.0.0.";

		if (s->kind == NST_STAGE_MBCONV) {
			prefix[7] = (char)('0' + number);
			prefix[9] = (char)('0' + i);
		} else {
			strcpy(prefix, "layer1.0.");
			prefix[5] = (char)('1' + number);
			prefix[7] = (char)('0' + i);
		}
		x = twin_block(t, x, s, i ? 1 : s->stride, i == 0, prefix);
		t->block++;
	}
	return x;
}

/* Logits (n,classes) of images (n,size,size,3).  frozen_blocks as in nst_grain_plan_new. */
static inline void twin_forward(const struct nst_net *net, const double *params, size_t n,
				const float *images, const struct twin_noise *noise,
				size_t frozen_blocks, double *logits)
{
	struct twin *t = calloc(1, sizeof(*t));
	const struct nst_arch *a = &net->arch;
	size_t blocks = 0, norms = 0;
	int timm = a->stage[1].kind == NST_STAGE_MBCONV;
	const char *classifier = timm ? "classifier" : "fc";
	struct twin_map x;

	assert_non_null(t);
	t->net = net;
	t->params = params;
	t->noise = noise;
	t->frozen_blocks = frozen_blocks;
	for (size_t i = 0; noise && i < n; i++)
		nst_rng_init(&t->path_rng[i], noise->seed, NST_RNG_DROPPATH, noise->epoch,
			     noise->key[i]);
	x = twin_map(t, n, net->size, net->size, 3);
	for (size_t i = 0; i < n * net->size * net->size * 3; i++)
		x.v[i] = images[i];
	for (size_t i = 0; i < a->nstages; i++) {
		const struct nst_stage *s = &a->stage[i];
		const char *name = timm ? (i ? "conv_head.weight" : "conv_stem.weight")
					: (i ? "conv2.weight" : "conv1.weight");

		if (s->kind == NST_STAGE_MAXPOOL) {
			x = twin_maxpool(t, x, s->k, s->stride);
			continue;
		}
		if (s->kind != NST_STAGE_CONV && s->kind != NST_STAGE_NORM) {
			x = twin_stage(t, x, s, blocks++);
			continue;
		}
		if (s->kind == NST_STAGE_CONV)
			x = twin_conv(t, x, "", name, s->k, s->stride, s->channels, 0);
		if (s->kind == NST_STAGE_NORM || s->bn)
			x = twin_activate(t, twin_norm(t, x, "", norms++ ? "bn2" : "bn1"), s->act);
	}
	x = twin_mean(t, x);
	for (size_t i = 0; noise && i < n; i++) {
		struct nst_rng drop;

		nst_rng_init(&drop, noise->seed, NST_RNG_DROPOUT, noise->epoch, noise->key[i]);
		for (size_t c = 0; c < x.c && noise->dropout > 0; c++)
			x.v[i * x.c + c] *=
				nst_rng_unit(&drop) < noise->dropout ? 0 : 1 / (1 - noise->dropout);
	}
	for (size_t i = 0; i < n; i++) {
		char weight[32] = "", bias[32] = "";

		strcat(strcat(weight, classifier), ".weight");
		strcat(strcat(bias, classifier), ".bias");
		twin_dense(x.v + i * x.c, x.c, twin_param(t, "", weight), twin_param(t, "", bias),
			   net->classes, logits + i * net->classes);
	}
	while (t->nowned)
		free(t->owned[--t->nowned]);
	free(t);
}

/* ---- what the tests of nets share ---------------------------------------------------------- */

/* Small nets that between them have every kind of layer, stride, padding and shortcut. */
static const struct {
	const char *name, *text;
	size_t size;
} tiny[] = {
	{ "mbconv",
	  "net size=9 pad=same bn-eps=0.001 bn-momentum=0.99 init=tf dropout=0.2 drop-path=0.4\n"
	  "conv k=3 s=2 c=8 bn=1 act=swish\n"
	  "mbconv k=3 s=1 c=8 n=2 e=1 se=0.25 act=swish\n"
	  "mbconv k=5 s=2 c=12 n=2 e=4 se=0.25 act=swish\n"
	  "mbconv k=3 s=1 c=12 n=1 e=3 se=0 act=swish\n"
	  "conv k=1 s=1 c=20 bn=1 act=swish\n",
	  9 },
	{ "basic-pad",
	  "net size=8 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0\n"
	  "conv k=3 s=1 c=4 bn=1 act=relu\n"
	  "basic k=3 s=1 c=4 n=2 shortcut=pad act=relu\n"
	  "basic k=3 s=2 c=8 n=2 shortcut=pad act=relu\n",
	  8 },
	{ "basic-conv",
	  "net size=7 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0.3\n"
	  "conv k=5 s=2 c=6 bn=1 act=relu\n"
	  "basic k=3 s=1 c=6 n=1 shortcut=conv act=relu\n"
	  "basic k=3 s=2 c=5 n=2 shortcut=conv act=relu\n",
	  7 },
	{ "bottleneck",
	  "net size=13 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0.3\n"
	  "conv k=7 s=2 c=6 bn=1 act=relu\n"
	  "maxpool k=3 s=2\n"
	  "bottleneck k=3 s=1 c=12 n=2 shortcut=conv act=relu\n"
	  "bottleneck k=3 s=2 c=16 n=1 shortcut=pad act=relu\n",
	  13 },
	{ "maxpool-same",
	  "net size=10 pad=same bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0\n"
	  "conv k=3 s=1 c=4 bn=0 act=none\n"
	  "maxpool k=3 s=2\n"
	  "preact k=3 s=1 c=5 n=1 shortcut=conv act=relu\n"
	  "norm act=relu\n",
	  10 },
	{ "preact-conv",
	  "net size=8 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0.3 "
	  "drop-path=0.5\n"
	  "conv k=3 s=1 c=4 bn=0 act=none\n"
	  "preact k=3 s=1 c=8 n=2 shortcut=conv act=relu\n"
	  "preact k=3 s=2 c=8 n=2 shortcut=conv act=relu\n"
	  "norm act=relu\n",
	  8 },
	{ "preact-pad",
	  "net size=6 pad=same bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 drop-path=0\n"
	  "conv k=3 s=1 c=3 bn=0 act=none\n"
	  "preact k=3 s=2 c=5 n=2 shortcut=pad act=swish\n"
	  "norm act=relu\n",
	  6 },
};

enum { NTINY = sizeof(tiny) / sizeof(*tiny) };

static inline struct nst_net *net_from(const char *name, const char *text, size_t size,
				       size_t classes)
{
	struct nst_arch arch;
	struct nst_net *net = NULL;
	struct nst_err err = { 0 };

	if (nst_arch_parse(name, text, &arch, &err) ||
	    nst_net_new(&arch, size, classes, &net, &err))
		fail_msg("%s", err.msg);
	return net;
}

static inline struct nst_net *tiny_net(size_t i, size_t classes)
{
	return net_from(tiny[i].name, tiny[i].text, tiny[i].size, classes);
}

/* The same with a padding of choice, and so many pixels more. */
static inline struct nst_net *tiny_padded(size_t i, enum nst_pad pad, size_t more, size_t classes)
{
	struct nst_arch arch;
	struct nst_net *net = NULL;
	struct nst_err err = { 0 };

	if (nst_arch_parse(tiny[i].name, tiny[i].text, &arch, &err))
		fail_msg("%s", err.msg);
	arch.pad = pad;
	if (nst_net_new(&arch, tiny[i].size + more, classes, &net, &err))
		fail_msg("%s", err.msg);
	return net;
}

/* A net of the table of architectures, at a size of choice. */
static inline struct nst_net *listed_net(const char *name, size_t size, size_t classes)
{
	struct nst_arch arch;
	struct nst_net *net = NULL;
	struct nst_err err = { 0 };

	if (nst_arch_find(name, &arch, &err) || nst_net_new(&arch, size, classes, &net, &err))
		fail_msg("%s", err.msg);
	return net;
}

static inline float *floats_new(size_t n)
{
	struct nst_err err;
	float *p = nst_alloc_aligned(n, sizeof(float), &err);

	assert_non_null(p);
	memset(p, 0, n * sizeof(float));
	return p;
}

/* Parameters that are all different from their neutral start: norms with their own scale, shift and
 * statistics, biases that are not 0. */
static inline float *random_params(const struct nst_net *net, uint64_t seed)
{
	float *params = floats_new(net->nfloats);
	struct nst_rng rng;

	nst_net_init(net, seed, params);
	nst_rng_init(&rng, seed, NST_RNG_TEST, 0, 0);
	for (size_t i = 0; i < net->nparams; i++) {
		const struct nst_param *p = &net->param[i];

		for (size_t j = 0; j < p->count; j++) {
			if (p->role == NST_PARAM_GAMMA || p->role == NST_PARAM_VAR)
				params[p->offset + j] = (float)nst_rng_uniform(&rng, 0.5, 1.5);
			else if (p->role != NST_PARAM_WEIGHT)
				params[p->offset + j] = (float)nst_rng_uniform(&rng, -0.3, 0.3);
		}
	}
	return params;
}

static inline float *random_images(const struct nst_net *net, size_t n, uint64_t seed)
{
	size_t count = n * net->size * net->size * 3;
	float *x = floats_new(count);
	struct nst_rng rng;

	nst_rng_init(&rng, seed, NST_RNG_TEST, 1, 0);
	for (size_t i = 0; i < count; i++)
		x[i] = (float)nst_rng_normal(&rng);
	return x;
}

/* Where inference has its rows from, for twin_load_row. */
struct twin_rows {
	const float *images;
	size_t floats; /* of an image */
	size_t first;  /* row 0 of the run */
	size_t bad[2]; /* rows that cannot be loaded */
};

static inline int twin_load_row(void *ctx, size_t row, unsigned worker, float *dst, struct nst_err *err)
{
	const struct twin_rows *s = ctx;

	(void)worker;
	for (int i = 0; i < 2; i++)
		if (row == s->bad[i])
			return nst_fail(err, NST_EFORMAT, "row %zu is bad", row);
	memcpy(dst, s->images + (s->first + row) * s->floats, s->floats * sizeof(float));
	return 0;
}

static inline struct twin_rows twin_rows_of(const struct nst_net *net, const float *images)
{
	struct twin_rows s = { images, net->size * net->size * 3, 0, { SIZE_MAX, SIZE_MAX } };

	return s;
}

static inline double *as_doubles(const float *x, size_t n)
{
	double *d = malloc(n * sizeof(*d));

	assert_non_null(d);
	for (size_t i = 0; i < n; i++)
		d[i] = x[i];
	return d;
}

#endif
