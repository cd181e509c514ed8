/* The two forms of a table. */
#include "libcore/cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/cli/json.h"

/* ---- for people --------------------------------------------------------------------------- */

enum { CELL = 72, TITLE = 32 };

static const char *format(const struct nst_value *v, char out[CELL])
{
	switch (v->kind) {
	case NST_VALUE_NONE:
		return "-";
	case NST_VALUE_TEXT:
		return v->text;
	case NST_VALUE_NUMBER:
		snprintf(out, CELL, "%llu", (unsigned long long)v->number);
		break;
	case NST_VALUE_BYTES:
		snprintf(out, CELL, "%.0f MiB", (double)v->number / (1 << 20));
		break;
	}
	return out;
}

/* Text stands to the left, under a title that does so too: as the first row has it. */
static int is_left(const struct nst_table *t, size_t column)
{
	return t->rows && t->cell[column].kind == NST_VALUE_TEXT;
}

static size_t width_of(const struct nst_table *t, size_t column)
{
	size_t width = strlen(t->column[column].title);

	for (size_t i = 0; i < t->rows; i++) {
		char out[CELL];
		size_t n = strlen(format(&t->cell[i * t->columns + column], out));

		width = n > width ? n : width;
	}
	return width;
}

/* No blanks at the end of a line. */
static int put_cell(const struct nst_table *t, size_t column, size_t width, const char *text,
		    struct nst_buf *b, struct nst_err *err)
{
	int last = column + 1 == t->columns, w = (int)width;

	if (is_left(t, column))
		w = last ? 0 : -w;
	return nst_buf_printf(b, err, "%*s%s", w, text, last ? "\n" : "  ");
}

int nst_table_text(const struct nst_table *t, struct nst_buf *b, struct nst_err *err)
{
	size_t *width = nst_alloc(t->columns, sizeof(*width), err);
	int r = width ? 0 : err->code;
	char out[CELL];

	for (size_t c = 0; r == 0 && c < t->columns; c++) {
		width[c] = width_of(t, c);
		r = put_cell(t, c, width[c], t->column[c].title, b, err);
	}
	for (size_t i = 0; r == 0 && i < t->rows * t->columns; i++) {
		size_t c = i % t->columns;

		r = put_cell(t, c, width[c], format(&t->cell[i], out), b, err);
	}
	if (r == 0 && t->facts)
		r = nst_buf_printf(b, err, "\n");
	for (size_t i = 0; r == 0 && i < t->facts; i++)
		r = nst_buf_printf(b, err, "%-*s%s\n", TITLE, t->fact[i].label.title,
				   format(&t->fact[i].value, out));
	free(width);
	return r;
}

/* ---- for programs ------------------------------------------------------------------------- */

static void set(struct nst_json *o, const char *name, const struct nst_value *v)
{
	if (v->kind == NST_VALUE_NUMBER || v->kind == NST_VALUE_BYTES)
		nst_json_set_int(o, name, (int64_t)v->number);
	else
		nst_json_set_string(o, name, v->kind == NST_VALUE_TEXT ? v->text : NULL);
}

int nst_table_json(const struct nst_table *t, struct nst_buf *b, struct nst_err *err)
{
	struct nst_json *o = nst_json_object(), *list = nst_json_array();
	int r;

	for (size_t i = 0; i < t->facts; i++)
		set(o, t->fact[i].label.name, &t->fact[i].value);
	for (size_t i = 0; i < t->rows; i++) {
		struct nst_json *row = nst_json_object();

		for (size_t c = 0; c < t->columns; c++)
			set(row, t->column[c].name, &t->cell[i * t->columns + c]);
		nst_json_add(list, row);
	}
	nst_json_set(o, t->name, list);
	r = nst_json_append(o, b, err);
	nst_json_free(o);
	return r;
}

int nst_table_print(const struct nst_table *t, int json, struct nst_err *err)
{
	struct nst_buf b = {0};
	int r = (json ? nst_table_json : nst_table_text)(t, &b, err);

	if (r == 0)
		fwrite(b.data, 1, b.len, stdout);
	nst_buf_release(&b);
	return r;
}
