/* What the tests of libcore/data share: small shards and mixes of raw images, and models. */
#ifndef NST_TESTS_DATA_UTIL_H
#define NST_TESTS_DATA_UTIL_H

#include "tests/unit/formats_util.h"

#include "libcore/data/dataset.h"
#include "libcore/data/modelfile.h"
#include "libcore/util/rng.h"

enum { SIDE = 8 };

static const char *const abc[] = {"ant", "bee", "cat"};

/* Pixels of picture i: noise around a grey that depends on its class i % 3, so that there is
 * something to learn. */
UNUSED static void draw(int i, uint8_t pixels[SIDE * SIDE * 3])
{
	struct nst_rng rng;

	nst_rng_init(&rng, 1, NST_RNG_TEST, 0, (uint64_t)i);
	for (int k = 0; k < SIDE * SIDE * 3; k++)
		pixels[k] = (uint8_t)(60 * (i % 3) + (int)nst_rng_below(&rng, 100));
}

/* Append picture i under the key "p/i" with a label. */
UNUSED static void add_picture(struct nst_rows *r, int i, int32_t label)
{
	uint8_t pixels[SIDE * SIDE * 3];
	struct nst_sample s = {
		.data = pixels, .size = sizeof(pixels), .height = SIDE, .width = SIDE, .channels = 3,
		.codec = NST_CODEC_RAW, .orientation = 1, .label = label,
	};
	char key[16];

	draw(i, pixels);
	snprintf(key, sizeof(key), "p/%d", i);
	s.key = key;
	s.key_len = strlen(key);
	OK(nst_rows_add_copy(r, &s, &err));
}

/* A shard of pictures [from, to) with labels i % classes, or none for classes 0. */
UNUSED static void write_pictures(const char *path, int from, int to, const char *const *name,
				  int classes)
{
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
	struct nst_build *b;

	assert_non_null(r);
	for (int i = from; i < to; i++)
		add_picture(r, i, classes ? i % classes : -1);
	OK(nst_shard_build(&b, r, name, (size_t)classes, &err));
	OK(nst_out_file(path, NULL, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
}

/* Form of the targets of pseudo rows. */
enum form { HARD, FULL, TOPK };

/* Row i of a test's mix: every third is labeled; copy, weight and target follow from i. */
UNUSED static int mix_is_pseudo(int i)
{
	return i % 3 != 0;
}

UNUSED static void mix_soft(int i, float p[3])
{
	p[0] = (float)(i % 7) / 16;
	p[1] = (float)(i % 5) / 16;
	p[2] = 1 - p[0] - p[1];
}

/* A mix of rows 0 to n - 1 over the classes abc. */
UNUSED static void write_mix(const char *path, int n, enum form form, double ratio)
{
	struct nst_rows *r = nst_rows_new(NST_EMBED, NULL, &err);
	uint8_t *role = calloc((size_t)n, 1);
	uint32_t *copy = calloc((size_t)n, sizeof(*copy));
	float *weight = calloc((size_t)n, sizeof(*weight)), *p = calloc((size_t)n * 3, sizeof(*p));
	int32_t *top = calloc((size_t)n * 2, sizeof(*top));
	struct nst_mix m = {
		.classes = 3, .class_name = abc, .role = role, .copy = copy, .weight = weight,
		.ratio = ratio, .model = "m",
	};
	struct nst_build *b;
	uint64_t pseudo = 0;

	assert_non_null(r);
	for (int i = 0; i < n; i++) {
		role[i] = (uint8_t)mix_is_pseudo(i);
		copy[i] = (uint32_t)(i % 4);
		weight[i] = role[i] ? 0.5f : 1;
		add_picture(r, i, i % 3);
		if (role[i] && form == FULL)
			mix_soft(i, p + 3 * pseudo);
		if (role[i] && form == TOPK) {
			top[2 * pseudo] = 2; /* 0.75 for class 2, 0.125 for class 0, the rest for 1 */
			top[2 * pseudo + 1] = 0;
			p[2 * pseudo] = 0.75f;
			p[2 * pseudo + 1] = 0.125f;
		}
		pseudo += role[i];
	}
	m.soft = (struct nst_soft){.classes = 3, .type = NST_F32};
	if (form != HARD)
		m.soft.rows = pseudo;
	if (form == FULL) {
		m.soft.k = 3;
		m.soft.probability = p;
	} else if (form == TOPK) {
		m.soft.k = 2;
		m.soft.topk_class = top;
		m.soft.topk_probability = p;
	}
	OK(nst_mix_build(&b, r, &m, &err));
	OK(nst_out_file(path, NULL, b, &err));
	nst_build_free(b);
	nst_rows_free(r);
	free(role);
	free(copy);
	free(weight);
	free(p);
	free(top);
}

/* Sealed table of some files. */
UNUSED static struct nst_dataset *open_rows(const char *const *paths, size_t n)
{
	struct nst_dataset *ds = NULL;

	OK(nst_dataset_open(&ds, paths, n, ALL_KINDS, NULL, 0, NULL, &err));
	return ds;
}

UNUSED static struct nst_dataset *open_file(const char *path)
{
	return open_rows(&path, 1);
}

UNUSED static struct nst_net *net_of(const char *arch, size_t size, size_t classes)
{
	struct nst_arch a;
	struct nst_net *net = NULL;

	OK(nst_arch_find(arch, &a, &err));
	OK(nst_net_new(&a, size, classes, &net, &err));
	return net;
}

/* Initial weights. */
UNUSED static float *weights_of(const struct nst_net *net, uint64_t seed)
{
	float *p = nst_zalloc(net->nfloats, sizeof(*p), &err);

	assert_non_null(p);
	nst_net_init(net, seed, p);
	return p;
}

/* A model of the classes abc. */
UNUSED static void write_net(const char *path, const struct nst_net *net, const float *params,
			     const float *ema)
{
	struct nst_modelfile_build b;
	struct nst_modelfile_content c = {
		.net = net, .class_name = abc, .params = params, .ema = ema, .epoch = 3, .step = 70,
		.seed = 9,
	};
	struct nst_preprocess pre;

	nst_preprocess_init(&pre, net->size);
	pre.crop = 0.8125;
	pre.mean[1] = 0.3f;
	c.preprocess = &pre;
	OK(nst_modelfile_build(&b, &c, &err));
	OK(nst_out_file(path, NULL, b.build, &err));
	nst_modelfile_build_release(&b);
}

#endif
