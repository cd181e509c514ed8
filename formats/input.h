/* Reading files and streams of the NST format.
 *
 * An input is a list of operands: paths, or "-" for standard input.  Each holds one or more
 * complete HDF5 file images, the last of which says so; they come out of nst_in_next() one by
 * one.  Regular files are mapped, pipes are read into memory (or spooled to an unlinked temporary
 * file).  libhdf5 sees an image once, in nst_in_next(), to find the columns; the bytes of a column
 * are then plain memory that any thread may read.
 *
 *	struct nst_in *in;
 *	struct nst_image *im;
 *	if (nst_in_open(&in, argv, argc, NST_KIND_BIT(NST_SHARD), NULL, &err) < 0) ...
 *	while ((r = nst_in_next(in, &im, &err)) > 0) {
 *		struct nst_shard s;
 *		if (nst_shard_view(im, &s, &err) < 0) ...
 *		...
 *		nst_image_free(im);
 *	}
 *	nst_in_close(in);
 *
 * All functions of one input and of its images, except the pure accessors, belong to one thread. */
#ifndef NST_FORMATS_INPUT_H
#define NST_FORMATS_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "formats/kind.h"
#include "libcore/util/err.h"

#define NST_UUID_LEN 36 /* characters of a uuid, without the terminating NUL */

struct nst_in_options {
	uint64_t max_image; /* bytes of one image from a pipe, and of one expanded column; 0 = 16 GiB */
	int spool;          /* pipes go to an unlinked file in TMPDIR, so that all images can stay open */
};

struct nst_in;
struct nst_image;

/* Open a list of operands; with npaths == 0 standard input is read.  kinds is a set of NST_KIND_BIT:
 * an image of another kind is an error that names both.  opt may be NULL.  paths must outlive *in.
 * Nothing is read yet.  Returns 0, or NST_ENOMEM. */
int nst_in_open(struct nst_in **in, const char *const *paths, size_t npaths, unsigned kinds,
		const struct nst_in_options *opt, struct nst_err *err) NST_MUST_CHECK;

/* Next image of the input.  Returns 1 with *image (the caller frees it; it stays valid after
 * nst_in_close), 0 when every operand was read to its declared end, or a negative code: damaged,
 * of a wrong kind, or ended early. */
int nst_in_next(struct nst_in *in, struct nst_image **image, struct nst_err *err) NST_MUST_CHECK;

/* Rows of all operands together, for a progress bar; what has been read, or not, stays so.  Returns 0
 * when nobody can know: an operand is no regular file, or is damaged, which nst_in_next says. */
uint64_t nst_in_count_rows(const struct nst_in *in);

void nst_in_close(struct nst_in *in);

/* Open one file that holds exactly one image of the given kinds (a model, say).  "-" is standard
 * input.  The caller frees *image. */
int nst_image_open(struct nst_image **image, const char *path, unsigned kinds, struct nst_err *err)
	NST_MUST_CHECK;

void nst_image_free(struct nst_image *image);

/* Pure accessors; the strings belong to the image. */
const char *nst_image_name(const struct nst_image *im);    /* for messages, quoted where it is a
							     * path: 'a.h5', standard input image 3 */
const char *nst_image_path(const struct nst_image *im);    /* absolute path, NULL for a pipe */
const char *nst_image_dir(const struct nst_image *im);     /* where relative references start */
const char *nst_image_uuid(const struct nst_image *im);
const char *nst_image_history(const struct nst_image *im); /* lines, "" without provenance */
enum nst_kind nst_image_kind(const struct nst_image *im);
uint64_t nst_image_rows(const struct nst_image *im);
int nst_image_last(const struct nst_image *im);            /* the last of its stream */

/* Element types of columns.  Their numbers go into uuids: never renumber. */
enum nst_type { NST_U8, NST_U32, NST_U64, NST_I32, NST_F16, NST_F32, NST_F64, NST_STR };

struct nst_column {
	enum nst_type type;
	int rank;            /* 1 or 2 */
	uint64_t dim[2];     /* dim[1] is 1 for rank 1 */
	size_t elem;         /* bytes of an element; of a string, its fixed width */
	size_t size;         /* bytes in all: dim[0] * dim[1] * elem */
	const void *data;    /* little-endian, aligned to elem; NULL when size is 0 */
};

/* 1 when the image has the column, else 0. */
int nst_image_has(const struct nst_image *im, const char *name);

/* Get a column, expanding it and verifying its checksum on first use (image/data is left to the
 * checksum of each sample, the vectors of a model to nst_model_verify).  The memory belongs to the
 * image.  A column that is absent is an error. */
int nst_image_column(struct nst_image *im, const char *name, struct nst_column *col,
		     struct nst_err *err) NST_MUST_CHECK;

/* A column of strings as an array of *n terminated strings, owned by the image.  An absent column
 * gives n = 0. */
int nst_image_strings(struct nst_image *im, const char *name, const char *const **strings,
		      uint64_t *n, struct nst_err *err) NST_MUST_CHECK;

/* Attributes of the kind (see each kind's header).  _str returns "" and _f64, _u64 fill zeros when
 * the attribute is absent; n is the expected number of elements. */
const char *nst_image_attr_str(const struct nst_image *im, const char *name);
void nst_image_attr_f64(const struct nst_image *im, const char *name, size_t n, double *out);
void nst_image_attr_u64(const struct nst_image *im, const char *name, size_t n, uint64_t *out);

#endif
