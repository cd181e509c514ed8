/* Tables and facts (libcore/util/table.h) on standard output. */
#ifndef NST_CLI_TABLE_H
#define NST_CLI_TABLE_H

#include "libcore/util/mem.h"
#include "libcore/util/table.h"

/* Append the table as text: a line of titles, a line each row with text to the left and numbers to
 * the right, an empty line, a line each fact with bytes in MiB.  Returns 0 or NST_ENOMEM. */
int nst_table_text(const struct nst_table *t, struct nst_buf *b, struct nst_err *err)
	NST_MUST_CHECK;

/* Append it as a JSON object: the facts by name, and under the name of the table a list with an
 * object each row.  What holds nothing is null, bytes are numbers.  Returns 0 or NST_ENOMEM. */
int nst_table_json(const struct nst_table *t, struct nst_buf *b, struct nst_err *err)
	NST_MUST_CHECK;

/* Write one of them to standard output; nst_finish_stdout (msg.h) tells whether it got there. */
int nst_table_print(const struct nst_table *t, int json, struct nst_err *err) NST_MUST_CHECK;

#endif
