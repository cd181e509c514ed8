/* Relabeling.  Rows are matched by key, and the checksums of the images must be the same: a
 * selection may hold its images and the predictions refer to a shard, or the other way round. */
#include <string.h>

#include "libcore/data/reassign.h"

static int read_side(struct nst_held *h, const char *const *paths, size_t n, enum nst_kind kind,
		     struct nst_err *err)
{
	int r = nst_held_open(h, paths, n, NST_KIND_BIT(kind), err);

	while (r >= 0 && (r = nst_held_next(h, err)) > 0)
		;
	return r;
}

int nst_reassign_read(struct nst_reassign *r, const char *const *kept, size_t nkept,
		      const char *const *paths, size_t n, struct nst_err *err)
{
	if (read_side(&r->kept, kept, nkept, NST_SELECTION, err) < 0 ||
	    read_side(&r->in, paths, n, NST_PREDICTION, err) < 0 ||
	    nst_classes_same(&r->kept.classes, &r->in.classes, err) < 0)
		return err->code;
	r->carry = NST_REFER;
	for (size_t i = 0; i < r->kept.files; i++) {
		if (!nst_held_referable(&r->kept.file[i]))
			r->carry = NST_EMBED;
	}
	for (size_t i = 0; i < r->in.files; i++) {
		const struct nst_held_file *file = &r->in.file[i];

		if (strcmp(file->prediction.model, r->in.file[0].prediction.model) != 0)
			r->other_model = nst_image_name(file->image);
		if (nst_softbuf_like(&r->made.soft, &file->prediction.soft,
				     nst_image_name(file->image),
				     nst_image_name(r->in.file[0].image), err) < 0)
			return err->code;
	}
	return 0;
}

/* Append the rows of one selection with their new targets. */
static int relabel(struct nst_reassign *r, const struct nst_held_file *file, struct nst_err *err)
{
	const struct nst_prediction *old = &file->prediction;

	for (uint64_t i = 0; i < old->rows; i++) {
		const struct nst_held_file *match;
		struct nst_sample s;
		uint64_t j;

		if (nst_held_match(&r->in, file, i, r->kept.hash[file->base + i], &match, &j,
				   err) < 0)
			return err->code;
		if (r->carry == NST_REFER)
			nst_samples_peek(file->samples, i, &s);
		else if (nst_samples_get(file->samples, i, &s, err) < 0)
			return err->code;
		if (nst_predbuf_add(&r->made, &s, match->prediction.argmax[j],
				    match->prediction.confidence[j], old->copies[i], err) < 0 ||
		    nst_softbuf_add(&r->made.soft, &match->prediction.soft, j, 1, 1, err) < 0)
			return err->code;
		r->rows++;
		r->copies += old->copies[i];
		r->changed += match->prediction.argmax[j] != old->argmax[i];
	}
	return 0;
}

/* Build the relabeled selection of kept files from..to-1, with references that start in dir. */
static int build(struct nst_reassign *r, size_t from, size_t to, const char *dir,
		 struct nst_build **b, struct nst_err *err)
{
	const struct nst_prediction *p = &r->in.file[0].prediction;
	int code;

	if (r->made.rows)
		nst_predbuf_clear(&r->made);
	else
		r->made.rows = nst_rows_new(r->carry, dir, err);
	if (!r->made.rows)
		return NST_ENOMEM;
	for (size_t i = from; i < to; i++) {
		if (relabel(r, &r->kept.file[i], err) < 0)
			return err->code;
	}
	code = nst_predbuf_build(&r->made, NST_SELECTION, &r->in.classes, p->model, p->temperature,
				 b, err);
	for (size_t i = from; i < to + r->in.files && code == 0; i++) {
		code = nst_build_parent(*b, i < to ? r->kept.file[i].image :
					r->in.file[i - to].image, err);
		if (code < 0)
			nst_build_free(*b);
	}
	return code;
}

int nst_reassign_write(struct nst_reassign *r, int stream, struct nst_out *out,
		       struct nst_err *err)
{
	size_t step = stream ? 1 : r->kept.files;
	int code = 0;

	for (size_t i = 0; i < r->kept.files && code == 0; i += step) {
		int last = i + step >= r->kept.files;
		struct nst_build *b;

		code = build(r, i, i + step, nst_out_dir(out), &b, err);
		if (code == 0) {
			code = (last ? nst_out_put_last : nst_out_put)(out, b, err);
			nst_build_free(b);
		}
	}
	return code;
}

void nst_reassign_release(struct nst_reassign *r)
{
	nst_predbuf_release(&r->made);
	nst_held_release(&r->kept);
	nst_held_release(&r->in);
}
