/* Samples: one image with its key and label, wherever it is stored.
 *
 * Rows of a shard hold their image themselves.  Rows of a prediction, a selection or a mix either
 * carry it along (the image columns are embedded) or refer to a row of a shard by
 * (path, uuid, row).  struct nst_samples hides the difference for readers, struct nst_rows for
 * writers: a tool gets a sample from one and passes it to the other.
 *
 * Columns, N rows:
 *	image/data      u8  (B)    compressed or raw bytes of all images, one after another
 *	image/offset    u64 (N+1)  where each begins in image/data; [0] = 0, [N] = B
 *	image/shape     u32 (N,3)  height, width (as stored, before any turning), channels
 *	image/codec     u8  (N)    0: raw pixels (H,W,C); 1...8: JPEG, to be turned as the EXIF
 *	                           orientation of that number says (1 = upright)
 *	image/checksum  u64 (N)    XXH3-64 of the sample's bytes
 *	image/entry     u64 (E)    entry points of all JPEGs, see nst_sample.entry; with the next, may
 *	                           be absent
 *	image/entry_offset  u64 (N+1)  where those of each begin in image/entry
 *	key/data        u8  (B)    UTF-8 keys of all rows, one after another, not terminated
 *	key/offset      u64 (N+1)
 *	label/class     i32 (N)    index into class/name, -1 = unlabeled
 *	source/file     str (S)    "uuid path": a shard that rows refer to, path relative to the
 *	                           directory of the referring file
 *	source/row      u64 (N,2)  source number, row of that shard */
#ifndef NST_FORMATS_SAMPLE_H
#define NST_FORMATS_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/input.h"
#include "formats/output.h"
#include "libcore/util/err.h"
#include "libcore/util/mem.h"

enum nst_codec { NST_CODEC_RAW = 0, NST_CODEC_JPEG = 1 };

struct nst_sample {
	const uint8_t *data; /* JPEG bytes, or (H,W,C) pixels */
	size_t size;
	uint64_t checksum;   /* XXH3-64 of these bytes as stored; filled for readers only */
	uint32_t height, width, channels; /* as stored; channels 1, 3 or (JPEG) 4 */
	enum nst_codec codec;
	int orientation;     /* EXIF, 1...8; always 1 for raw pixels */
	const uint64_t *entry; /* entry points of a JPEG, see libcore/image/entries.h */
	size_t entries;        /* 0 = none are known */
	const char *key;     /* not terminated */
	size_t key_len;
	int32_t label;       /* -1 = unlabeled */
	/* where it lives: for references; path NULL when it came through a pipe */
	const char *path;    /* absolute */
	const char *uuid;    /* of the shard */
	uint64_t row;        /* in that shard */
};

/* Shards that were referred to, each opened once.  One store serves many referring images; it must
 * outlive them.  new returns NULL on lack of memory. */
struct nst_store;
struct nst_store *nst_store_new(struct nst_err *err) NST_MUST_CHECK;
void nst_store_free(struct nst_store *s);

/* Access to the samples of an image of kind shard, prediction, selection or mix.  Opens the shards
 * it refers to (store may be NULL when none may be referred to) and checks their uuids, offsets and
 * row numbers.  Belongs to the thread that reads images; free before the image. */
struct nst_samples;
int nst_samples_open(struct nst_samples **s, struct nst_image *im, struct nst_store *store,
		     struct nst_err *err) NST_MUST_CHECK;
void nst_samples_free(struct nst_samples *s);

/* Number of rows, and 1 when the images are embedded (or the image is a shard). */
uint64_t nst_samples_count(const struct nst_samples *s);
int nst_samples_embedded(const struct nst_samples *s);

/* Sample of row i < count, after verifying its checksum.  Any thread.  *out points into memory of
 * the image and the store.  Key and label are those of the referring file. */
int nst_samples_get(const struct nst_samples *s, uint64_t i, struct nst_sample *out,
		    struct nst_err *err) NST_MUST_CHECK;

/* The same, but out->data may have been read into *buf, which is the caller's and must last as long:
 * for bytes that are looked at once, soon.  NST_EIO when the file cannot be read. */
int nst_samples_read(const struct nst_samples *s, uint64_t i, struct nst_buf *buf,
		     struct nst_sample *out, struct nst_err *err) NST_MUST_CHECK;

/* The same as nst_samples_get without touching or verifying the image bytes: key, label, origin, size,
 * shape. */
void nst_samples_peek(const struct nst_samples *s, uint64_t i, struct nst_sample *out);

/* XXH3-64 of the key: the `sample` of libcore/util/rng.h. */
uint64_t nst_sample_hash(const struct nst_sample *s);

/* The same of row i < count, looking at nothing but its key. */
uint64_t nst_samples_hash(const struct nst_samples *s, uint64_t i);

/* Rows being written: collects the columns above. */
enum nst_carry {
	NST_REFER, /* source/file, source/row */
	NST_EMBED  /* image/... */
};
struct nst_rows;

/* dir is where references start, see nst_out_dir (may be NULL for NST_EMBED). */
struct nst_rows *nst_rows_new(enum nst_carry carry, const char *dir, struct nst_err *err)
	NST_MUST_CHECK;
void nst_rows_free(struct nst_rows *r);

/* Append a sample.  Key and label are copied; embedded bytes are borrowed until the image was put.
 * NST_EINVAL when it should be referred to but came through a pipe. */
int nst_rows_add(struct nst_rows *r, const struct nst_sample *s, struct nst_err *err) NST_MUST_CHECK;

/* The same, copying embedded bytes as well. */
int nst_rows_add_copy(struct nst_rows *r, const struct nst_sample *s, struct nst_err *err)
	NST_MUST_CHECK;

/* Rows and embedded bytes so far. */
uint64_t nst_rows_count(const struct nst_rows *r);
uint64_t nst_rows_bytes(const struct nst_rows *r);

/* Add image/... or source/..., key/... and label/class to an image under construction.  r must
 * outlive the put. */
int nst_rows_build(struct nst_rows *r, struct nst_build *b, struct nst_err *err) NST_MUST_CHECK;

/* Drop all rows, keep the memory: the next image begins. */
void nst_rows_clear(struct nst_rows *r);

#endif
