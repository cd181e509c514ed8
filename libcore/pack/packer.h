/* Packing: read, check and convert what a manifest lists, and write it as shards. */
#ifndef NST_PACK_PACKER_H
#define NST_PACK_PACKER_H

#include <stdint.h>

#include "libcore/pack/convert.h"
#include "libcore/pack/manifest.h"
#include "libcore/pack/shards.h"
#include "libcore/par/pool.h"
#include "libcore/util/err.h"

struct nst_pack_options {
	struct nst_shards_options out; /* of what was taken; the class table is filled in */
	const char *rest;              /* like out.path, for the rest; NULL: it is not even read */
	int hide_rest;                 /* write the rest without its labels */
	struct nst_convert_options convert;
	const char *rejects;           /* file for the list of broken files, or NULL; then every file
	                                * is read, even when too many are broken, to list them all */
	int64_t max_bad;               /* broken files to leave out before giving up, or ... */
	double max_bad_percent;        /* ... when >= 0: of the files, rounded down */
	void (*at)(void *ctx, uint64_t files); /* progress: files done; may be NULL */
	void (*misnamed)(void *ctx, const char *path, const char *type); /* a note; may be NULL */
	void *ctx;
};

struct nst_pack_report {
	uint64_t taken, rest;      /* rows written to either output */
	uint64_t bad;              /* broken files left out */
	uint64_t jpeg, other;      /* rows by origin: kept JPEG bytes, decoded formats */
	uint64_t gray, cmyk;       /* JPEGs of one and of four components */
	uint64_t turned, reduced;  /* with an EXIF orientation, made smaller */
	uint64_t misnamed;         /* the extension names another format than the content */
	int stale;                 /* shards of a longer series from an earlier run follow ours */
};

/* Pack the entries of a manifest, in its order; the result does not depend on the pool.  *report is
 * filled.  Fails at the first broken file beyond max_bad; then, and after any other failure, no
 * output is left but the list of rejects. */
int nst_packer_run(const struct nst_manifest *m, const struct nst_pack_options *opt,
		   struct nst_pool *pool, struct nst_pack_report *report, struct nst_err *err)
	NST_MUST_CHECK;

#endif
