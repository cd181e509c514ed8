/* Relabeling: the rows and copies of selections with the targets of other predictions, without
 * filtering again (the published repository's --reassign_label). */
#ifndef NST_DATA_REASSIGN_H
#define NST_DATA_REASSIGN_H

#include "libcore/data/held.h"
#include "libcore/data/predbuf.h"

/* Zero-initialise; release with nst_reassign_release. */
struct nst_reassign {
	struct nst_held kept;    /* selections: rows and copies */
	struct nst_held in;      /* predictions: classes, confidences, targets */
	const char *other_model; /* file predicted by another model than the first one, or NULL */
	uint64_t rows, copies;   /* built so far, different rows and with copies */
	uint64_t changed;        /* of these rows, those that get another class */
	struct nst_predbuf made;
	enum nst_carry carry;
};

/* Read both sides, which must have one class table. */
int nst_reassign_read(struct nst_reassign *r, const char *const *kept, size_t nkept,
		      const char *const *paths, size_t n, struct nst_err *err) NST_MUST_CHECK;

/* Write the relabeled selections: one, or into a stream one for each.  A row without a
 * prediction, or with one of another image, is an error that names it.  Predictions of other rows
 * do not matter. */
int nst_reassign_write(struct nst_reassign *r, int stream, struct nst_out *out,
		       struct nst_err *err) NST_MUST_CHECK;

void nst_reassign_release(struct nst_reassign *r);

#endif
