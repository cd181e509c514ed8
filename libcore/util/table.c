/* A growing array of cells and a few facts. */
#include "libcore/util/table.h"

#include <stdlib.h>
#include <string.h>

#include "libcore/util/mem.h"

struct nst_value nst_value_text(const char *text)
{
	struct nst_value v = {.kind = NST_VALUE_TEXT};
	size_t n = strlen(text);

	memcpy(v.text, text, n < sizeof(v.text) ? n : sizeof(v.text) - 1);
	return v;
}

struct nst_value nst_value_number(uint64_t n)
{
	return (struct nst_value){.kind = NST_VALUE_NUMBER, .number = n};
}

struct nst_value nst_value_bytes(uint64_t n)
{
	return (struct nst_value){.kind = NST_VALUE_BYTES, .number = n};
}

struct nst_value *nst_table_row(struct nst_table *t, struct nst_err *err)
{
	struct nst_value *row;

	if (t->rows == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64, bytes;

		if (nst_mul_size(cap, t->columns * sizeof(*row), &bytes))
			bytes = SIZE_MAX;
		row = realloc(t->cell, bytes);
		if (!row) {
			nst_fail_mem(err, bytes);
			return NULL;
		}
		t->cell = row;
		t->cap = cap;
	}
	row = t->cell + t->rows++ * t->columns;
	memset(row, 0, t->columns * sizeof(*row));
	return row;
}

void nst_table_fact(struct nst_table *t, const char *name, const char *title,
		    struct nst_value value)
{
	if (t->facts < NST_TABLE_FACTS)
		t->fact[t->facts++] = (struct nst_fact){{name, title}, value};
}

void nst_table_release(struct nst_table *t)
{
	free(t->cell);
	t->cell = NULL;
	t->rows = t->cap = t->facts = 0;
}
