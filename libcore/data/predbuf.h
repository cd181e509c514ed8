/* Predictions or selections being collected row by row, for nst-infer and nst-filter. */
#ifndef NST_DATA_PREDBUF_H
#define NST_DATA_PREDBUF_H

#include <stdint.h>

#include "formats/prediction.h"
#include "libcore/data/classes.h"
#include "libcore/data/dataset.h"
#include "libcore/data/softbuf.h"
#include "libcore/util/mem.h"

/* Zero-initialise, set rows before the first add; release with nst_predbuf_release. */
struct nst_predbuf {
	struct nst_rows *rows;      /* owned */
	struct nst_softbuf soft;    /* the caller adds to it itself, one target a row */
	struct nst_buf argmax, confidence, copies; /* int32_t, float, uint32_t */
};

/* Append a row; its image, if embedded, is borrowed until the put. */
int nst_predbuf_add(struct nst_predbuf *b, const struct nst_sample *s, int32_t argmax,
		    float confidence, uint32_t copies, struct nst_err *err) NST_MUST_CHECK;

/* Append n rows of a table, from `first` on, that nst_predbuf_set is to label. */
int nst_predbuf_extend(struct nst_predbuf *b, const struct nst_dataset *ds, uint64_t first, size_t n,
		       struct nst_err *err) NST_MUST_CHECK;

/* Row i as a model sees it, p (classes), which is not what it was then.  Several threads may label
 * different rows at once. */
void nst_predbuf_set(struct nst_predbuf *b, size_t i, float *p, size_t classes);

/* Build a prediction, or a selection, of the rows. */
int nst_predbuf_build(struct nst_predbuf *b, enum nst_kind kind, const struct nst_classes *classes,
		      const char *model, double temperature, struct nst_build **build,
		      struct nst_err *err) NST_MUST_CHECK;

/* Drop the rows, keep form and memory. */
void nst_predbuf_clear(struct nst_predbuf *b);
void nst_predbuf_release(struct nst_predbuf *b);

#endif
