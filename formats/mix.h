/* Kind `mix`: the rows a student is trained on.
 *
 * Columns: image/... or source/..., key/... as in sample.h, and
 *	class/name    str (K)
 *	label/class   i32 (N)   labeled row: its class; pseudo row: the teacher's class
 *	mix/role      u8  (N)   0 labeled, 1 pseudo
 *	mix/copy      u32 (N)   number of this copy among equal keys, from 0: keeps the noise of
 *	                        duplicated rows apart
 *	mix/weight    f32 (N)   of the row's loss, > 0
 *	prediction/probability | prediction/topk_class, topk_probability
 *	              as in prediction.h, but only for the M pseudo rows, in their order; absent = hard
 * Attributes:
 *	ratio         f64   pseudo rows for each labeled row that was asked for
 *	model         str   uuids of the teachers */
#ifndef NST_FORMATS_MIX_H
#define NST_FORMATS_MIX_H

#include "formats/input.h"
#include "formats/output.h"
#include "formats/prediction.h"
#include "formats/sample.h"
#include "libcore/util/role.h"

struct nst_mix {
	uint64_t rows;
	uint64_t classes;
	const char *const *class_name;
	const int32_t *label;    /* (N) */
	const uint8_t *role;     /* (N) enum nst_role */
	const uint32_t *copy;    /* (N) */
	const float *weight;     /* (N) */
	uint64_t pseudo;         /* M: rows with role NST_ROLE_PSEUDO */
	struct nst_soft soft;    /* soft.rows = M, or all NULL */
	double ratio;
	const char *model;
};

/* Look at an image as a mix; every index, role and weight is checked. */
int nst_mix_view(struct nst_image *im, struct nst_mix *mix, struct nst_err *err) NST_MUST_CHECK;

/* Build one.  mix->label is not used: rows has the labels.  Arrays are borrowed until the put. */
int nst_mix_build(struct nst_build **b, struct nst_rows *rows, const struct nst_mix *mix,
		  struct nst_err *err) NST_MUST_CHECK;

#endif
