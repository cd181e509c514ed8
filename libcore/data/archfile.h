/* Architectures of the user's own: a text file with a spec as nn/arch.h describes it, the form that
 * model files hold. */
#ifndef NST_DATA_ARCHFILE_H
#define NST_DATA_ARCHFILE_H

#include "libcore/nn/arch.h"

/* Read the spec in a file.  The architecture is called what the file is, without directory and
 * suffix: letters, digits and . _ + -.  Returns 0, or a code with a sentence that names the file:
 * NST_EIO, NST_EFORMAT (not a spec), NST_ELIMIT (more than NST_ARCH_TEXT bytes, too long a name),
 * NST_EINVAL (no such name), NST_ENOMEM. */
int nst_arch_load(const char *path, struct nst_arch *out, struct nst_err *err) NST_MUST_CHECK;

#endif
