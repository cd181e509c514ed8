/* Soft targets being collected row by row from several files into one column of one form. */
#ifndef NST_DATA_SOFTBUF_H
#define NST_DATA_SOFTBUF_H

#include <stddef.h>
#include <stdint.h>

#include "formats/prediction.h"
#include "libcore/util/mem.h"

/* Zero-initialise; release with nst_softbuf_release. */
struct nst_softbuf {
	int started;
	uint64_t classes, k;          /* k = classes for full rows, 0 for hard ones */
	int topk;
	enum nst_type type;
	struct nst_buf probability;   /* of that type */
	struct nst_buf topk_class;
	float *scratch;               /* (k) */
};

/* Take the form of `soft`, or check that it is the one taken before: both files hard, both full, or
 * both top-k with one k, of one type of numbers.  `file` and `first` name them in messages. */
int nst_softbuf_like(struct nst_softbuf *b, const struct nst_soft *soft, const char *file,
		     const char *first, struct nst_err *err) NST_MUST_CHECK;

/* Start a buffer for rows that come from nst_softbuf_extend. */
int nst_softbuf_start(struct nst_softbuf *b, uint64_t classes, uint64_t k, int topk,
		      enum nst_type type, struct nst_err *err) NST_MUST_CHECK;

/* Append row i of soft targets of that form, n times, tempered if temperature != 1 (see
 * libcore/select/target.h).  Nothing happens for hard ones. */
int nst_softbuf_add(struct nst_softbuf *b, const struct nst_soft *soft, uint64_t i, size_t n,
		    double temperature, struct nst_err *err) NST_MUST_CHECK;

/* Append so many rows that nst_softbuf_set is to set. */
int nst_softbuf_extend(struct nst_softbuf *b, size_t rows, struct nst_err *err) NST_MUST_CHECK;

/* Set row i to the distribution p (classes), cut to its top k and rounded to the type; p is not what it
 * was then.  Several threads may set different rows at once. */
void nst_softbuf_set(struct nst_softbuf *b, size_t i, float *p);

/* What was collected, as `rows` targets; borrowed until the next add or clear. */
struct nst_soft nst_softbuf_view(const struct nst_softbuf *b, uint64_t rows);

/* Drop the rows, keep form and memory. */
void nst_softbuf_clear(struct nst_softbuf *b);
void nst_softbuf_release(struct nst_softbuf *b);

#endif
