/* Kind shard. */
#include "formats/shard.h"

#include "formats/typed.h"

int nst_shard_view(struct nst_image *im, struct nst_shard *shard, struct nst_err *err)
{
	struct nst_shard s = {.rows = nst_image_rows(im)};
	int r = nst_image_strings(im, "class/name", &s.class_name, &s.classes, err);

	if (!r)
		r = nst_view_class(im, "label/class", s.classes, -1, &s.label, err);
	if (!r)
		*shard = s;
	return r;
}

int nst_shard_build(struct nst_build **out, struct nst_rows *rows, const char *const *class_name,
		    size_t classes, struct nst_err *err)
{
	struct nst_build *b = nst_build_new(NST_SHARD, nst_rows_count(rows), err);
	int r;

	if (!b)
		return err->code;
	r = nst_rows_build(rows, b, err);
	if (!r)
		r = nst_build_names(b, class_name, classes, err);
	return nst_build_hand_over(out, b, r);
}
