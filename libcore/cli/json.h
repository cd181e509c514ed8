/* JSON for --json: values are built, then written once.
 *
 * Building never reports failures; a lack of memory is remembered and reported when the value is
 * written.  Keys keep their order.  Numbers are written with the fewest digits that read back to
 * the same double, NaN and infinities as null, bytes that are not UTF-8 as U+FFFD. */
#ifndef NST_CLI_JSON_H
#define NST_CLI_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "libcore/util/mem.h"

struct nst_json;

/* New empty value, to be freed by nst_json_free or handed to a parent.  NULL on lack of memory,
 * which all functions accept. */
struct nst_json *nst_json_object(void);
struct nst_json *nst_json_array(void);
void nst_json_free(struct nst_json *v);

/* Set a key of an object; a child is taken over, even on failure. */
void nst_json_set(struct nst_json *object, const char *key, struct nst_json *child);
void nst_json_set_string(struct nst_json *object, const char *key, const char *s); /* NULL: null */
void nst_json_set_double(struct nst_json *object, const char *key, double d);
void nst_json_set_int(struct nst_json *object, const char *key, int64_t i);
void nst_json_set_bool(struct nst_json *object, const char *key, int b);

/* Append to an array. */
void nst_json_add(struct nst_json *array, struct nst_json *child);
void nst_json_add_string(struct nst_json *array, const char *s);
void nst_json_add_double(struct nst_json *array, double d);
void nst_json_add_int(struct nst_json *array, int64_t i);

/* Write v as indented text with a newline at its end; an array of plain values stays on one line.
 * Returns 0, NST_ENOMEM, or NST_EIO when f reports an error. */
int nst_json_write(const struct nst_json *v, FILE *f, struct nst_err *err) NST_MUST_CHECK;
/* The same on one line, for lists with an object a line. */
int nst_json_write_line(const struct nst_json *v, FILE *f, struct nst_err *err) NST_MUST_CHECK;
int nst_json_append(const struct nst_json *v, struct nst_buf *b, struct nst_err *err)
	NST_MUST_CHECK;

/* "jansson 2.14", for --version. */
const char *nst_json_library(void);

#endif
