/* RandAugment: one table of operations; drawing, strength and application read it. */
#include "libcore/augment/randaugment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/augment/ops.h"
#include "libcore/util/num.h"

#define MAX_N      32
#define MAX_M      100
#define MAX_STD    1e6
#define SMALL_SIDE 64

/* What there is in each form. */
#define EVERY_OP     ((1u << NST_RA_OPS) - 1)
#define PAPER_OPS    (EVERY_OP & ~(1u << NST_RA_IDENTITY))
#define TIMM_OPS     (PAPER_OPS & ~(1u << NST_RA_CUTOUT))
#define FIXMATCH_OPS \
	(EVERY_OP & ~(1u << NST_RA_INVERT | 1u << NST_RA_CUTOUT | 1u << NST_RA_SOLARIZE_ADD))

static const struct {
	const char *name;
	int is_signed;   /* mirrored with probability 1/2 */
	int is_factor;   /* of a blend: has a sign in mono and inc1 only */
	uint32_t weight; /* in timm's weighted set, where 20 stands for 1 */
} ops[NST_RA_OPS] = {
	[NST_RA_AUTOCONTRAST] = {"autocontrast", 0, 0, 5},
	[NST_RA_EQUALIZE] = {"equalize", 0, 0, 1},
	[NST_RA_INVERT] = {"invert", 0, 0, 1},
	[NST_RA_ROTATE] = {"rotate", 1, 0, 60},
	[NST_RA_POSTERIZE] = {"posterize", 0, 0, 1},
	[NST_RA_SOLARIZE] = {"solarize", 0, 0, 1},
	[NST_RA_COLOR] = {"color", 0, 1, 5},
	[NST_RA_CONTRAST] = {"contrast", 0, 1, 1},
	[NST_RA_BRIGHTNESS] = {"brightness", 0, 1, 1},
	[NST_RA_SHARPNESS] = {"sharpness", 0, 1, 5},
	[NST_RA_SHEAR_X] = {"shear-x", 1, 0, 40},
	[NST_RA_SHEAR_Y] = {"shear-y", 1, 0, 40},
	[NST_RA_TRANSLATE_X] = {"translate-x", 1, 0, 20},
	[NST_RA_TRANSLATE_Y] = {"translate-y", 1, 0, 20},
	[NST_RA_CUTOUT] = {"cutout", 0, 0, 0},
	[NST_RA_SOLARIZE_ADD] = {"solarize-add", 0, 0, 1},
	[NST_RA_IDENTITY] = {"identity", 0, 0, 0},
};

static int is_timm(enum nst_ra_form form)
{
	return form == NST_RA_TIMM || form == NST_RA_TIMM_INC;
}

static uint32_t ops_of(enum nst_ra_form form)
{
	return is_timm(form) ? TIMM_OPS : form == NST_RA_FIXMATCH ? FIXMATCH_OPS : PAPER_OPS;
}

void nst_randaugment_init(struct nst_randaugment *ra, size_t size)
{
	int small = size <= SMALL_SIDE;

	*ra = (struct nst_randaugment){
		.p = 1,
		.form = NST_RA_TF,
		.ops = PAPER_OPS,
		.translate = small ? (double)size / 8 : 100,
		.cutout = small ? (double)size / 8 : 40,
		.max = 10,
		.fill = {NST_OPS_FILL, NST_OPS_FILL, NST_OPS_FILL},
	};
}

void nst_fill_mean(const float mean[3], uint8_t fill[3])
{
	for (size_t c = 0; c < 3; c++)
		fill[c] = (uint8_t)rint(fmin(fmax(255 * (double)mean[c], 0), 255));
}

const char *nst_ra_op_name(enum nst_ra_op op)
{
	return ops[op].name;
}

/* "rotate+invert", or "-rotate-invert": all but these.  s is cut up. */
static int parse_ops(char *s, uint32_t all, uint32_t *out, struct nst_err *err)
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
	*out = less ? all & ~set : set;
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

static int parse_n(const char *word, const char *value, struct nst_randaugment *ra,
		   struct nst_err *err)
{
	int64_t n;

	if (nst_parse_int(value, &n) < 0 || n < 0 || n > MAX_N)
		return nst_fail(err, NST_EINVAL,
				"RandAugment: '%s' is not a number of operations, 0 to %d", word,
				MAX_N);
	ra->n = (unsigned)n;
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
		return parse_ops(value, PAPER_OPS, &ra->ops, err);
	if (!strncmp(word, "form=", 5) && (!strcmp(value, "tf") || !strcmp(value, "mono"))) {
		ra->form = *value == 't' ? NST_RA_TF : NST_RA_MONO;
		*has_form = 1;
		return 0;
	}
	return nst_fail(err, NST_EINVAL, "RandAugment: '%s' is not known", word);
}

/* Our own form; s is a copy of text that is cut up. */
static int parse_own(const char *text, char *s, struct nst_randaugment *ra, struct nst_err *err)
{
	int has_form = 0, words = 0, rc = 0;
	char *rest = NULL;

	for (char *word; rc == 0 && (word = strtok_r(s, ",", &rest)); s = NULL) {
		rc = parse_word(word, ra, &has_form, err);
		/* What comes first tells how much noise there is; the rest is detail. */
		if (rc == 0 && words < 2 && *word != "nm"[words])
			rc = nst_fail(err, NST_EINVAL, "RandAugment '%s' does not begin 'nN,mM'",
				      text);
		words++;
	}
	if (rc == 0 && words < 2)
		rc = nst_fail(err, NST_EINVAL, "RandAugment '%s' does not begin 'nN,mM'", text);
	if (rc == 0 && !has_form)
		ra->form = ra->m > 10 ? NST_RA_MONO : NST_RA_TF;
	return rc;
}

/* Whether a word of timm's consists of that key and a value. */
static int has_key(const char *word, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(word, key, n) && (word[n] < 'a' || word[n] > 'z');
}

static int parse_timm_word(char *word, struct nst_randaugment *ra, struct nst_err *err)
{
	if (has_key(word, "mstd"))
		return parse_number(word, word + 4, 0, MAX_STD, &ra->std, err);
	if (has_key(word, "mmax"))
		return parse_number(word, word + 4, 0, MAX_M, &ra->max, err);
	if (has_key(word, "m"))
		return parse_number(word, word + 1, 0, MAX_M, &ra->m, err);
	if (has_key(word, "p"))
		return parse_number(word, word + 1, 0, 1, &ra->p, err);
	if (has_key(word, "n"))
		return parse_n(word, word + 1, ra, err);
	if (!strcmp(word, "inc1")) {
		ra->form = NST_RA_TIMM_INC;
		return 0;
	}
	if (!strcmp(word, "inc0"))
		return nst_fail(err, NST_EINVAL,
				"RandAugment: timm takes 'inc0' for 'inc1'; leave it out");
	if (!strcmp(word, "tweights")) {
		ra->weighted = 1;
		return 0;
	}
	if (*word == 't')
		return nst_fail(err, NST_EINVAL,
				"RandAugment: of timm's sets only 'tweights' is known, not '%s'",
				word);
	if (has_key(word, "w"))
		return nst_fail(err, NST_EINVAL,
				"RandAugment: timm has no key 'w' any more, see 'tweights'");
	return nst_fail(err, NST_EINVAL, "RandAugment: '%s' is not known to timm", word);
}

int nst_randaugment_is_capped(const struct nst_randaugment *ra)
{
	return ra->n && is_timm(ra->form) && ra->m > ra->max;
}

char *nst_timm_cut(char *s)
{
	for (; *s; s++)
		if (*s == '-' && s[1] >= 'a' && s[1] <= 'z') {
			*s = '\0';
			return s + 1;
		}
	return NULL;
}

/* timm's form; s is cut up. */
static int parse_timm(char *s, struct nst_randaugment *ra, struct nst_err *err)
{
	char *word = nst_timm_cut(s);
	int rc = 0;

	ra->form = NST_RA_TIMM;
	ra->n = 2;
	ra->m = 10;
	ra->p = 0.5;
	while (rc == 0 && word) {
		char *next = nst_timm_cut(word);

		rc = parse_timm_word(word, ra, err);
		word = next;
	}
	if (rc == 0 && strcmp(s, "rand") != 0)
		rc = nst_fail(err, NST_EINVAL, "RandAugment: '%s' is not 'rand'", s);
	if (ra->weighted)
		ra->form = NST_RA_TIMM_INC;
	ra->ops = TIMM_OPS;
	if (rc == 0 && ra->weighted && ra->n > (unsigned)__builtin_popcount(TIMM_OPS))
		rc = nst_fail(err, NST_EINVAL,
			      "RandAugment: n%u is more than the %d operations, which 'tweights' "
			      "draws once each",
			      ra->n, __builtin_popcount(TIMM_OPS));
	return rc;
}

/* FixMatch's form, behind "fixmatch"; s is cut up. */
static int parse_fixmatch(char *s, size_t size, struct nst_randaugment *ra, struct nst_err *err)
{
	char *rest = NULL;
	int rc = 0;

	ra->form = NST_RA_FIXMATCH;
	ra->n = 2;
	ra->m = 10;
	ra->ops = FIXMATCH_OPS;
	ra->cutout = (double)(size / 4);
	for (char *word; rc == 0 && (word = strtok_r(s, ",", &rest)); s = NULL) {
		if (!strncmp(word, "n=", 2))
			rc = parse_n(word, word + 2, ra, err);
		else if (!strncmp(word, "p=", 2))
			rc = parse_number(word, word + 2, 0, 1, &ra->p, err);
		else if (!strncmp(word, "cutout=", 7))
			rc = parse_number(word, word + 7, 0, 4096, &ra->cutout, err);
		else if (!strncmp(word, "ops=", 4))
			rc = parse_ops(word + 4, FIXMATCH_OPS, &ra->ops, err);
		else
			rc = nst_fail(err, NST_EINVAL,
				      "RandAugment: '%s' is not known to fixmatch", word);
	}
	return rc;
}

int nst_randaugment_parse(const char *text, size_t size, struct nst_randaugment *ra,
			  struct nst_err *err)
{
	char *copy;
	int rc;

	nst_randaugment_init(ra, size);
	if (!strcmp(text, "none"))
		return 0;
	copy = nst_strdup(text, err);
	if (!copy)
		return err->code;
	if (!strncmp(text, "rand", 4) && (!text[4] || text[4] == '-'))
		rc = parse_timm(copy, ra, err);
	else if (!strncmp(text, "fixmatch", 8) && (!text[8] || text[8] == ','))
		rc = parse_fixmatch(copy + 8, size, ra, err);
	else
		rc = parse_own(text, copy, ra, err);
	free(copy);
	return rc;
}

static int format_ops(const struct nst_randaugment *ra, struct nst_buf *out, struct nst_err *err)
{
	int rc = 0;

	if (ra->ops == ops_of(ra->form))
		return 0;
	for (size_t i = 0, first = 1; rc == 0 && i < NST_RA_OPS; i++) {
		if (!(ra->ops & 1u << i))
			continue;
		rc = nst_buf_printf(out, err, "%s%s", first ? ",ops=" : "+", ops[i].name);
		first = 0;
	}
	return rc;
}

int nst_randaugment_format(const struct nst_randaugment *ra, struct nst_buf *out,
			   struct nst_err *err)
{
	int rc;

	if (!ra->n)
		return nst_buf_printf(out, err, "none");
	if (is_timm(ra->form))
		return nst_buf_printf(out, err,
				      "rand-m%.17g-n%u-p%.17g-mstd%.17g-mmax%.17g%s%s", ra->m,
				      ra->n, ra->p, ra->std, ra->max,
				      ra->form == NST_RA_TIMM_INC ? "-inc1" : "",
				      ra->weighted ? "-tweights" : "");
	if (ra->form == NST_RA_FIXMATCH)
		rc = nst_buf_printf(out, err, "fixmatch,n=%u,p=%.17g,cutout=%.17g", ra->n, ra->p,
				    ra->cutout);
	else
		rc = nst_buf_printf(out, err,
				    "n%u,m%.17g,form=%s,std=%.17g,p=%.17g,translate=%.17g,"
				    "cutout=%.17g",
				    ra->n, ra->m, ra->form == NST_RA_TF ? "tf" : "mono", ra->std,
				    ra->p, ra->translate, ra->cutout);
	return rc < 0 ? rc : format_ops(ra, out, err);
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

/* timm's; inc: what it calls the increasing set. */
static double strength_timm(enum nst_ra_op op, double l, int inc, int sign, size_t side)
{
	switch (op) {
	case NST_RA_ROTATE:
		return l * 30;
	case NST_RA_POSTERIZE:
		return inc ? 4 - trunc(l * 4) : trunc(l * 4);
	case NST_RA_SOLARIZE:
		return inc ? 256 - fmin(trunc(l * 256), 256) : fmin(trunc(l * 256), 256);
	case NST_RA_SOLARIZE_ADD:
		return fmin(trunc(l * 110), 128);
	case NST_RA_COLOR:
	case NST_RA_CONTRAST:
	case NST_RA_BRIGHTNESS:
	case NST_RA_SHARPNESS:
		return inc ? fmax(1 + sign * (l * 0.9), 0.1) : l * 1.8 + 0.1;
	case NST_RA_SHEAR_X:
	case NST_RA_SHEAR_Y:
		return l * 0.3;
	case NST_RA_TRANSLATE_X:
	case NST_RA_TRANSLATE_Y:
		return l * 0.45 * (double)side;
	default:
		return 0;
	}
}

static double strength_fixmatch(enum nst_ra_op op, double l, size_t side)
{
	switch (op) {
	case NST_RA_ROTATE:
		return 30 * l;
	case NST_RA_POSTERIZE:
		return 4 + fmin(trunc(5 * l), 4);
	case NST_RA_SOLARIZE:
		return trunc(256 * l);
	case NST_RA_COLOR:
	case NST_RA_CONTRAST:
	case NST_RA_BRIGHTNESS:
	case NST_RA_SHARPNESS:
		return 0.05 + 0.9 * l;
	case NST_RA_SHEAR_X:
	case NST_RA_SHEAR_Y:
		return 0.3 * l;
	case NST_RA_TRANSLATE_X:
	case NST_RA_TRANSLATE_Y:
		return 0.3 * l * (double)side;
	default:
		return 0;
	}
}

double nst_ra_strength(const struct nst_randaugment *ra, enum nst_ra_op op, double m, int sign,
		       size_t side)
{
	double l = m / 10;

	switch (ra->form) {
	case NST_RA_TF:
		return strength_tf(ra, op, l);
	case NST_RA_TIMM:
	case NST_RA_TIMM_INC:
		return strength_timm(op, l, ra->form == NST_RA_TIMM_INC, sign, side);
	case NST_RA_FIXMATCH:
		return strength_fixmatch(op, l, side);
	default:
		return strength_mono(ra, op, l, sign, side);
	}
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
	case NST_RA_IDENTITY:
	case NST_RA_OPS:
		break;
	}
}

/* Geometry of timm, as apply(). */
static void apply_filtered(enum nst_ra_op op, double s, enum nst_ops_filter filter,
			   const uint8_t fill[3], uint8_t *img, size_t h, size_t w, uint8_t *tmp)
{
	double m[6] = {1, 0, 0, 0, 1, 0};

	if (op == NST_RA_ROTATE) {
		nst_op_turn(img, h, w, s, filter, fill, tmp);
		return;
	}
	m[op == NST_RA_SHEAR_X	     ? 1
	  : op == NST_RA_SHEAR_Y     ? 3
	  : op == NST_RA_TRANSLATE_X ? 2
				     : 5] = s;
	nst_op_transform(img, h, w, m, filter, fill, tmp);
}

void nst_ra_apply(const struct nst_randaugment *ra, enum nst_ra_op op, double m,
		  struct nst_rng *rng, uint8_t *img, size_t h, size_t w, uint8_t *tmp)
{
	enum nst_ops_flavour fl = ra->form == NST_RA_TF ? NST_OPS_TF : NST_OPS_PIL;
	size_t side = op == NST_RA_TRANSLATE_X ? w : op == NST_RA_TRANSLATE_Y ? h : h < w ? h : w;
	int both_ways = ra->form == NST_RA_MONO || ra->form == NST_RA_TIMM_INC;
	int sign = 1;
	double s;

	if (ops[op].is_signed || (ops[op].is_factor && both_ways))
		sign = nst_rng_below(rng, 2) ? -1 : 1;
	s = nst_ra_strength(ra, op, m, sign, side);
	if (ops[op].is_signed)
		s *= sign;
	/* What has a direction is what moves pixels. */
	if (is_timm(ra->form) && ops[op].is_signed)
		apply_filtered(op, s, nst_rng_below(rng, 2) ? NST_OPS_BICUBIC : NST_OPS_BILINEAR,
			       ra->fill, img, h, w, tmp);
	else
		apply(op, s, fl, rng, img, h, w, tmp);
}

static double draw_magnitude(const struct nst_randaugment *ra, struct nst_rng *rng)
{
	double m = ra->m;

	if (ra->form == NST_RA_FIXMATCH)
		return nst_rng_uniform(rng, 0, 10);
	if (is_timm(ra->form)) {
		if (ra->std > NST_RA_STD_UNIFORM)
			m = nst_rng_uniform(rng, 0, m);
		else if (ra->std > 0)
			m += ra->std * nst_rng_normal(rng);
		return fmin(fmax(m, 0), ra->max);
	}
	if (ra->std > 0)
		m = fmin(fmax(m + ra->std * nst_rng_normal(rng), 0), MAX_M);
	return m;
}

/* One of those that are left, by weight, which then is no longer left. */
static enum nst_ra_op pick_weighted(uint32_t *left, struct nst_rng *rng)
{
	uint32_t sum = 0, at;
	unsigned op = 0;

	for (unsigned i = 0; i < NST_RA_OPS; i++)
		sum += *left & 1u << i ? ops[i].weight : 0;
	at = nst_rng_below(rng, sum);
	for (;; op++) {
		uint32_t weight = *left & 1u << op ? ops[op].weight : 0;

		if (at < weight)
			break;
		at -= weight;
	}
	*left &= ~(1u << op);
	return (enum nst_ra_op)op;
}

void nst_randaugment_apply(const struct nst_randaugment *ra, struct nst_rng *rng, uint8_t *img,
			   size_t h, size_t w, uint8_t *tmp)
{
	uint32_t choices = (uint32_t)__builtin_popcount(ra->ops), left = ra->ops;

	for (unsigned i = 0; i < ra->n; i++) {
		enum nst_ra_op op = ra->weighted ? pick_weighted(&left, rng)
						 : pick(ra->ops, nst_rng_below(rng, choices));

		if (ra->p < 1 && nst_rng_unit(rng) >= ra->p)
			continue;
		nst_ra_apply(ra, op, draw_magnitude(ra, rng), rng, img, h, w, tmp);
	}
	if (ra->n && ra->form == NST_RA_FIXMATCH && ra->cutout >= 1)
		apply(NST_RA_CUTOUT, ra->cutout, NST_OPS_PIL, rng, img, h, w, tmp);
}
