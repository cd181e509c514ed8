/* Lists of strings: file names from a directory walk or from a list file. */
#ifndef NST_IO_LIST_H
#define NST_IO_LIST_H

#include <stddef.h>

#include "libcore/util/err.h"

/* Growing list; strings are owned.  Zero-initialise, release with nst_list_release. */
struct nst_list {
	char **item;
	size_t count, cap;
};

int nst_list_add(struct nst_list *l, const char *s, struct nst_err *err) NST_MUST_CHECK;
int nst_list_add_n(struct nst_list *l, const char *s, size_t n, struct nst_err *err) NST_MUST_CHECK;

/* Append the entries of a list file ("-": standard input), each ended by the separator ('\n' or
 * '\0'; the last one may lack it).  Empty entries are skipped; with '\n' a '\r' before it is
 * dropped.  A NUL inside a newline list is an error. */
int nst_list_read(struct nst_list *l, const char *path, char separator, struct nst_err *err)
	NST_MUST_CHECK;

/* Sort by bytes. */
void nst_list_sort(struct nst_list *l);
void nst_list_release(struct nst_list *l);

#endif
