/* Published settings of Noisy Student under one name: each is a list of nst-train's own options.
 *
 * noisy-student-b0 ... b7, l2: Xie et al. 2020 (arXiv 1911.04252), section 3.1, and what
 * google-research/noisystudent's scripts set for each student; svhn: its SVHN run. */
#ifndef NST_DATA_PRESET_H
#define NST_DATA_PRESET_H

#include <stddef.h>

#include "libcore/io/list.h"
#include "libcore/util/err.h"

/* The options of a name: words such as "--epochs=350", ended by NULL, never freed.  Returns 0, or
 * NST_EINVAL with a sentence. */
int nst_preset_find(const char *name, const char *const **options, struct nst_err *err)
	NST_MUST_CHECK;

/* Append a line "NAME OPTION ..." for this name, or one for each (NULL). */
int nst_preset_lines(const char *name, struct nst_list *lines, struct nst_err *err) NST_MUST_CHECK;

#endif
