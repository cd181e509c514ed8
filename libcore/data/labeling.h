/* From shards to predictions: what nst-infer does between its input and its output. */
#ifndef NST_DATA_LABELING_H
#define NST_DATA_LABELING_H

#include "libcore/data/labeler.h"
#include "libcore/data/predbuf.h"

enum { NST_LABELING_SOFT = -1, NST_LABELING_HARD = 0 };
enum { NST_CARRY_AUTO = -1 };

/* Caller's memory: set the first part, zero the rest; release with nst_labeling_release. */
struct nst_labeling {
	struct nst_labeler *labeler;
	struct nst_out *out;
	int stream;                  /* an image of output for each of input, or one for all */
	int64_t k;                   /* NST_LABELING_SOFT, NST_LABELING_HARD or the top k */
	enum nst_type type;          /* NST_F16 or NST_F32, of probabilities */
	int carry;                   /* enum nst_carry, or as the first input image asks for */
	const struct nst_dataset *calibrated; /* rows the temperature was fitted to, or NULL; they
					       * are parents of the output */
	struct nst_profile *profile; /* or NULL */

	uint64_t done;
	double confidence_sum;
	struct nst_predbuf made;     /* the image under construction, and ... */
	struct nst_dataset **input;  /* ... what it borrows from; */
	size_t inputs;
	int open;                    /* the last of them takes more images before it is labeled */
};

/* Label every image of an input of shards, and put the predictions. */
int nst_label_shards(struct nst_labeling *l, struct nst_in *in, struct nst_err *err) NST_MUST_CHECK;

void nst_labeling_release(struct nst_labeling *l);

#endif
