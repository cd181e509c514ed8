/* AutoAugment: two tables of facts, and RandAugment's operations. */
#include "libcore/augment/autoaugment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/augment/ops.h"
#include "libcore/util/num.h"

#define MAX_STD 100

static const char *const names[] = {
	[NST_AA_NONE] = "none",         [NST_AA_V0] = "v0",
	[NST_AA_V0R] = "v0r",           [NST_AA_ORIGINAL] = "original",
	[NST_AA_ORIGINALR] = "originalr",
};

#define AUTO      NST_RA_AUTOCONTRAST
#define EQUALIZE  NST_RA_EQUALIZE
#define INVERT    NST_RA_INVERT
#define ROTATE    NST_RA_ROTATE
#define POSTERIZE NST_RA_POSTERIZE
#define SOLARIZE  NST_RA_SOLARIZE
#define ADD       NST_RA_SOLARIZE_ADD
#define COLOR     NST_RA_COLOR
#define CONTRAST  NST_RA_CONTRAST
#define SHARPNESS NST_RA_SHARPNESS
#define SHEAR_X   NST_RA_SHEAR_X
#define SHEAR_Y   NST_RA_SHEAR_Y
#define MOVE_Y    NST_RA_TRANSLATE_Y

static const struct nst_aa_step v0[NST_AA_PAIRS][2] = {
	{{EQUALIZE, 0.8, 1}, {SHEAR_Y, 0.8, 4}},
	{{COLOR, 0.4, 9}, {EQUALIZE, 0.6, 3}},
	{{COLOR, 0.4, 1}, {ROTATE, 0.6, 8}},
	{{SOLARIZE, 0.8, 3}, {EQUALIZE, 0.4, 7}},
	{{SOLARIZE, 0.4, 2}, {SOLARIZE, 0.6, 2}},
	{{COLOR, 0.2, 0}, {EQUALIZE, 0.8, 8}},
	{{EQUALIZE, 0.4, 8}, {ADD, 0.8, 3}},
	{{SHEAR_X, 0.2, 9}, {ROTATE, 0.6, 8}},
	{{COLOR, 0.6, 1}, {EQUALIZE, 1, 2}},
	{{INVERT, 0.4, 9}, {ROTATE, 0.6, 0}},
	{{EQUALIZE, 1, 9}, {SHEAR_Y, 0.6, 3}},
	{{COLOR, 0.4, 7}, {EQUALIZE, 0.6, 0}},
	{{POSTERIZE, 0.4, 6}, {AUTO, 0.4, 7}},
	{{SOLARIZE, 0.6, 8}, {COLOR, 0.6, 9}},
	{{SOLARIZE, 0.2, 4}, {ROTATE, 0.8, 9}},
	{{ROTATE, 1, 7}, {MOVE_Y, 0.8, 9}},
	{{SHEAR_X, 0, 0}, {SOLARIZE, 0.8, 4}},
	{{SHEAR_Y, 0.8, 0}, {COLOR, 0.6, 4}},
	{{COLOR, 1, 0}, {ROTATE, 0.6, 2}},
	{{EQUALIZE, 0.8, 4}, {EQUALIZE, 0, 8}},
	{{EQUALIZE, 1, 4}, {AUTO, 0.6, 2}},
	{{SHEAR_Y, 0.4, 7}, {ADD, 0.6, 7}},
	{{POSTERIZE, 0.8, 2}, {SOLARIZE, 0.6, 10}},
	{{SOLARIZE, 0.6, 8}, {EQUALIZE, 0.6, 1}},
	{{COLOR, 0.8, 6}, {ROTATE, 0.4, 5}},
};

static const struct nst_aa_step original[NST_AA_PAIRS][2] = {
	{{POSTERIZE, 0.4, 8}, {ROTATE, 0.6, 9}},
	{{SOLARIZE, 0.6, 5}, {AUTO, 0.6, 5}},
	{{EQUALIZE, 0.8, 8}, {EQUALIZE, 0.6, 3}},
	{{POSTERIZE, 0.6, 7}, {POSTERIZE, 0.6, 6}},
	{{EQUALIZE, 0.4, 7}, {SOLARIZE, 0.2, 4}},
	{{EQUALIZE, 0.4, 4}, {ROTATE, 0.8, 8}},
	{{SOLARIZE, 0.6, 3}, {EQUALIZE, 0.6, 7}},
	{{POSTERIZE, 0.8, 5}, {EQUALIZE, 1, 2}},
	{{ROTATE, 0.2, 3}, {SOLARIZE, 0.6, 8}},
	{{EQUALIZE, 0.6, 8}, {POSTERIZE, 0.4, 6}},
	{{ROTATE, 0.8, 8}, {COLOR, 0.4, 0}},
	{{ROTATE, 0.4, 9}, {EQUALIZE, 0.6, 2}},
	{{EQUALIZE, 0, 7}, {EQUALIZE, 0.8, 8}},
	{{INVERT, 0.6, 4}, {EQUALIZE, 1, 8}},
	{{COLOR, 0.6, 4}, {CONTRAST, 1, 8}},
	{{ROTATE, 0.8, 8}, {COLOR, 1, 2}},
	{{COLOR, 0.8, 8}, {SOLARIZE, 0.8, 7}},
	{{SHARPNESS, 0.4, 7}, {INVERT, 0.6, 8}},
	{{SHEAR_X, 0.6, 5}, {EQUALIZE, 1, 9}},
	{{COLOR, 0.4, 0}, {EQUALIZE, 0.6, 3}},
	{{EQUALIZE, 0.4, 7}, {SOLARIZE, 0.2, 4}},
	{{SOLARIZE, 0.6, 5}, {AUTO, 0.6, 5}},
	{{INVERT, 0.6, 4}, {EQUALIZE, 1, 8}},
	{{COLOR, 0.6, 4}, {CONTRAST, 1, 8}},
	{{EQUALIZE, 0.8, 8}, {EQUALIZE, 0.6, 3}},
};

/* What of it is RandAugment of timm's form. */
static struct nst_randaugment form(const struct nst_autoaugment *aa)
{
	struct nst_randaugment ra;

	nst_randaugment_init(&ra, 224);
	ra.form = NST_RA_TIMM;
	memcpy(ra.fill, aa->fill, sizeof(ra.fill));
	return ra;
}

int nst_autoaugment_parse(const char *text, struct nst_autoaugment *aa, struct nst_err *err)
{
	char *copy = nst_strdup(text, err), *word;
	size_t policy = 0;
	int rc = 0;

	*aa = (struct nst_autoaugment){.fill = {NST_OPS_FILL, NST_OPS_FILL, NST_OPS_FILL}};
	if (!copy)
		return err->code;
	word = nst_timm_cut(copy);
	while (policy < sizeof names / sizeof *names && strcmp(copy, names[policy]) != 0)
		policy++;
	if (policy == sizeof names / sizeof *names)
		rc = nst_fail(err, NST_EINVAL,
			      "'%s' is none of the policies v0, v0r, original, originalr", copy);
	else
		aa->policy = (enum nst_aa_policy)policy;
	while (rc == 0 && word) {
		char *next = nst_timm_cut(word);

		if (!policy || strncmp(word, "mstd", 4) != 0 ||
		    nst_parse_double(word + 4, &aa->std) < 0 ||
		    !(aa->std >= 0 && aa->std <= MAX_STD))
			rc = nst_fail(err, NST_EINVAL, "'%s' is not mstdS with S from 0 to %d",
				      word, MAX_STD);
		word = next;
	}
	free(copy);
	return rc;
}

int nst_autoaugment_format(const struct nst_autoaugment *aa, struct nst_buf *out,
			   struct nst_err *err)
{
	if (aa->policy == NST_AA_NONE)
		return nst_buf_printf(out, err, "none");
	return nst_buf_printf(out, err, "%s-mstd%.17g", names[aa->policy], aa->std);
}

const struct nst_aa_step *nst_aa_pair(enum nst_aa_policy policy, size_t pair)
{
	return policy == NST_AA_V0 || policy == NST_AA_V0R ? v0[pair] : original[pair];
}

int nst_aa_posterize_bits(enum nst_aa_policy policy, double m)
{
	int bits = (int)(m / 10 * 4);

	return policy == NST_AA_V0 ? bits : policy == NST_AA_ORIGINAL ? 4 + bits : 4 - bits;
}

void nst_autoaugment_apply(const struct nst_autoaugment *aa, struct nst_rng *rng, uint8_t *img,
			   size_t h, size_t w, uint8_t *tmp)
{
	struct nst_randaugment ra = form(aa);
	const struct nst_aa_step *step;

	if (aa->policy == NST_AA_NONE)
		return;
	step = nst_aa_pair(aa->policy, nst_rng_below(rng, NST_AA_PAIRS));
	for (size_t i = 0; i < 2; i++, step++) {
		double m = step->m;

		if (step->p < 1 && nst_rng_unit(rng) >= step->p)
			continue;
		if (aa->std > 0)
			m = fmin(fmax(m + aa->std * nst_rng_normal(rng), 0), 10);
		if (step->op == NST_RA_POSTERIZE)
			nst_op_posterize(img, h, w, nst_aa_posterize_bits(aa->policy, m));
		else
			nst_ra_apply(&ra, step->op, m, rng, img, h, w, tmp);
	}
}
