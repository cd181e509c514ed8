/* What a report says: a table, and facts beside it.  Rooms that know them fill it in; libcore/cli/
 * table.h shows it, to people as text and to programs as JSON. */
#ifndef NST_UTIL_TABLE_H
#define NST_UTIL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "libcore/util/err.h"

enum nst_value_kind { NST_VALUE_NONE, NST_VALUE_TEXT, NST_VALUE_NUMBER, NST_VALUE_BYTES };

struct nst_value {
	enum nst_value_kind kind;
	char text[64];   /* TEXT; cut off where it is longer */
	uint64_t number; /* NUMBER and BYTES, at most INT64_MAX */
};

struct nst_value nst_value_text(const char *text);
struct nst_value nst_value_number(uint64_t n);
struct nst_value nst_value_bytes(uint64_t n);

/* Names are for programs, titles for people; both are borrowed. */
struct nst_label {
	const char *name, *title;
};

struct nst_fact {
	struct nst_label label;
	struct nst_value value;
};

enum { NST_TABLE_FACTS = 16 };

/* Fill in what the rows are called and the columns; the rest starts as 0. */
struct nst_table {
	const char *name; /* of the rows, as a whole */
	const struct nst_label *column;
	size_t columns;
	struct nst_value *cell; /* (rows, columns), owned */
	size_t rows, cap;
	struct nst_fact fact[NST_TABLE_FACTS];
	size_t facts;
};

/* Append a row of t->columns cells that hold nothing yet, good until the next row.  NULL on lack of
 * memory. */
struct nst_value *nst_table_row(struct nst_table *t, struct nst_err *err) NST_MUST_CHECK;

/* Append a fact; there is room for NST_TABLE_FACTS. */
void nst_table_fact(struct nst_table *t, const char *name, const char *title,
		    struct nst_value value);

void nst_table_release(struct nst_table *t);

#endif
