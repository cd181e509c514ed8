/* Architectures from files that users write. */
#ifndef NST_DATA_ARCHFILE_H
#define NST_DATA_ARCHFILE_H

#include "libcore/nn/arch.h"

/* Read the spec in a file ("-": standard input), in the form of nst_arch_print.  The architecture
 * is named after the file, without directories and what follows the last dot.  Errors name the
 * file. */
int nst_arch_load(const char *path, struct nst_arch *out, struct nst_err *err) NST_MUST_CHECK;

#endif
