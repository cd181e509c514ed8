/* Walking through the samples of shards, and unpacking them into files. */
#ifndef NST_PACK_EXTRACT_H
#define NST_PACK_EXTRACT_H

#include "formats/sample.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

/* Where a sample goes: "dir/key", below a directory of its class unless the key begins with one
 * (class NULL: none), with ".jpg" or ".png" behind a key that does not end in an extension of what
 * is written.  Nothing outside dir can be named: empty, "." and ".." components and a leading '/'
 * are dropped.  Writes the terminated path to out. */
int nst_extract_path(const char *dir, const struct nst_sample *s, const char *class,
		     struct nst_buf *out, struct nst_err *err) NST_MUST_CHECK;

/* Write a sample's file there, a JPEG as it is stored and raw pixels as PNG, making directories as
 * needed.  A file that exists already is an error; an incomplete file is removed.  path is working
 * memory that is kept from call to call. */
int nst_extract(const char *dir, const struct nst_sample *s, const char *class,
		struct nst_buf *path, struct nst_err *err) NST_MUST_CHECK;

/* Write n bytes as a new file, making the directories above it as needed. */
int nst_write_new(const char *path, const void *p, size_t n, struct nst_err *err) NST_MUST_CHECK;

/* What to do with one sample of a shard; class is NULL for an unlabeled one. */
typedef int nst_sample_fn(void *ctx, const struct nst_sample *s, const char *class,
			  struct nst_err *err);

/* Call fn for every sample of the shards among n operands (none: standard input), in order, until
 * it fails.  With peek set the image bytes are neither read nor verified, see nst_samples_peek. */
int nst_each_sample(const char *const *operand, size_t n, int peek, nst_sample_fn *fn, void *ctx,
		    struct nst_err *err) NST_MUST_CHECK;

#endif
