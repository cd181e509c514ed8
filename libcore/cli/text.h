/* What the texts made from an option table share: inside this room only. */
#ifndef NST_CLI_TEXT_H
#define NST_CLI_TEXT_H

#include "libcore/cli/opt.h"

/* The value its target holds now, as one would type it; "" when it is not set. */
void nst_opt_default(const struct nst_opt *o, char *out, size_t size);

/* The words of an ENUM row, joined. */
void nst_opt_join(const struct nst_opt *o, const char *between, char *out, size_t size);

#endif
