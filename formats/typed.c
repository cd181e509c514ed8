/* Columns with a meaning: indices that must be below a count, probabilities that must be ones.  A
 * tool may use what a view returned without looking at it again. */
#include "formats/typed.h"

#include <inttypes.h>

#include "libcore/util/num.h"

/* A row of half-precision probabilities sums to 1 only roughly. */
#define SUM_SLACK 0.02

int nst_view_class(struct nst_image *im, const char *name, uint64_t classes, int32_t lowest,
		   const int32_t **out, struct nst_err *err)
{
	struct nst_column c;
	const int32_t *v;
	int r = nst_image_column(im, name, &c, err);

	if (r)
		return r;
	v = c.data;
	for (uint64_t i = 0; i < c.dim[0]; i++)
		if (v[i] < lowest || (v[i] >= 0 && (uint64_t)v[i] >= classes))
			return nst_image_fail(im, err,
					      "'%s' of row %" PRIu64 " is %d, but there are %" PRIu64
					      " classes",
					      name, i, v[i], classes);
	*out = v;
	return 0;
}

int nst_view_float(struct nst_image *im, const char *name, float low, float high, const float **out,
		   struct nst_err *err)
{
	struct nst_column c;
	const float *v;
	int r = nst_image_column(im, name, &c, err);

	if (r)
		return r;
	v = c.data;
	for (uint64_t i = 0; i < c.dim[0]; i++)
		if (!(v[i] >= low && v[i] <= high))
			return nst_image_fail(im, err, "'%s' of row %" PRIu64 " is %g", name, i,
					      (double)v[i]);
	*out = v;
	return 0;
}

static float number(const void *data, enum nst_type type, uint64_t i)
{
	return type == NST_F16 ? nst_float_from_half(((const uint16_t *)data)[i])
			       : ((const float *)data)[i];
}

/* Rows of n probabilities; those of top-k forms may leave some mass. */
static int check_rows(struct nst_image *im, const char *name, const struct nst_column *c, int whole,
		      struct nst_err *err)
{
	for (uint64_t i = 0; i < c->dim[0]; i++) {
		double sum = 0;

		for (uint64_t k = 0; k < c->dim[1]; k++) {
			float p = number(c->data, c->type, i * c->dim[1] + k);

			if (!(p >= 0 && p <= 1 + SUM_SLACK))
				return nst_image_fail(im, err, "'%s' of row %" PRIu64 " holds %g", name, i,
						      (double)p);
			sum += p;
		}
		if (sum > 1 + SUM_SLACK || (whole && sum < 1 - SUM_SLACK))
			return nst_image_fail(im, err, "'%s' of row %" PRIu64 " adds up to %g", name, i,
					      sum);
	}
	return 0;
}

static int view_topk(struct nst_image *im, struct nst_soft *s, struct nst_err *err)
{
	struct nst_column p, c;
	int r = nst_image_require(im, "prediction/topk_probability", s->rows, 0, &p, err);

	if (!r)
		r = nst_image_require(im, "prediction/topk_class", s->rows, p.dim[1], &c, err);
	if (!r && (!p.dim[1] || p.dim[1] > s->classes))
		r = nst_image_fail(im, err, "it has the top %" PRIu64 " of %" PRIu64 " classes", p.dim[1],
				   s->classes);
	if (!r)
		r = check_rows(im, "prediction/topk_probability", &p, 0, err);
	if (r)
		return r;
	s->k = p.dim[1];
	s->type = p.type;
	s->topk_class = c.data;
	s->topk_probability = p.data;
	for (uint64_t i = 0; i < s->rows * s->k; i++)
		if (s->topk_class[i] < 0 || (uint64_t)s->topk_class[i] >= s->classes)
			return nst_image_fail(im, err, "'prediction/topk_class' of row %" PRIu64 " holds %d",
					      i / s->k, s->topk_class[i]);
	return 0;
}

int nst_view_soft(struct nst_image *im, uint64_t rows, uint64_t classes, struct nst_soft *soft,
		  struct nst_err *err)
{
	int full = nst_image_has(im, "prediction/probability");
	int topk = nst_image_has(im, "prediction/topk_class") ||
		   nst_image_has(im, "prediction/topk_probability");
	struct nst_column p;
	int r;

	*soft = (struct nst_soft){.rows = rows, .classes = classes};
	if (full && topk)
		return nst_image_fail(im, err, "it has two forms of probabilities");
	if (topk)
		return view_topk(im, soft, err);
	if (!full)
		return 0;
	r = nst_image_require(im, "prediction/probability", rows, classes, &p, err);
	if (!r)
		r = check_rows(im, "prediction/probability", &p, 1, err);
	if (r)
		return r;
	soft->k = classes;
	soft->type = p.type;
	soft->probability = p.data;
	return 0;
}

void nst_soft_row(const struct nst_soft *s, uint64_t i, float *p)
{
	double sum = 0, rest;

	if (s->probability) {
		for (uint64_t k = 0; k < s->classes; k++)
			p[k] = number(s->probability, s->type, i * s->classes + k);
		return;
	}
	for (uint64_t k = 0; k < s->k; k++)
		sum += number(s->topk_probability, s->type, i * s->k + k);
	rest = s->classes > s->k && sum < 1 ? (1 - sum) / (double)(s->classes - s->k) : 0;
	for (uint64_t k = 0; k < s->classes; k++)
		p[k] = (float)rest;
	for (uint64_t k = 0; k < s->k; k++)
		p[s->topk_class[i * s->k + k]] = number(s->topk_probability, s->type, i * s->k + k);
}

int nst_build_soft(struct nst_build *b, const struct nst_soft *s, struct nst_err *err)
{
	int r;

	if (s->probability)
		return nst_build_column(b, "prediction/probability", s->type, s->rows, s->classes,
					s->probability, err);
	if (!s->topk_class)
		return 0;
	r = nst_build_column(b, "prediction/topk_class", NST_I32, s->rows, s->k, s->topk_class, err);
	if (r)
		return r;
	return nst_build_column(b, "prediction/topk_probability", s->type, s->rows, s->k,
				s->topk_probability, err);
}

int nst_build_names(struct nst_build *b, const char *const *name, uint64_t n, struct nst_err *err)
{
	return n ? nst_build_strings(b, "class/name", name, (size_t)n, err) : 0;
}

int nst_build_hand_over(struct nst_build **out, struct nst_build *b, int r)
{
	if (r)
		nst_build_free(b);
	else
		*out = b;
	return r;
}
