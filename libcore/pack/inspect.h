/* Verification of files, the insides of pictures included. */
#ifndef NST_PACK_INSPECT_H
#define NST_PACK_INSPECT_H

#include "formats/verify.h"
#include "libcore/util/err.h"

/* nst_verify, and the entry points of JPEGs, which the format itself cannot tell right from wrong. */
int nst_inspect(const char *path, struct nst_verify_result *out, struct nst_err *err) NST_MUST_CHECK;

#endif
