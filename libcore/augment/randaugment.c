/* RandAugment: one table of operations; drawing, strength and application read it. */
#include "libcore/augment/randaugment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/augment/ops.h"
#include "libcore/util/num.h"

#define ALL_OPS    ((1u << NST_RA_OPS) - 1)
#define MAX_N      32
#define MAX_M      100
#define SMALL_SIDE 64

static const struct {
	const char *name;
	int is_signed; /* mirrored with probability 1/2 */
	int is_factor; /* of a blend: has a sign in mono only */
} ops[NST_RA_OPS] = {
	[NST_RA_AUTOCONTRAST] = {"autocontrast", 0, 0},
	[NST_RA_EQUALIZE] = {"equalize", 0, 0},
	[NST_RA_INVERT] = {"invert", 0, 0},
	[NST_RA_ROTATE] = {"rotate", 1, 0},
	[NST_RA_POSTERIZE] = {"posterize", 0, 0},
	[NST_RA_SOLARIZE] = {"solarize", 0, 0},
	[NST_RA_COLOR] = {"color", 0, 1},
	[NST_RA_CONTRAST] = {"contrast", 0, 1},
	[NST_RA_BRIGHTNESS] = {"brightness", 0, 1},
	[NST_RA_SHARPNESS] = {"sharpness", 0, 1},
	[NST_RA_SHEAR_X] = {"shear-x", 1, 0},
	[NST_RA_SHEAR_Y] = {"shear-y", 1, 0},
	[NST_RA_TRANSLATE_X] = {"translate-x", 1, 0},
	[NST_RA_TRANSLATE_Y] = {"translate-y", 1, 0},
	[NST_RA_CUTOUT] = {"cutout", 0, 0},
	[NST_RA_SOLARIZE_ADD] = {"solarize-add", 0, 0},
};

void nst_randaugment_init(struct nst_randaugment *ra, size_t size)
{
	int small = size <= SMALL_SIDE;

	*ra = (struct nst_randaugment){
		.p = 1,
		.form = NST_RA_TF,
		.ops = ALL_OPS,
		.translate = small ? (double)size / 8 : 100,
		.cutout = small ? (double)size / 8 : 40,
	};
}

const char *nst_ra_op_name(enum nst_ra_op op)
{
	return ops[op].name;
}

/* "rotate+invert", or "-rotate-invert": all but these.  s is cut up. */
static int parse_ops(char *s, uint32_t *out, struct nst_err *err)
{
	int less = *s == '-';
	char *name = s + less;
	uint32_t set = 0;

	while (name) {
		char *next = NULL;
		size_t op = 0, len = 0;

		/* The longest name that fits: "shear-x-invert" has two dashes of two meanings. */
		for (size_t i = 0; i < NST_RA_OPS; i++) {
			size_t n = strlen(ops[i].name);

			if (n > len && !strncmp(name, ops[i].name, n) &&
			    (!name[n] || name[n] == (less ? '-' : '+'))) {
				op = i;
				len = n;
			}
		}
		if (!len)
			return nst_fail(err, NST_EINVAL, "no operation of RandAugment begins '%s'",
					name);
		if (name[len])
			next = name + len + 1;
		set |= 1u << op;
		name = next;
	}
	*out = less ? ALL_OPS & ~set : set;
	if (!*out)
		return nst_fail(err, NST_EINVAL, "RandAugment is left without operations");
	return 0;
}

static int parse_number(const char *word, const char *value, double lo, double hi, double *out,
			struct nst_err *err)
{
	if (nst_parse_double(value, out) < 0 || !(*out >= lo && *out <= hi))
		return nst_fail(err, NST_EINVAL, "RandAugment: '%s' is not a number from %g to %g",
				word, lo, hi);
	return 0;
}

static int parse_word(char *word, struct nst_randaugment *ra, int *has_form, struct nst_err *err)
{
	char *value = strchr(word, '=');
	int64_t n;

	if (!value) {
		if (*word == 'm')
			return parse_number(word, word + 1, 0, MAX_M, &ra->m, err);
		if (*word != 'n' || nst_parse_int(word + 1, &n) < 0 || n < 0 || n > MAX_N)
			return nst_fail(err, NST_EINVAL,
					"RandAugment: '%s' is not nN (0 to %d), mM or NAME=VALUE",
					word, MAX_N);
		ra->n = (unsigned)n;
		return 0;
	}
	value++;
	if (!strncmp(word, "std=", 4))
		return parse_number(word, value, 0, MAX_M, &ra->std, err);
	if (!strncmp(word, "p=", 2))
		return parse_number(word, value, 0, 1, &ra->p, err);
	if (!strncmp(word, "translate=", 10))
		return parse_number(word, value, 0, 4096, &ra->translate, err);
	if (!strncmp(word, "cutout=", 7))
		return parse_number(word, value, 0, 4096, &ra->cutout, err);
	if (!strncmp(word, "ops=", 4))
		return parse_ops(value, &ra->ops, err);
	if (!strncmp(word, "form=", 5) && (!strcmp(value, "tf") || !strcmp(value, "mono"))) {
		ra->form = *value == 't' ? NST_RA_TF : NST_RA_MONO;
		*has_form = 1;
		return 0;
	}
	return nst_fail(err, NST_EINVAL, "RandAugment: '%s' is not known", word);
}

int nst_randaugment_parse(const char *text, size_t size, struct nst_randaugment *ra,
			  struct nst_err *err)
{
	int has_form = 0, words = 0, rc = 0;
	char *copy, *rest = NULL;

	nst_randaugment_init(ra, size);
	if (!strcmp(text, "none"))
		return 0;
	copy = nst_strdup(text, err);
	if (!copy)
		return err->code;
	for (char *s = copy, *word; rc == 0 && (word = strtok_r(s, ",", &rest)); s = NULL) {
		rc = parse_word(word, ra, &has_form, err);
		/* What comes first tells how much noise there is; the rest is detail. */
		if (rc == 0 && words < 2 && *word != "nm"[words])
			rc = nst_fail(err, NST_EINVAL, "RandAugment '%s' does not begin 'nN,mM'",
				      text);
		words++;
	}
	free(copy);
	if (rc == 0 && words < 2)
		rc = nst_fail(err, NST_EINVAL, "RandAugment '%s' does not begin 'nN,mM'", text);
	if (rc == 0 && !has_form)
		ra->form = ra->m > 10 ? NST_RA_MONO : NST_RA_TF;
	return rc;
}

int nst_randaugment_format(const struct nst_randaugment *ra, struct nst_buf *out,
			   struct nst_err *err)
{
	int rc;

	if (!ra->n)
		return nst_buf_printf(out, err, "none");
	rc = nst_buf_printf(out, err,
			    "n%u,m%.17g,form=%s,std=%.17g,p=%.17g,translate=%.17g,cutout=%.17g",
			    ra->n, ra->m, ra->form == NST_RA_TF ? "tf" : "mono", ra->std, ra->p,
			    ra->translate, ra->cutout);
	if (ra->ops == ALL_OPS)
		return rc;
	for (size_t i = 0, first = 1; rc == 0 && i < NST_RA_OPS; i++) {
		if (!(ra->ops & 1u << i))
			continue;
		rc = nst_buf_printf(out, err, "%s%s", first ? ",ops=" : "+", ops[i].name);
		first = 0;
	}
	return rc;
}

static double strength_tf(const struct nst_randaugment *ra, enum nst_ra_op op, double l)
{
	switch (op) {
	case NST_RA_ROTATE:
		return 30 * l;
	case NST_RA_POSTERIZE:
		return trunc(4 * l);
	case NST_RA_SOLARIZE:
		return fmod(trunc(256 * l), 256);
	case NST_RA_SOLARIZE_ADD:
		return trunc(110 * l);
	case NST_RA_COLOR:
	case NST_RA_CONTRAST:
	case NST_RA_BRIGHTNESS:
	case NST_RA_SHARPNESS:
		return 0.1 + 1.8 * l;
	case NST_RA_SHEAR_X:
	case NST_RA_SHEAR_Y:
		return 0.3 * l;
	case NST_RA_TRANSLATE_X:
	case NST_RA_TRANSLATE_Y:
		return ra->translate * l;
	case NST_RA_CUTOUT:
		return trunc(ra->cutout * l);
	default:
		return 0;
	}
}

static double strength_mono(const struct nst_randaugment *ra, enum nst_ra_op op, double l, int sign,
			    size_t side)
{
	switch (op) {
	case NST_RA_ROTATE:
		return fmin(30 * l, 90);
	case NST_RA_POSTERIZE:
		return fmax(8 - trunc(4 * l), 2);
	case NST_RA_SOLARIZE:
		return fmax(256 - trunc(256 * l), 0);
	case NST_RA_SOLARIZE_ADD:
		return fmin(trunc(110 * l), 128);
	case NST_RA_COLOR:
	case NST_RA_CONTRAST:
	case NST_RA_BRIGHTNESS:
	case NST_RA_SHARPNESS:
		return fmax(1 + sign * 0.9 * l, 0.1);
	case NST_RA_SHEAR_X:
	case NST_RA_SHEAR_Y:
		return fmin(0.3 * l, 0.9);
	case NST_RA_TRANSLATE_X:
	case NST_RA_TRANSLATE_Y:
		return fmin(ra->translate * l, 0.45 * (double)side);
	case NST_RA_CUTOUT:
		return fmin(trunc(ra->cutout * l), (double)(side / 4));
	default:
		return 0;
	}
}

double nst_ra_strength(const struct nst_randaugment *ra, enum nst_ra_op op, double m, int sign,
		       size_t side)
{
	double l = m / 10;

	return ra->form == NST_RA_TF ? strength_tf(ra, op, l)
				     : strength_mono(ra, op, l, sign, side);
}

/* The op-th of the allowed operations. */
static enum nst_ra_op pick(uint32_t allowed, uint32_t nth)
{
	unsigned op = 0;

	while (!(allowed & 1u << op) || nth--)
		op++;
	return (enum nst_ra_op)op;
}

/* One operation with its argument s, sign included where it has one. */
static void apply(enum nst_ra_op op, double s, enum nst_ops_flavour fl, struct nst_rng *rng,
		  uint8_t *img, size_t h, size_t w, uint8_t *tmp)
{
	switch (op) {
	case NST_RA_AUTOCONTRAST:
		nst_op_autocontrast(img, h, w);
		break;
	case NST_RA_EQUALIZE:
		nst_op_equalize(img, h, w);
		break;
	case NST_RA_INVERT:
		nst_op_invert(img, h, w);
		break;
	case NST_RA_ROTATE:
		nst_op_rotate(img, h, w, s, fl, tmp);
		break;
	case NST_RA_POSTERIZE:
		nst_op_posterize(img, h, w, (int)s);
		break;
	case NST_RA_SOLARIZE:
		nst_op_solarize(img, h, w, (int)s);
		break;
	case NST_RA_COLOR:
		nst_op_color(img, h, w, s, fl);
		break;
	case NST_RA_CONTRAST:
		nst_op_contrast(img, h, w, s, fl);
		break;
	case NST_RA_BRIGHTNESS:
		nst_op_brightness(img, h, w, s);
		break;
	case NST_RA_SHARPNESS:
		nst_op_sharpness(img, h, w, s, fl, tmp);
		break;
	case NST_RA_SHEAR_X:
		nst_op_shear_x(img, h, w, s, fl, tmp);
		break;
	case NST_RA_SHEAR_Y:
		nst_op_shear_y(img, h, w, s, fl, tmp);
		break;
	case NST_RA_TRANSLATE_X:
		nst_op_translate_x(img, h, w, s, fl, tmp);
		break;
	case NST_RA_TRANSLATE_Y:
		nst_op_translate_y(img, h, w, s, fl, tmp);
		break;
	case NST_RA_CUTOUT: {
		size_t cy = nst_rng_below(rng, (uint32_t)h), cx = nst_rng_below(rng, (uint32_t)w);

		nst_op_cutout(img, h, w, cy, cx, (size_t)s);
		break;
	}
	case NST_RA_SOLARIZE_ADD:
		nst_op_solarize_add(img, h, w, (int)s);
		break;
	case NST_RA_OPS:
		break;
	}
}

void nst_randaugment_apply(const struct nst_randaugment *ra, struct nst_rng *rng, uint8_t *img,
			   size_t h, size_t w, uint8_t *tmp)
{
	enum nst_ops_flavour fl = ra->form == NST_RA_TF ? NST_OPS_TF : NST_OPS_PIL;
	uint32_t choices = (uint32_t)__builtin_popcount(ra->ops);

	for (unsigned i = 0; i < ra->n; i++) {
		enum nst_ra_op op = pick(ra->ops, nst_rng_below(rng, choices));
		size_t side = op == NST_RA_TRANSLATE_X ? w : op == NST_RA_TRANSLATE_Y ? h :
			      h < w ? h : w;
		double m = ra->m, s;
		int sign = 1;

		if (ra->p < 1 && nst_rng_unit(rng) >= ra->p)
			continue;
		if (ra->std > 0)
			m = fmin(fmax(m + ra->std * nst_rng_normal(rng), 0), MAX_M);
		if (ops[op].is_signed || (ops[op].is_factor && ra->form == NST_RA_MONO))
			sign = nst_rng_below(rng, 2) ? -1 : 1;
		s = nst_ra_strength(ra, op, m, sign, side);
		apply(op, ops[op].is_signed ? sign * s : s, fl, rng, img, h, w, tmp);
	}
}
