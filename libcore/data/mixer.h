/* Mixing: labeled rows and pseudo-labeled rows become the training rows of a student. */
#ifndef NST_DATA_MIXER_H
#define NST_DATA_MIXER_H

#include "formats/mix.h"
#include "libcore/data/held.h"
#include "libcore/data/softbuf.h"

/* One training row. */
struct nst_mix_entry {
	uint64_t row;   /* number among the labeled or the pseudo rows; the top bit says which */
	uint32_t copy;
};

struct nst_mixer_options {
	int hard;             /* one-hot targets even where there are soft ones */
	double temperature;   /* of soft targets: p^(1/T)/sum; 1 leaves them as they are */
	double ratio;         /* recorded for nst-train */
	double weight;        /* of pseudo rows; labeled rows weigh 1 */
	enum nst_carry carry;
	const char *dir;      /* where references start */
};

/* Zero-initialise; release with nst_mixer_release. */
struct nst_mixer {
	struct nst_held labeled, pseudo;
	struct nst_classes classes;
	uint64_t overlap;            /* keys that are both labeled and pseudo-labeled */
	int referable;               /* no image came through a pipe */
	struct nst_mix_entry *entry; /* rows in output order, copies written out */
	uint64_t entries;
	struct nst_rows *rows;       /* the image under construction */
	struct nst_softbuf soft;
	struct nst_buf role, copy, weight; /* uint8_t, uint32_t, float */
};

/* Read labeled shards (none is allowed) and selections or predictions.  Errors: class tables that
 * differ, unlabeled rows among the labeled ones, a key that occurs twice on one side. */
int nst_mixer_read(struct nst_mixer *m, const char *const *labeled, size_t nlabeled,
		   const char *const *pseudo, size_t npseudo, struct nst_err *err) NST_MUST_CHECK;

/* Settle the rows: labeled ones, then pseudo ones with their copies, in input order; of each side at
 * most `take` different rows, chosen by (seed, key), and all of them shuffled by seed if asked. */
int nst_mixer_arrange(struct nst_mixer *m, uint64_t take_labeled, uint64_t take_pseudo, int shuffle,
		      uint64_t seed, struct nst_err *err) NST_MUST_CHECK;

/* Build the mix of entries *from onward: of all, or with limit > 0 until their images have that many
 * bytes.  *from moves on.  It borrows from m until the next build.  The caller puts
 * and frees *b. */
int nst_mixer_build(struct nst_mixer *m, const struct nst_mixer_options *o, uint64_t limit,
		    uint64_t *from, struct nst_build **b, struct nst_err *err) NST_MUST_CHECK;

void nst_mixer_release(struct nst_mixer *m);

#endif
