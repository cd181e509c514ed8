/* What timm calls things.  Its configurations are the only place where the crop of a published
 * model stands, so the table of crops is restated here (timm/models/efficientnet.py, resnet.py). */
#include "libcore/data/timm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/util/num.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const double usual_crop = 0.875;

/* Evaluation size and crop of tf_efficientnet_b0 ... b8 and l2. */
static const struct {
	size_t size;
	double crop;
} mb_crop[] = {
	{224, .875}, {240, .882}, {260, .890}, {300, .904}, {380, .922}, {456, .934},
	{475, .936}, {528, .942}, {600, .949}, {672, .954}, {800, .960},
};

/* ---- architectures ------------------------------------------------------------------------- */

/* What may follow the name of a net, and the input size it then means for tf_efficientnet_l2, whose
 * weights were published for two. */
static const struct {
	const char *word;
	size_t size_l2;
} suffixes[] = {
	{"", 800},
	{"_ns", 800},
	{".ns_jft_in1k", 800},
	{"_ns_475", 475},
	{".ns_jft_in1k_475", 475},
};

int nst_timm_find(const char *name, struct nst_arch *out, struct nst_err *err)
{
	static const char prefix[] = "tf_efficientnet_";
	const char *variant;
	char ours[24];

	if (strncmp(name, prefix, sizeof(prefix) - 1) || strlen(name) < sizeof(prefix) + 1)
		return nst_arch_find(name, out, err);
	variant = name + sizeof(prefix) - 1;
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		int l2 = !strncmp(variant, "l2", 2), only_l2 = suffixes[i].size_l2 != 800;

		if (strcmp(variant + 2, suffixes[i].word) || (only_l2 && !l2))
			continue;
		snprintf(ours, sizeof(ours), "efficientnet-%.2s", variant);
		if (nst_arch_find(ours, out, err))
			return err->code;
		if (l2)
			out->size = suffixes[i].size_l2;
		return 0;
	}
	return nst_arch_find(name, out, err);
}

/* ---- preprocessing ------------------------------------------------------------------------- */

static int is_efficientnet(const struct nst_arch *arch)
{
	for (size_t i = 0; i < arch->nstages; i++)
		if (arch->stage[i].kind == NST_STAGE_MBCONV)
			return 1;
	return 0;
}

void nst_timm_preprocess(const struct nst_arch *arch, struct nst_preprocess *p)
{
	nst_preprocess_init(p, arch->size);
	if (arch->size <= NST_SMALL_SIDE)
		return;
	p->cropping = NST_CROP_SHORTEST;
	p->crop = usual_crop;
	p->filter = NST_BILINEAR;
	if (!is_efficientnet(arch))
		return;
	p->filter = NST_BICUBIC;
	for (size_t i = 0; i < COUNT(mb_crop); i++)
		if (mb_crop[i].size == arch->size)
			p->crop = mb_crop[i].crop;
}

static int refuse(const struct nst_safetensors *st, const char *key, struct nst_err *err)
{
	return nst_fail(err, NST_EFORMAT,
			"cannot read '%s': its metadata '%s' has a senseless value",
			nst_safetensors_name(st), key);
}

static int read_size(const struct nst_safetensors *st, struct nst_preprocess *p,
		     struct nst_err *err)
{
	double v[3];
	int r = nst_safetensors_meta_numbers(st, "input_size", v, 3, err);

	if (r <= 0)
		return r;
	if (v[0] != 3 || v[1] != v[2] || v[1] != floor(v[1]) ||
	    !(v[1] >= 1 && v[1] <= NST_ARCH_SIDE))
		return refuse(st, "input_size", err);
	p->size = (size_t)v[1];
	return 0;
}

static int read_crop(const struct nst_safetensors *st, struct nst_preprocess *p,
		     struct nst_err *err)
{
	const char *crop = nst_safetensors_meta(st, "crop_pct");
	const char *mode = nst_safetensors_meta(st, "crop_mode");
	const char *cropping = nst_safetensors_meta(st, "cropping");

	if (mode && strcmp(mode, "center") != 0)
		return refuse(st, "crop_mode", err);
	if (cropping && nst_cropping_parse(cropping, &p->cropping))
		return refuse(st, "cropping", err);
	if (!crop)
		return 0;
	if (nst_parse_double(crop, &p->crop) || !(p->crop > 0 && p->crop <= 1))
		return refuse(st, "crop_pct", err);
	if (!cropping)
		p->cropping = NST_CROP_SHORTEST;
	return 0;
}

static int read_triple(const struct nst_safetensors *st, const char *key, double lowest,
		       float out[3], struct nst_err *err)
{
	double v[3];
	int r = nst_safetensors_meta_numbers(st, key, v, 3, err);

	for (int i = 0; r == 1 && i < 3; i++) {
		out[i] = (float)v[i];
		if (!isfinite(out[i]) || !((double)out[i] > lowest))
			return refuse(st, key, err);
	}
	return r < 0 ? r : 0;
}

int nst_timm_read(const struct nst_safetensors *st, struct nst_preprocess *p, struct nst_err *err)
{
	const char *filter = nst_safetensors_meta(st, "interpolation");
	int r = read_size(st, p, err);

	if (!r)
		r = read_crop(st, p, err);
	if (!r && filter && nst_filter_parse(filter, &p->filter))
		r = refuse(st, "interpolation", err);
	if (!r)
		r = read_triple(st, "mean", -HUGE_VAL, p->mean, err);
	return r ? r : read_triple(st, "std", 0, p->std, err);
}

/* "[a, b, c]", each with the fewest digits that give the float back. */
static void format_triple(const float v[3], char *out, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < 3; i++) {
		char text[32];

		for (int digits = 1; digits <= 9; digits++) {
			snprintf(text, sizeof(text), "%.*g", digits, (double)v[i]);
			if ((float)strtod(text, NULL) == v[i])
				break;
		}
		n += (size_t)snprintf(out + n, size - n, "%s%s%s", i ? ", " : "[", text,
				      i == 2 ? "]" : "");
	}
}

/* The fewest digits that give the double back. */
static void format_double(double v, char *out, size_t size)
{
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(out, size, "%.*g", digits, v);
		if (strtod(out, NULL) == v)
			return;
	}
}

int nst_timm_write(struct nst_safetensors_out *out, const struct nst_preprocess *p,
		   struct nst_err *err)
{
	char size[64], crop[32], mean[128], std[128];
	const char *const pair[][2] = {
		{"input_size", size}, {"cropping", nst_cropping_name(p->cropping)},
		{"crop_pct", crop},   {"interpolation", nst_filter_name(p->filter)},
		{"mean", mean},       {"std", std},
	};

	snprintf(size, sizeof(size), "[3, %zu, %zu]", p->size, p->size);
	format_double(p->crop, crop, sizeof(crop));
	format_triple(p->mean, mean, sizeof(mean));
	format_triple(p->std, std, sizeof(std));
	for (size_t i = 0; i < COUNT(pair); i++)
		if (nst_safetensors_put_meta(out, pair[i][0], pair[i][1], err))
			return err->code;
	return 0;
}
