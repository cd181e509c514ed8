/* From stored rows to the floats a net reads: decode, crop and resize or augment, normalise.
 *
 * Every worker has its own decoder and buffers.  Where the small images of a table fit a budget
 * they are kept decoded, 8 bits a channel, so that they are decoded once and not once an epoch.
 * Small is what no training view would decode at a reduced size (both sides below twice the
 * net's), so keeping them changes nothing but the time. */
#ifndef NST_DATA_LOADER_H
#define NST_DATA_LOADER_H

#include "libcore/augment/augment.h"
#include "libcore/data/dataset.h"
#include "libcore/image/preprocess.h"
#include "libcore/nn/profile.h"

struct nst_loader;

struct nst_loader_options {
	struct nst_preprocess preprocess; /* of evaluation; of training its mean and std */
	int train;                        /* 1: rows are augmented, 0: evaluation */
	struct nst_augment augment;       /* training: its size is that of preprocess */
	enum nst_pseudo_noise pseudo;     /* training: what pseudo-labeled rows get of it */
	uint64_t seed;                    /* of the augmentation */
	uint64_t cache;                   /* training: bytes for decoded images */
	unsigned workers;                 /* threads that may load at a time */
	struct nst_profile *profile;      /* of as many workers, or NULL */
};

/* A loader of the rows of a sealed table, which must outlive it. */
int nst_loader_new(struct nst_loader **l, const struct nst_dataset *ds,
		   const struct nst_loader_options *o, struct nst_err *err) NST_MUST_CHECK;
void nst_loader_free(struct nst_loader *l);

/* Row i as (size,size,3) normalised floats, by the evaluation path.  Different workers at once.
 * Errors name the sample and its file. */
int nst_load_eval(struct nst_loader *l, uint64_t i, unsigned worker, float *dst,
		  struct nst_err *err) NST_MUST_CHECK;

/* The same, augmented with draws keyed by (seed, epoch, sample), as far as the row's role has it;
 * only with `train`. */
int nst_load_train(struct nst_loader *l, uint64_t i, uint32_t epoch, unsigned worker, float *dst,
		   struct nst_err *err) NST_MUST_CHECK;

/* Rows as nst_infer_run wants them: ctx is a struct nst_load_range. */
struct nst_load_range {
	struct nst_loader *loader;
	uint64_t first;      /* row number 0 of the run */
	const uint64_t *row; /* or the rows one by one, NULL: consecutive ones from first on */
};
int nst_load_range(void *range, size_t row, unsigned worker, float *dst, struct nst_err *err)
	NST_MUST_CHECK;

/* The row of the table that is number i of the run. */
uint64_t nst_load_row(const struct nst_load_range *range, size_t i);

/* The same, augmented as in epoch 0. */
int nst_load_train_range(void *range, size_t row, unsigned worker, float *dst, struct nst_err *err)
	NST_MUST_CHECK;

#endif
