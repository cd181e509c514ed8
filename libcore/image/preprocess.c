/* Preprocessing for evaluation.  Teacher, student and test pictures must all pass through the same
 * steps, so these are one struct, which travels in the model file as a line of words. */
#include "libcore/image/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/util/num.h"

#define MAX_SIZE 4096

static const char *const cropping_names[] = {
	[NST_CROP_CENTRAL] = "central",
	[NST_CROP_SHORTEST] = "shortest",
	[NST_CROP_WHOLE] = "whole",
};

const char *nst_cropping_name(enum nst_cropping c)
{
	return cropping_names[c];
}

int nst_cropping_parse(const char *s, enum nst_cropping *out)
{
	for (size_t i = 0; i < sizeof cropping_names / sizeof *cropping_names; i++)
		if (!strcmp(s, cropping_names[i])) {
			*out = (enum nst_cropping)i;
			return 0;
		}
	return -1;
}

void nst_preprocess_init(struct nst_preprocess *p, size_t size)
{
	*p = (struct nst_preprocess){
		.size = size,
		.cropping = NST_CROP_CENTRAL,
		.crop = size <= NST_SMALL_SIDE ? 1 : (double)size / (double)(size + 32),
		.filter = NST_BICUBIC,
		.mean = {0.485f, 0.456f, 0.406f},
		.std = {0.229f, 0.224f, 0.225f},
	};
}

void nst_preprocess_crop_padding(struct nst_preprocess *p, size_t padding)
{
	p->cropping = NST_CROP_CENTRAL;
	p->crop = (double)p->size / (double)(p->size + padding);
}

long nst_preprocess_padding(const struct nst_preprocess *p)
{
	if (p->cropping != NST_CROP_CENTRAL)
		return -1;
	return lrint((double)p->size / p->crop) - (long)p->size;
}

void nst_preprocess_crop_fraction(struct nst_preprocess *p, double fraction)
{
	p->cropping = NST_CROP_SHORTEST;
	p->crop = fraction;
}

int nst_preprocess_format(const struct nst_preprocess *p, struct nst_buf *out, struct nst_err *err)
{
	return nst_buf_printf(out, err,
			      "input=%zux%zux3 cropping=%s crop=%.17g interpolation=%s "
			      "mean=%.9g,%.9g,%.9g std=%.9g,%.9g,%.9g",
			      p->size, p->size, cropping_names[p->cropping], p->crop,
			      nst_filter_name(p->filter), (double)p->mean[0], (double)p->mean[1],
			      (double)p->mean[2], (double)p->std[0], (double)p->std[1],
			      (double)p->std[2]);
}

/* "a,b,c"; s is cut up. */
static int parse_triple(char *s, float out[3])
{
	char *rest = NULL, *word = strtok_r(s, ",", &rest);
	double v;

	for (int i = 0; i < 3; i++, word = strtok_r(NULL, ",", &rest)) {
		if (!word || nst_parse_double(word, &v) < 0)
			return -1;
		out[i] = (float)v;
	}
	return word ? -1 : 0;
}

static int within(const float v[3], float least, float most)
{
	for (int c = 0; c < 3; c++)
		if (!(v[c] >= least && v[c] <= most))
			return -1;
	return 0;
}

static int parse_mean(char *s, float out[3])
{
	if (parse_triple(s, out) < 0)
		return -1;
	return within(out, -NST_NORMALISER_MOST, NST_NORMALISER_MOST);
}

static int parse_std(char *s, float out[3])
{
	if (parse_triple(s, out) < 0)
		return -1;
	return within(out, NST_NORMALISER_LEAST, NST_NORMALISER_MOST);
}

/* "SxSx3" */
static int parse_input(char *s, size_t *size)
{
	char *rest = NULL;
	const char *a = strtok_r(s, "x", &rest), *b = strtok_r(NULL, "x", &rest);
	const char *c = strtok_r(NULL, "x", &rest);
	int64_t side, width;

	if (!a || !b || !c || strcmp(c, "3") != 0 || strtok_r(NULL, "x", &rest) ||
	    nst_parse_int(a, &side) < 0 || nst_parse_int(b, &width) < 0 || side != width ||
	    side < 1 || side > MAX_SIZE)
		return -1;
	*size = (size_t)side;
	return 0;
}

enum word { INPUT, CROPPING, CROP, INTERPOLATION, MEAN, STD, WORDS };

static int parse_word(enum word which, char *value, struct nst_preprocess *p)
{
	switch (which) {
	case INPUT:
		return 0; /* read beforehand */
	case CROPPING:
		return nst_cropping_parse(value, &p->cropping);
	case CROP:
		if (nst_parse_double(value, &p->crop) < 0)
			return -1;
		return p->crop > 0 && p->crop <= 1 ? 0 : -1;
	case INTERPOLATION:
		return nst_filter_parse(value, &p->filter);
	case MEAN:
		return parse_mean(value, p->mean);
	case STD:
		return parse_std(value, p->std);
	default:
		return -1;
	}
}

static int parse_words(char *text, struct nst_preprocess *p, struct nst_err *err)
{
	static const char *const names[] = {"input",         "cropping", "crop",
					    "interpolation", "mean",     "std"};
	char *rest = NULL, *value;
	unsigned seen = 0;
	size_t size;

	/* The size comes first, as the other defaults follow from it. */
	value = strtok_r(text, " ", &rest);
	if (!value || strncmp(value, "input=", 6) != 0 || parse_input(value + 6, &size) < 0)
		return nst_fail(err, NST_EINVAL, "preprocessing does not begin with 'input=SxSx3'");
	nst_preprocess_init(p, size);
	for (char *word; (word = strtok_r(NULL, " ", &rest));) {
		size_t which = 0;

		value = strchr(word, '=');
		if (!value)
			return nst_fail(err, NST_EINVAL, "preprocessing: '%s' is not NAME=VALUE",
					word);
		*value++ = '\0';
		while (which < WORDS && strcmp(word, names[which]) != 0)
			which++;
		if (which == WORDS || which == INPUT)
			return nst_fail(err, NST_EINVAL, "preprocessing: '%s' is not known here",
					word);
		if (seen & 1u << which)
			return nst_fail(err, NST_EINVAL, "preprocessing: '%s' is repeated", word);
		seen |= 1u << which;
		if (parse_word((enum word)which, value, p) < 0)
			return nst_fail(err, NST_EINVAL,
					"preprocessing: '%s' has a senseless value", word);
	}
	return 0;
}

int nst_preprocess_parse(const char *text, struct nst_preprocess *p, struct nst_err *err)
{
	char *copy = nst_strdup(text, err);
	int rc;

	if (!copy)
		return err->code;
	rc = parse_words(copy, p, err);
	free(copy);
	return rc;
}

static int parse_channels(const char *word, int (*parse)(char *, float *), float *out)
{
	char copy[200];

	if (strlen(word) >= sizeof(copy))
		return -1;
	memcpy(copy, word, strlen(word) + 1);
	return parse(copy, out);
}

int nst_preprocess_mean(const char *word, float mean[3], struct nst_err *err)
{
	if (parse_channels(word, parse_mean, mean) == 0)
		return 0;
	return nst_fail(err, NST_EINVAL, "'%s' is not three numbers 'R,G,B' from %g to %g", word,
			-(double)NST_NORMALISER_MOST, (double)NST_NORMALISER_MOST);
}

int nst_preprocess_std(const char *word, float std[3], struct nst_err *err)
{
	if (parse_channels(word, parse_std, std) == 0)
		return 0;
	return nst_fail(err, NST_EINVAL, "'%s' is not three numbers 'R,G,B' from %g to %g", word,
			(double)NST_NORMALISER_LEAST, (double)NST_NORMALISER_MOST);
}

double nst_preprocess_reduce(const struct nst_preprocess *p, size_t h, size_t w)
{
	double least = (double)(h < w ? h : w);

	return (p->cropping == NST_CROP_WHOLE ? 1 : p->crop) * least / (double)p->size;
}

/* Half of an even or odd rest, halves to the even side, as Python rounds. */
static size_t middle(size_t rest)
{
	return (size_t)rint((double)rest / 2);
}

/* The size to which the shorter side is resized before the middle is taken, that of the longer one, and
 * where the middle lies. */
static struct nst_outputs shortest(const struct nst_preprocess *p, size_t h, size_t w, size_t *out_h,
				   size_t *out_w)
{
	size_t side = (size_t)((double)p->size / p->crop);

	*out_h = h < w ? side : side * h / w;
	*out_w = h < w ? side * w / h : side;
	return (struct nst_outputs){middle(*out_h - p->size), middle(*out_w - p->size), p->size, p->size};
}

/* That middle in the picture. */
static struct nst_box box_shortest(const struct nst_preprocess *p, size_t h, size_t w)
{
	size_t out_h, out_w;
	const struct nst_outputs square = shortest(p, h, w, &out_h, &out_w);
	const double down = (double)h / (double)out_h, across = (double)w / (double)out_w;

	return (struct nst_box){(float)((double)square.x * across), (float)((double)square.y * down),
				(float)((double)(square.x + square.w) * across),
				(float)((double)(square.y + square.h) * down)};
}

/* Does half of a side, rounded up, come to what is asked for? */
static int halved(size_t side, double reduce)
{
	return (double)(side + 1) * reduce >= 2 * (double)side;
}

struct nst_box nst_preprocess_part(const struct nst_preprocess *p, size_t h, size_t w)
{
	struct nst_box box = {0, 0, (float)w, (float)h};
	double reduce = nst_preprocess_reduce(p, h, w);
	float margin = halved(h, reduce) && halved(w, reduce) ? (float)(2 * reduce) : 0;

	if (p->cropping == NST_CROP_WHOLE)
		return box;
	/* The square in the reduced picture has its own rounding, of less than two of its pixels. */
	box = p->cropping == NST_CROP_SHORTEST ? box_shortest(p, h, w) : nst_box_central(h, w, p->crop);
	box.x0 = box.x0 > margin ? box.x0 - margin : 0;
	box.y0 = box.y0 > margin ? box.y0 - margin : 0;
	box.x1 = fminf(box.x1 + margin, (float)w);
	box.y1 = fminf(box.y1 + margin, (float)h);
	return nst_resize_part(h, w, &box, p->filter, p->size, p->size);
}

void nst_preprocess_normalise(const struct nst_preprocess *p, const uint8_t *in, size_t n,
			      float *out)
{
	struct nst_normaliser normaliser;

	nst_normaliser_init(&normaliser, p->mean, p->std);
	nst_normalise(&normaliser, in, n, out);
}

/* Rows of the square. */
static void take_resized(void *ctx, const uint8_t *rows, size_t y, size_t n)
{
	struct nst_preprocessor *w = ctx;

	nst_normalise(&w->normaliser, rows, n * w->size, w->out + 3 * w->size * y);
}

int nst_preprocess_begin(const struct nst_preprocess *p, struct nst_preprocessor *w, size_t height,
			 size_t width, float *out, struct nst_err *err)
{
	const struct nst_rows to = {.take = take_resized, .ctx = w};
	struct nst_box central = nst_box_central(height, width, p->crop);
	struct nst_outputs square = {0, 0, p->size, p->size};
	size_t high = p->size, wide = p->size;

	w->size = p->size;
	w->out = out;
	nst_normaliser_init(&w->normaliser, p->mean, p->std);
	if (p->cropping == NST_CROP_SHORTEST)
		square = shortest(p, height, width, &high, &wide);
	return nst_resize_begin(&w->resizer, height, width,
				p->cropping == NST_CROP_CENTRAL ? &central : NULL, p->filter, high, wide,
				&square, &to, err);
}

void nst_preprocess_take(struct nst_preprocessor *w, const uint8_t *rows, size_t y, size_t n)
{
	nst_resize_take(&w->resizer, rows, y, n);
}

void nst_preprocessor_release(struct nst_preprocessor *w)
{
	nst_resizer_release(&w->resizer);
}
