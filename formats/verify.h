/* Whole-file verification: everything the format promises, checked on every byte. */
#ifndef NST_FORMATS_VERIFY_H
#define NST_FORMATS_VERIFY_H

#include <stdint.h>

#include "formats/input.h"
#include "formats/sample.h"
#include "libcore/util/err.h"

struct nst_verify_result {
	uint64_t images;  /* file images read */
	uint64_t streams; /* ... in that many complete streams */
	uint64_t rows;
	uint64_t samples; /* embedded samples whose checksum was verified */
};

/* What there is to check in a sample for who can read its bytes. */
struct nst_verify_more {
	int (*sample)(void *ctx, const struct nst_sample *s, struct nst_err *err); /* 0 or a code */
	void *ctx;
};

/* Verify the file at path, or standard input for "-": framing, schema, every column's and sample's
 * checksum, the typed rules of its kind, stream totals; also `more` of each sample, unless it is
 * NULL.  References are not followed.  Returns 0 with *out filled, or a negative code at the first
 * fault. */
int nst_verify(const char *path, const struct nst_verify_more *more, struct nst_verify_result *out,
	       struct nst_err *err) NST_MUST_CHECK;

#endif
