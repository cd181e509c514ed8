/* Writing files and streams of the NST format.
 *
 * An image is put together in a struct nst_build and handed to a struct nst_out, which is a file
 * that appears under its name only when everything succeeded, or standard output.
 *
 *	struct nst_build *b = nst_build_new(NST_SHARD, rows, &err);
 *	nst_build_column(b, "label/class", NST_I32, rows, 0, labels, &err) ...
 *	nst_out_put(out, b, &err) ...
 *	nst_build_free(b);
 *	nst_out_close(out, &err)             -- commits; or nst_out_abort(out)
 *
 * The typed headers (shard.h, prediction.h, ...) have functions that add the columns of a kind. */
#ifndef NST_FORMATS_OUTPUT_H
#define NST_FORMATS_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "formats/input.h"
#include "formats/kind.h"
#include "libcore/util/err.h"

enum nst_compress { NST_COMPRESS_NONE, NST_COMPRESS_GZIP, NST_COMPRESS_ZSTD };

struct nst_build;

/* Start an image of `rows` rows.  NULL on lack of memory. */
struct nst_build *nst_build_new(enum nst_kind kind, uint64_t rows, struct nst_err *err) NST_MUST_CHECK;
void nst_build_free(struct nst_build *b);

/* Add a column of the kind's schema; cols == 0 means rank 1, else the shape is (n, cols).  The data
 * is borrowed until nst_out_put or nst_out_put_last returns.  NST_EINVAL when the schema has no
 * such column or type (a programming mistake). */
int nst_build_column(struct nst_build *b, const char *name, enum nst_type type, uint64_t n,
		     uint64_t cols, const void *data, struct nst_err *err) NST_MUST_CHECK;

struct nst_segment {
	const void *data;
	size_t size;
};

/* Add a byte column that is the concatenation of n segments.  The segments' bytes are borrowed as
 * above; the array itself is copied. */
int nst_build_segments(struct nst_build *b, const char *name, const struct nst_segment *seg,
		       size_t n, struct nst_err *err) NST_MUST_CHECK;

/* Add a column as nst_build_column does, of n segments that together have its bytes; not one that
 * may be compressed.  The segments' bytes are borrowed, the array itself is copied. */
int nst_build_scattered(struct nst_build *b, const char *name, enum nst_type type, uint64_t n,
			uint64_t cols, const struct nst_segment *seg, size_t nseg,
			struct nst_err *err) NST_MUST_CHECK;

/* Add a column of n strings; they are copied. */
int nst_build_strings(struct nst_build *b, const char *name, const char *const *s, size_t n,
		      struct nst_err *err) NST_MUST_CHECK;

/* Set an attribute of the kind; values are copied. */
int nst_build_attr_str(struct nst_build *b, const char *name, const char *value,
		       struct nst_err *err) NST_MUST_CHECK;
int nst_build_attr_f64(struct nst_build *b, const char *name, size_t n, const double *value,
		       struct nst_err *err) NST_MUST_CHECK;
int nst_build_attr_u64(struct nst_build *b, const char *name, size_t n, const uint64_t *value,
		       struct nst_err *err) NST_MUST_CHECK;

/* Name an image this one was made from: its uuid and history go into the new history. */
int nst_build_parent(struct nst_build *b, const struct nst_image *im, struct nst_err *err)
	NST_MUST_CHECK;

/* Add lines to the history that do not come from an image; where they are too many, the last ones. */
int nst_build_history(struct nst_build *b, const char *lines, struct nst_err *err) NST_MUST_CHECK;

/* The uuid the image will have, once everything but provenance was added. */
int nst_build_uuid(struct nst_build *b, char uuid[NST_UUID_LEN + 1], struct nst_err *err)
	NST_MUST_CHECK;

struct nst_out_options {
	const char *run;              /* line for the history, "nst-pack 0.1.0: nst-pack -o ..."; NULL =
				       * no provenance: neither history nor anything that depends on
				       * when and where */
	enum nst_compress compress;   /* for probabilities and statistics only */
	const char *const *inputs;    /* operands that the output must not be; "-" is allowed */
	size_t ninputs;
};

struct nst_out;

/* Open an output: a path, or NULL or "-" for standard output.  opt may be NULL.  A file is first
 * written beside its final name.  Fails when the directory is not writable or the output is one of
 * the inputs. */
int nst_out_open(struct nst_out **out, const char *path, const struct nst_out_options *opt,
		 struct nst_err *err) NST_MUST_CHECK;

/* Append an image.  It is copied and held back until the next put or the close, for only then is it
 * known whether it is the last one of the stream. */
int nst_out_put(struct nst_out *out, struct nst_build *b, struct nst_err *err) NST_MUST_CHECK;

/* Append the last image: written at once, without a copy.  Only nst_out_close may follow. */
int nst_out_put_last(struct nst_out *out, struct nst_build *b, struct nst_err *err) NST_MUST_CHECK;

/* Write what was held back, flush to the disk, move to the final name, release.  An output without
 * any image is an error.  On failure nothing is left behind.  out is released either way. */
int nst_out_close(struct nst_out *out, struct nst_err *err) NST_MUST_CHECK;

/* Give up: remove the temporary file, release.  NULL is allowed. */
void nst_out_abort(struct nst_out *out);

/* Directory that relative references in this output start from: that of the file (also of a file
 * standard output is redirected to), or the current one for a pipe.  Absolute; belongs to out. */
const char *nst_out_dir(const struct nst_out *out);

/* Open and abort: whether a file can be written, before the work that makes it. */
int nst_out_probe(const char *path, const struct nst_out_options *opt, struct nst_err *err)
	NST_MUST_CHECK;

/* One image to one file: open, put_last, close. */
int nst_out_file(const char *path, const struct nst_out_options *opt, struct nst_build *b,
		 struct nst_err *err) NST_MUST_CHECK;

#endif
