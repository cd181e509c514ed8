/* Walking a directory tree in a reproducible order. */
#ifndef NST_IO_TREE_H
#define NST_IO_TREE_H

#include "libcore/io/list.h"
#include "libcore/util/err.h"

/* Append the regular files below root to l, as paths relative to root, sorted by bytes.  Symbolic
 * links to files and directories are followed, a directory that contains itself is an error;
 * names that begin with '.' and files that are not regular are skipped.  Returns 0 or NST_EIO,
 * NST_EFORMAT (a loop), NST_ENOMEM. */
int nst_tree_walk(struct nst_list *l, const char *root, struct nst_err *err) NST_MUST_CHECK;

#endif
