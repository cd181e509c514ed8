/* Rows to be inferred, evaluated or trained on, wherever they are stored: shards, predictions,
 * selections and mixes, from files and pipes, as one flat table in input order.
 *
 * Class tables are brought together by name.  The reference is the table the caller gives (a
 * model's), else the largest one of the inputs (of equal ones the first); a row whose class the
 * reference does not have is an error that names both.  A row costs no memory of its own: images
 * stay mapped, spooled or read, and nst_dataset_get looks the row up. */
#ifndef NST_DATA_DATASET_H
#define NST_DATA_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "formats/input.h"
#include "formats/sample.h"
#include "libcore/nn/loss.h"
#include "libcore/util/err.h"
#include "libcore/util/role.h"

struct nst_dataset;

struct nst_datum {
	struct nst_sample sample; /* data not yet verified, see nst_dataset_sample */
	int32_t label;            /* in terms of the reference; -1 = unlabeled */
	enum nst_role role;       /* of a mix; elsewhere labeled, but see use_unlabeled */
	float weight;             /* of a mix; 1 elsewhere */
	uint32_t copy;            /* number among equal keys: of a mix; 0 elsewhere */
	uint64_t hash;            /* keys randomness: hash of the key, copies kept apart */
};

/* New empty table.  class_name (classes of them) is the reference and is copied; 0 classes: none is
 * given.  `who` names the reference in messages ("'m.h5'"); may be NULL without one. */
int nst_dataset_new(struct nst_dataset **ds, const char *const *class_name, size_t classes,
		    const char *who, struct nst_err *err) NST_MUST_CHECK;
void nst_dataset_free(struct nst_dataset *ds);

/* All in one: new, read, seal; *ds is NULL after a failure. */
int nst_dataset_open(struct nst_dataset **ds, const char *const *paths, size_t npaths,
		     unsigned kinds, const char *const *class_name, size_t classes,
		     const char *who, struct nst_err *err) NST_MUST_CHECK;

/* Append the rows of an image (shard, prediction, selection, mix).  The image is taken over, also
 * on failure, and freed with the table. */
int nst_dataset_add(struct nst_dataset *ds, struct nst_image *im, struct nst_err *err)
	NST_MUST_CHECK;

/* Append all images of a list of operands (as nst_in_open; kinds is a set of NST_KIND_BIT).  Pipes
 * are spooled. */
int nst_dataset_read(struct nst_dataset *ds, const char *const *paths, size_t npaths,
		     unsigned kinds, struct nst_err *err) NST_MUST_CHECK;

/* Settle the reference and check that every label has a class in it.  Call once, after the last
 * image and before what follows.  A table without any row is an error. */
int nst_dataset_seal(struct nst_dataset *ds, struct nst_err *err) NST_MUST_CHECK;

/* Rows, and the reference (owned by the table). */
uint64_t nst_dataset_rows(const struct nst_dataset *ds);
size_t nst_dataset_classes(const struct nst_dataset *ds);
const char *const *nst_dataset_class_names(const struct nst_dataset *ds);

/* Images in input order. */
size_t nst_dataset_images(const struct nst_dataset *ds);
const struct nst_image *nst_dataset_image(const struct nst_dataset *ds, size_t i);

/* Take unlabeled rows for pseudo-labeled ones, whose targets the caller knows. */
void nst_dataset_use_unlabeled(struct nst_dataset *ds);

/* Pseudo rows for each labeled row that the mixes ask for; 0 without a mix. */
double nst_dataset_ratio(const struct nst_dataset *ds);

/* Everything about row i < rows except its verified bytes.  Any thread. */
void nst_dataset_get(const struct nst_dataset *ds, uint64_t i, struct nst_datum *out);

/* The sample of row i with its bytes verified; they may have been read into *buf, which is the
 * caller's.  Any thread. */
int nst_dataset_sample(const struct nst_dataset *ds, uint64_t i, struct nst_buf *buf,
		       struct nst_sample *out, struct nst_err *err) NST_MUST_CHECK;

/* What training wants of row i: a class, or soft probabilities expanded into soft[classes], which
 * must live as long as the target.  Any thread. */
void nst_dataset_target(const struct nst_dataset *ds, uint64_t i, float *soft,
			struct nst_target *target);

/* Name row i in messages: "'cat/1.jpg' in 'a.h5'". */
void nst_dataset_name(const struct nst_dataset *ds, uint64_t i, char *out, size_t size);

#endif
