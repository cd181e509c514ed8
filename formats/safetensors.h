/* Safetensors files: named tensors behind a JSON header, as other programs exchange weights.
 *
 *	8 bytes     length N of the header, little-endian
 *	N bytes     {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
 *	             "__metadata__": {"KEY": "TEXT", ...}}, blanks behind it allowed
 *	the rest    the numbers, little-endian, last dimension fastest; offsets count from here
 *
 * The reader is strict: tensors cover the rest exactly, without holes and overlaps, each as long as
 * its shape and type say; names are unique; a header has at most 100,000,000 bytes, the limit of
 * the format's own library. */
#ifndef NST_FORMATS_SAFETENSORS_H
#define NST_FORMATS_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/io/list.h"
#include "libcore/util/err.h"

enum { NST_SAFETENSORS_RANK = 8, NST_SAFETENSORS_HEADER = 100000000 };

/* Types of numbers; those of nst_dtype_is_float can be read as float. */
enum nst_dtype {
	NST_DTYPE_F32,
	NST_DTYPE_F16,
	NST_DTYPE_BF16,
	NST_DTYPE_F64,
	NST_DTYPE_F8_E4M3,
	NST_DTYPE_F8_E5M2,
	NST_DTYPE_I64,
	NST_DTYPE_I32,
	NST_DTYPE_I16,
	NST_DTYPE_I8,
	NST_DTYPE_U64,
	NST_DTYPE_U32,
	NST_DTYPE_U16,
	NST_DTYPE_U8,
	NST_DTYPE_BOOL,
	NST_DTYPES
};

const char *nst_dtype_name(enum nst_dtype t); /* "F32" */
size_t nst_dtype_size(enum nst_dtype t);      /* bytes */
int nst_dtype_is_float(enum nst_dtype t);     /* 1 for F64, F32, F16, BF16 */

struct nst_safetensor {
	const char *name;
	enum nst_dtype dtype;
	size_t rank; /* 0: a single number */
	size_t shape[NST_SAFETENSORS_RANK];
	size_t count, size; /* numbers; bytes */
	const uint8_t *data; /* not aligned */
};

/* ---- reading ------------------------------------------------------------------------------- */

struct nst_safetensors;

/* Map a file and check it as a whole.  The caller frees *out.  Returns 0, NST_EIO, NST_EFORMAT,
 * NST_ELIMIT or NST_ENOMEM; the sentence names the file. */
int nst_safetensors_open(struct nst_safetensors **out, const char *path,
			 struct nst_err *err) NST_MUST_CHECK;

/* The same of bytes in memory, which must outlive *out; name is for messages. */
int nst_safetensors_parse(struct nst_safetensors **out, const void *data, size_t size,
			  const char *name, struct nst_err *err) NST_MUST_CHECK;
void nst_safetensors_free(struct nst_safetensors *st);

/* What it was opened as; tensors in the order of their names, and by name (NULL: there is none).
 * All belong to st. */
const char *nst_safetensors_name(const struct nst_safetensors *st);
size_t nst_safetensors_count(const struct nst_safetensors *st);
const struct nst_safetensor *nst_safetensors_at(const struct nst_safetensors *st, size_t i);
const struct nst_safetensor *nst_safetensors_find(const struct nst_safetensors *st,
						  const char *name);

/* The numbers of a tensor of a floating-point type as out[count]; F64 is rounded. */
void nst_safetensor_floats(const struct nst_safetensor *t, float *out);

/* Text of a key of the metadata, NULL where there is none; belongs to st. */
const char *nst_safetensors_meta(const struct nst_safetensors *st, const char *key);

/* A key whose text is a JSON list: of exactly n finite numbers, or of any strings, which are
 * appended to out.  Returns 1, 0 when the key is absent, or NST_EFORMAT, NST_ENOMEM. */
int nst_safetensors_meta_numbers(const struct nst_safetensors *st, const char *key, double *out,
				 size_t n, struct nst_err *err) NST_MUST_CHECK;
int nst_safetensors_meta_strings(const struct nst_safetensors *st, const char *key,
				 struct nst_list *out, struct nst_err *err) NST_MUST_CHECK;

/* ---- writing ------------------------------------------------------------------------------- */

/* First metadata and the declaration of every tensor, then the numbers in the same order, then the
 * close, which makes the file appear. */
struct nst_safetensors_out;

/* Begin a file; NULL or "-" is standard output. */
int nst_safetensors_create(struct nst_safetensors_out **out, const char *path,
			   struct nst_err *err) NST_MUST_CHECK;

/* Set a key of the metadata to a text, or to a JSON list of n strings.  NST_EINVAL for what is not
 * UTF-8. */
int nst_safetensors_put_meta(struct nst_safetensors_out *out, const char *key, const char *value,
			     struct nst_err *err) NST_MUST_CHECK;
int nst_safetensors_put_strings(struct nst_safetensors_out *out, const char *key,
				const char *const *value, size_t n,
				struct nst_err *err) NST_MUST_CHECK;

/* Announce a tensor of a floating-point type. */
int nst_safetensors_declare(struct nst_safetensors_out *out, const char *name, enum nst_dtype dtype,
			    size_t rank, const size_t *shape, struct nst_err *err) NST_MUST_CHECK;

/* The numbers of the next tensor, rounded to its type; NST_ELIMIT when a finite one is too large
 * for it. */
int nst_safetensors_write(struct nst_safetensors_out *out, const float *data,
			  struct nst_err *err) NST_MUST_CHECK;

/* Finish, flush to the disk, move to the final name.  On failure nothing is left behind.  out is
 * released either way. */
int nst_safetensors_close(struct nst_safetensors_out *out, struct nst_err *err) NST_MUST_CHECK;

/* Give up: remove what was written, release.  NULL is allowed. */
void nst_safetensors_abort(struct nst_safetensors_out *out);

#endif
