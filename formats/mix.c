/* Kind mix. */
#include "formats/mix.h"

#include <float.h>
#include <inttypes.h>

#include "formats/typed.h"

/* Check the roles and count the pseudo rows. */
static int check_roles(struct nst_image *im, struct nst_mix *m, struct nst_err *err)
{
	for (uint64_t i = 0; i < m->rows; i++) {
		if (m->role[i] > NST_ROLE_PSEUDO)
			return nst_image_fail(im, err, "'mix/role' of row %" PRIu64 " is %u", i, m->role[i]);
		m->pseudo += m->role[i] == NST_ROLE_PSEUDO;
	}
	return 0;
}

int nst_mix_view(struct nst_image *im, struct nst_mix *out, struct nst_err *err)
{
	struct nst_mix m = {.rows = nst_image_rows(im), .model = nst_image_attr_str(im, "model")};
	struct nst_column role, copy;
	int r = nst_image_strings(im, "class/name", &m.class_name, &m.classes, err);

	if (!r)
		r = nst_view_class(im, "label/class", m.classes, 0, &m.label, err);
	if (!r)
		r = nst_view_float(im, "mix/weight", FLT_MIN, FLT_MAX, &m.weight, err);
	if (!r)
		r = nst_image_column(im, "mix/role", &role, err);
	if (!r)
		r = nst_image_column(im, "mix/copy", &copy, err);
	if (r)
		return r;
	m.role = role.data;
	m.copy = copy.data;
	r = check_roles(im, &m, err);
	if (!r)
		r = nst_view_soft(im, m.pseudo, m.classes, &m.soft, err);
	if (r)
		return r;
	nst_image_attr_f64(im, "ratio", 1, &m.ratio);
	*out = m;
	return 0;
}

int nst_mix_build(struct nst_build **out, struct nst_rows *rows, const struct nst_mix *m,
		  struct nst_err *err)
{
	uint64_t n = nst_rows_count(rows);
	struct nst_build *b = nst_build_new(NST_MIX, n, err);
	int r;

	if (!b)
		return err->code;
	r = nst_rows_build(rows, b, err);
	if (!r)
		r = nst_build_names(b, m->class_name, m->classes, err);
	if (!r)
		r = nst_build_column(b, "mix/role", NST_U8, n, 0, m->role, err);
	if (!r)
		r = nst_build_column(b, "mix/copy", NST_U32, n, 0, m->copy, err);
	if (!r)
		r = nst_build_column(b, "mix/weight", NST_F32, n, 0, m->weight, err);
	if (!r)
		r = nst_build_soft(b, &m->soft, err);
	if (!r)
		r = nst_build_attr_str(b, "model", m->model ? m->model : "", err);
	if (!r)
		r = nst_build_attr_f64(b, "ratio", 1, &m->ratio, err);
	return nst_build_hand_over(out, b, r);
}
