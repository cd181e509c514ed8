/* Judging rows one by one: what further teachers say of them, how far the class is ahead, how
 * even the distribution is. */
#include <stdlib.h>
#include <string.h>

#include "libcore/data/filter.h"
#include "libcore/select/target.h"
#include "libcore/util/mem.h"

/* Read one further teacher. */
static int read_teacher(struct nst_filter *f, struct nst_held *h, const char *const *path,
			struct nst_err *err)
{
	int r = nst_held_open(h, path, 1, NST_KIND_BIT(NST_PREDICTION), err);

	if (r < 0)
		return r;
	f->teachers++;
	while ((r = nst_held_next(h, err)) > 0) {
		const struct nst_held_file *file = &h->file[h->files - 1];

		if (strcmp(file->prediction.model, f->in.file[0].prediction.model) == 0)
			f->same_model = nst_image_name(file->image);
	}
	return r < 0 ? r : nst_classes_same(&f->in.classes, &h->classes, err);
}

int nst_filter_agree(struct nst_filter *f, const char *const *paths, size_t n, struct nst_err *err)
{
	f->teacher = nst_zalloc(n, sizeof(*f->teacher), err);
	if (!f->teacher)
		return NST_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (read_teacher(f, &f->teacher[i], &paths[i], err) < 0)
			return err->code;
	}
	return 0;
}

/* The teachers that name the class of row i of a file, the first one included. */
static int count_agreeing(const struct nst_filter *f, const struct nst_held_file *file, uint64_t i,
			  int64_t *agree, struct nst_err *err)
{
	uint64_t hash = f->in.hash[file->base + i];

	*agree = 1;
	for (size_t t = 0; t < f->teachers; t++) {
		const struct nst_held_file *match;
		uint64_t j;

		if (nst_held_match(&f->teacher[t], file, i, hash, &match, &j, err) < 0)
			return err->code;
		*agree += match->prediction.argmax[j] == file->prediction.argmax[i];
	}
	return 0;
}

/* Fails when the stored form of a file does not tell what a request is about. */
static int check_form(const struct nst_filter_request *r, const struct nst_held_file *file,
		      struct nst_err *err)
{
	const struct nst_soft *soft = &file->prediction.soft;
	int entropy = !isnan(r->max_entropy) || r->rank == NST_BY_ENTROPY;
	int margin = !isnan(r->min_margin) || r->rank == NST_BY_MARGIN;

	if (soft->k == 0)
		return nst_fail(err, NST_EINVAL, "%s has hard labels: there are no probabilities "
				"to take %s from", nst_image_name(file->image),
				entropy ? "an entropy" : "a margin");
	/* Of the top k with one class left out that class has the rest. */
	if (soft->probability || soft->k + 1 >= soft->classes || (!entropy && soft->k > 1))
		return 0;
	return nst_fail(err, NST_EINVAL, "%s has only the top %llu of %llu probabilities: they do "
			"not determine the %s", nst_image_name(file->image),
			(unsigned long long)soft->k, (unsigned long long)soft->classes,
			margin && soft->k == 1 ? "margin" : "entropy");
}

/* Judge one row, whose probabilities are p; NULL when nobody asks for them. */
static int judge_row(const struct nst_filter *f, const struct nst_filter_request *r,
		     const struct nst_held_file *file, uint64_t i, const float *p,
		     struct nst_candidate *c, struct nst_err *err)
{
	size_t classes = f->in.classes.n;
	double entropy = 0;
	float margin = 0;
	int64_t agree = 1;

	if (f->teachers && count_agreeing(f, file, i, &agree, err) < 0)
		return err->code;
	if (p && (!isnan(r->max_entropy) || r->rank == NST_BY_ENTROPY))
		entropy = nst_entropy(p, classes);
	if (p)
		margin = nst_margin(p, classes, (size_t)c->class);
	c->score = r->rank == NST_BY_MARGIN ? margin :
		   r->rank == NST_BY_ENTROPY ? (float)-entropy : c->confidence;
	if (f->teachers && agree < r->min_agree)
		c->verdict = NST_DISAGREED;
	else if (!isnan(r->min_margin) && margin < (float)r->min_margin)
		c->verdict = NST_NARROW;
	else if (!isnan(r->max_entropy) && entropy > r->max_entropy)
		c->verdict = NST_UNCERTAIN;
	return 0;
}

int nst_filter_judge(struct nst_filter *f, const struct nst_filter_request *r, struct nst_err *err)
{
	int measured = !isnan(r->min_margin) || !isnan(r->max_entropy) ||
		       r->rank != NST_BY_CONFIDENCE;
	float *full = nst_alloc(f->in.classes.n, sizeof(*full), err);
	int failed = !full;

	for (size_t i = 0; i < f->in.files && !failed; i++) {
		const struct nst_held_file *file = &f->in.file[i];
		const struct nst_prediction *p = &file->prediction;

		failed = measured && check_form(r, file, err) < 0;
		for (uint64_t j = 0; j < p->rows && !failed; j++) {
			uint64_t row = file->base + j;
			struct nst_candidate *c = &f->candidate[row];

			*c = (struct nst_candidate){
				.hash = f->in.hash[row], .row = row, .class = p->argmax[j],
				.confidence = p->confidence[j],
			};
			if (measured)
				nst_soft_row(&p->soft, j, full);
			failed = judge_row(f, r, file, j, measured ? full : NULL, c, err) < 0;
		}
	}
	free(full);
	return failed ? err->code : 0;
}
