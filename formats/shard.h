/* Kind `shard`: samples with their images.
 *
 * Columns: image/..., key/..., label/class as in sample.h, and
 *	class/name      str (K)    class names in index order; absent when K = 0 */
#ifndef NST_FORMATS_SHARD_H
#define NST_FORMATS_SHARD_H

#include "formats/input.h"
#include "formats/output.h"
#include "formats/sample.h"

struct nst_shard {
	uint64_t rows;
	uint64_t classes;            /* K */
	const char *const *class_name;
	const int32_t *label;        /* (N) */
};

/* Look at an image as a shard; labels are checked to be below K.  Pointers belong to the image.
 * The samples come from nst_samples_open. */
int nst_shard_view(struct nst_image *im, struct nst_shard *shard, struct nst_err *err) NST_MUST_CHECK;

/* Build a shard of the (embedded) rows.  The caller puts and frees *b. */
int nst_shard_build(struct nst_build **b, struct nst_rows *rows, const char *const *class_name,
		    size_t classes, struct nst_err *err) NST_MUST_CHECK;

#endif
