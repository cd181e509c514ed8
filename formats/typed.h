/* What the typed readers and writers have in common. */
#ifndef NST_FORMATS_TYPED_H
#define NST_FORMATS_TYPED_H

#include "formats/image.h"
#include "formats/output.h"
#include "formats/prediction.h"

/* Column of class indices, one a row: each is checked to be in [lowest, classes). */
int nst_view_class(struct nst_image *im, const char *name, uint64_t classes, int32_t lowest,
		   const int32_t **out, struct nst_err *err) NST_MUST_CHECK;

/* Column of floats, one a row, each checked to be finite and in [low, high]. */
int nst_view_float(struct nst_image *im, const char *name, float low, float high, const float **out,
		   struct nst_err *err) NST_MUST_CHECK;

/* Soft targets of `rows` rows, whichever form is there; every number is checked. */
int nst_view_soft(struct nst_image *im, uint64_t rows, uint64_t classes, struct nst_soft *soft,
		  struct nst_err *err) NST_MUST_CHECK;

/* Add them. */
int nst_build_soft(struct nst_build *b, const struct nst_soft *soft, struct nst_err *err)
	NST_MUST_CHECK;

/* class/name, unless there are no classes. */
int nst_build_names(struct nst_build *b, const char *const *name, uint64_t n, struct nst_err *err)
	NST_MUST_CHECK;

/* End of a builder: *out = b when r is 0, else b is freed.  Returns r. */
int nst_build_hand_over(struct nst_build **out, struct nst_build *b, int r) NST_MUST_CHECK;

#endif
