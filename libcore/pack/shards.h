/* Writing samples as one shard or as a numbered series of bounded size. */
#ifndef NST_PACK_SHARDS_H
#define NST_PACK_SHARDS_H

#include <stddef.h>
#include <stdint.h>

#include "formats/output.h"
#include "formats/sample.h"
#include "libcore/util/err.h"

struct nst_shards_options {
	const char *path;    /* NULL or "-": standard output; "name-%05d.h5": a numbered series */
	uint64_t shard_size; /* bytes a shard may have; 0 = no limit */
	const char *const *class_name;
	size_t classes;
	struct nst_out_options out;
};

struct nst_shards;

/* 1 when a path asks for a series: it has one conversion like %d or %05d.  Other uses of '%' are an
 * error (use %% for the character). */
int nst_shards_pattern(const char *path, struct nst_err *err) NST_MUST_CHECK;

/* Start writing; the first output is opened at once, so an unwritable name is known early.  A limit
 * without a series is refused for files; on standard output it gives a stream of several shards.
 * What opt points to must stay until the end. */
int nst_shards_open(struct nst_shards **out, const struct nst_shards_options *opt,
		    struct nst_err *err) NST_MUST_CHECK;

/* Append a sample; everything is copied, beyond 256 MiB to $TMPDIR.  A sample larger than the limit
 * gets a shard of its own. */
int nst_shards_add(struct nst_shards *s, const struct nst_sample *sample, struct nst_err *err)
	NST_MUST_CHECK;

/* Rows added and files or images finished so far. */
uint64_t nst_shards_rows(const struct nst_shards *s);
unsigned nst_shards_count(const struct nst_shards *s);

/* Record an image that rows added from now on come from, for the history of their shards.  It must
 * stay until the shards are closed, or flushed. */
int nst_shards_parent(struct nst_shards *s, const struct nst_image *parent, struct nst_err *err)
	NST_MUST_CHECK;

/* 1 when the shards have these classes, in this order. */
int nst_shards_same_classes(const struct nst_shards *s, const char *const *name, size_t classes);

/* 1 when a file stands under the name that would come after the present shard of the series. */
int nst_shards_stale(const struct nst_shards *s);

/* Finish the last shard and release s.  On failure every shard of the series that was already
 * written is removed again. */
int nst_shards_close(struct nst_shards *s, struct nst_err *err) NST_MUST_CHECK;

/* Write the rows so far as one image of a stream and go on, without parents; for standard output
 * only. */
int nst_shards_flush(struct nst_shards *s, struct nst_err *err) NST_MUST_CHECK;

/* Give up: remove everything written, release.  NULL is allowed. */
void nst_shards_abort(struct nst_shards *s);

/* Name of number `n` of a series; the caller frees. */
char *nst_shards_name(const char *pattern, unsigned n, struct nst_err *err) NST_MUST_CHECK;

#endif
