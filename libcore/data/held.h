/* Files of rows held open together, for tools that must see every row before they can decide about
 * one: nst-filter and nst-mix.
 *
 * Rows are numbered through all files in input order.  The class tables must be the same and keys
 * must not occur twice.  What comes through a pipe is spooled to disk, regular files are mapped, so
 * holding them costs addresses, not memory. */
#ifndef NST_DATA_HELD_H
#define NST_DATA_HELD_H

#include <stddef.h>
#include <stdint.h>

#include "formats/input.h"
#include "formats/prediction.h"
#include "formats/sample.h"
#include "libcore/data/classes.h"
#include "libcore/select/keyset.h"

struct nst_held_file {
	struct nst_image *image;
	struct nst_samples *samples;
	struct nst_prediction prediction; /* kind shard: only rows, classes, names and label are set */
	uint64_t base;                    /* number of its first row */
};

/* Caller's memory; released by nst_held_release, which NULL-filled memory survives. */
struct nst_held {
	struct nst_in *in;
	struct nst_store *store;
	struct nst_held_file *file;
	size_t files;
	uint64_t rows;
	struct nst_classes classes;  /* of the first file */
	uint64_t *hash;              /* (rows) of the keys */
	size_t room;                 /* of hash */
	struct nst_keyset keys;
};

/* Open operands (see nst_in_open) of the kinds shard, prediction, selection. */
int nst_held_open(struct nst_held *h, const char *const *paths, size_t n, unsigned kinds,
		  struct nst_err *err) NST_MUST_CHECK;

/* Read the next image to the end of h->file.  Returns 1, 0 at the end of the input, or a negative
 * code: what nst_in_next says, another class table, a key that was there before. */
int nst_held_next(struct nst_held *h, struct nst_err *err) NST_MUST_CHECK;

/* The file of a row, and through *i its number there. */
const struct nst_held_file *nst_held_find(const struct nst_held *h, uint64_t row, uint64_t *i);

/* The row of h with the image of row i of file f, which is among other held files: its file *match
 * and its number *j there.  hash is that of the key.  Fails with a sentence that names the row when
 * h lacks the key, or has another image under it. */
int nst_held_match(const struct nst_held *h, const struct nst_held_file *f, uint64_t i,
		   uint64_t hash, const struct nst_held_file **match, uint64_t *j,
		   struct nst_err *err) NST_MUST_CHECK;

/* 1 when other files can refer to the images of a file: they lie in a file, not in a pipe. */
int nst_held_referable(const struct nst_held_file *f);

void nst_held_release(struct nst_held *h);

#endif
