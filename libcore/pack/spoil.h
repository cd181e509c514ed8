/* Corrupted copies of the images of shards. */
#ifndef NST_PACK_SPOIL_H
#define NST_PACK_SPOIL_H

#include <stdint.h>

#include "formats/input.h"
#include "libcore/augment/corrupt.h"
#include "libcore/pack/shards.h"
#include "libcore/par/pool.h"
#include "libcore/util/err.h"

enum nst_spoil_codec {
	NST_SPOIL_AUTO, /* raw up to 64 pixels a side, else JPEG */
	NST_SPOIL_RAW,
	NST_SPOIL_JPEG  /* quality 85, 4:2:0, as the published sets of large images are stored */
};
enum nst_spoil_constants { NST_SPOIL_BY_SIZE, NST_SPOIL_CIFAR, NST_SPOIL_IMAGENET };

struct nst_spoil_options {
	unsigned types;      /* set of 1 << enum nst_corruption */
	unsigned severities; /* set of 1 << (1...5) */
	enum nst_spoil_codec codec;
	enum nst_spoil_constants constants;
	uint64_t seed;
	void (*at)(void *ctx, uint64_t rows); /* progress: rows written; may be NULL */
	void *ctx;
};

/* Copies of each sample. */
static inline unsigned nst_spoil_copies(const struct nst_spoil_options *opt)
{
	return (unsigned)(__builtin_popcount(opt->types) * __builtin_popcount(opt->severities));
}

struct nst_spoiler;

/* opt and pool must outlive *out. */
int nst_spoiler_new(struct nst_spoiler **out, const struct nst_spoil_options *opt,
		    struct nst_pool *pool, struct nst_err *err) NST_MUST_CHECK;
void nst_spoiler_free(struct nst_spoiler *s);

/* Append a copy of every sample of a shard for every type (slowest) and severity (then rows).  With
 * more than one copy of a sample, keys get "/type/severity" behind them.  Pictures are upright RGB
 * afterwards.  Noise is drawn by (seed, type, severity, key). */
int nst_spoiler_run(struct nst_spoiler *s, struct nst_image *im, struct nst_shards *out,
		    struct nst_err *err) NST_MUST_CHECK;

#endif
