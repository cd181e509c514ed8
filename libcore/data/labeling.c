/* Labeling shards.  Output to a file is one image for all input; output to a pipe is one image for
 * each input image, written as soon as it is done, so that the next tool works at the same time. */
#include "libcore/data/labeling.h"

#include <stdlib.h>

#include "libcore/util/mem.h"

/* Rows being labeled: places in the image under construction. */
struct labels {
	struct nst_predbuf *made;
	size_t first, classes;
};

static void set_labels(void *ctx, size_t row, size_t n, unsigned worker, float *p)
{
	const struct labels *to = ctx;

	(void)worker;
	for (size_t i = 0; i < n; i++)
		nst_predbuf_set(to->made, to->first + row + i, p + i * to->classes, to->classes);
}

/* Label the rows of the last table and append them to the image under construction. */
static int label_rows(struct nst_labeling *l, struct nst_err *err)
{
	struct nst_dataset *ds = l->input[l->inputs - 1];
	uint64_t rows = nst_dataset_rows(ds);
	size_t batch = nst_labeler_batch(l->labeler);

	l->open = 0;
	if (nst_dataset_seal(ds, err) < 0 || nst_labeler_begin(l->labeler, ds, err) < 0)
		return err->code;
	for (uint64_t first = 0; first < rows; first += batch) {
		size_t n = rows - first < batch ? (size_t)(rows - first) : batch;
		struct labels to = {&l->made, (size_t)nst_rows_count(l->made.rows),
				    nst_labeler_classes(l->labeler).n};
		const float *confidence;

		if (nst_predbuf_extend(&l->made, ds, first, n, err) < 0 ||
		    nst_labeler_each(l->labeler, first, n, set_labels, &to, err) < 0)
			return err->code;
		confidence = (const float *)(const void *)l->made.confidence.data + to.first;
		for (size_t i = 0; i < n; i++)
			l->confidence_sum += confidence[i];
		l->done += n;
	}
	return 0;
}

static int put_parents(struct nst_build *b, const struct nst_dataset *ds, struct nst_err *err)
{
	for (size_t i = 0; i < nst_dataset_images(ds); i++)
		if (nst_build_parent(b, nst_dataset_image(ds, i), err) < 0)
			return err->code;
	return 0;
}

/* Write the image under construction and start the next one. */
static int write_image(struct nst_labeling *l, int last, struct nst_err *err)
{
	struct nst_classes classes = nst_labeler_classes(l->labeler);
	double since = nst_profile_now(l->profile);
	struct nst_build *b;
	int r = nst_predbuf_build(&l->made, NST_PREDICTION, &classes,
				  nst_labeler_uuids(l->labeler),
				  nst_labeler_temperature(l->labeler), &b, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < nst_labeler_models(l->labeler) && r == 0; i++)
		r = nst_build_parent(b, nst_labeler_image(l->labeler, i), err);
	for (size_t i = 0; i < l->inputs && r == 0; i++)
		r = put_parents(b, l->input[i], err);
	if (l->calibrated && r == 0)
		r = put_parents(b, l->calibrated, err);
	if (r == 0)
		r = last ? nst_out_put_last(l->out, b, err) : nst_out_put(l->out, b, err);
	nst_build_free(b);
	nst_predbuf_clear(&l->made);
	for (; l->inputs > 0; l->inputs--)
		nst_dataset_free(l->input[l->inputs - 1]);
	nst_profile_add(l->profile, 0, NST_PHASE_WRITE, 0, since);
	return r;
}

/* The first input image decides how images are carried, if no option does. */
static int start_rows(struct nst_labeling *l, const struct nst_image *im, struct nst_err *err)
{
	enum nst_carry carry = l->carry != NST_CARRY_AUTO ? (enum nst_carry)l->carry :
			       nst_image_path(im) ? NST_REFER : NST_EMBED;
	struct nst_classes classes = nst_labeler_classes(l->labeler);
	size_t k = l->k == NST_LABELING_SOFT ? classes.n : (size_t)l->k;

	if (k > classes.n)
		return nst_fail(err, NST_EINVAL, "--topk=%zu: %s has only %zu classes", k,
				classes.file, classes.n);
	l->made.rows = nst_rows_new(carry, nst_out_dir(l->out), err);
	if (!l->made.rows)
		return NST_ENOMEM;
	return nst_softbuf_start(&l->made.soft, classes.n, k, l->k > 0, l->type, err);
}

/* Open a table for images to come. */
static int open_table(struct nst_labeling *l, struct nst_err *err)
{
	struct nst_classes classes = nst_labeler_classes(l->labeler);
	struct nst_dataset **input = realloc(l->input, (l->inputs + 1) * sizeof(*input));

	if (!input)
		return nst_fail_mem(err, (l->inputs + 1) * sizeof(*input));
	l->input = input;
	if (nst_dataset_new(&input[l->inputs], classes.name, classes.n, classes.file, err) < 0)
		return err->code;
	l->inputs++;
	l->open = 1;
	return 0;
}

/* Take over an input image.  Several small ones make a table, since threads wait for each other at the end
 * of each. */
static int label_image(struct nst_labeling *l, struct nst_image *im, struct nst_err *err)
{
	struct nst_dataset *ds;
	uint64_t before;

	if ((!l->made.rows && start_rows(l, im, err) < 0) || (!l->open && open_table(l, err) < 0)) {
		nst_image_free(im);
		return err->code;
	}
	ds = l->input[l->inputs - 1];
	before = nst_dataset_rows(ds);
	if (nst_dataset_add(ds, im, err) < 0)
		return err->code;
	if (nst_dataset_rows(ds) == before)
		return nst_fail(err, NST_EINVAL, "%s has no rows", nst_image_name(im));
	if (l->stream || nst_dataset_rows(ds) >= nst_labeler_batch(l->labeler))
		return label_rows(l, err);
	return 0;
}

int nst_label_shards(struct nst_labeling *l, struct nst_in *in, struct nst_err *err)
{
	struct nst_image *im;
	int r;

	while ((r = nst_in_next(in, &im, err)) > 0) {
		r = label_image(l, im, err);
		if (r == 0 && l->stream)
			r = write_image(l, 0, err);
		if (r < 0)
			break;
	}
	if (r == 0 && l->open)
		r = label_rows(l, err);
	if (r == 0 && !l->stream && l->made.rows)
		r = write_image(l, 1, err);
	return r;
}

void nst_labeling_release(struct nst_labeling *l)
{
	for (; l->inputs > 0; l->inputs--)
		nst_dataset_free(l->input[l->inputs - 1]);
	free(l->input);
	nst_predbuf_release(&l->made);
}
