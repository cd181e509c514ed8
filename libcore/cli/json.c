/* JSON through jansson: the one file that sees jansson.h.  jansson keeps the values and escapes the
 * strings; the text is laid out here, because its reals come with 17 digits (0.1 would read
 * 0.10000000000000001) and its indentation puts every number of a matrix on a line of its own. */
#include "libcore/cli/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct nst_json {
	json_t *value;
	int lost; /* something could not be stored for lack of memory */
};

static struct nst_json *new_json(json_t *value)
{
	struct nst_json *v = value ? calloc(1, sizeof(*v)) : NULL;

	if (!v) {
		json_decref(value);
		return NULL;
	}
	v->value = value;
	return v;
}

struct nst_json *nst_json_object(void)
{
	return new_json(json_object());
}

struct nst_json *nst_json_array(void)
{
	return new_json(json_array());
}

void nst_json_free(struct nst_json *v)
{
	if (!v)
		return;
	json_decref(v->value);
	free(v);
}

/* ---- scalars ------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at s, or 0 when there is none: no overlong forms, no surrogates,
 * nothing above U+10FFFF (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* A file name is bytes: what is not UTF-8 in it becomes U+FFFD. */
static json_t *new_string(const char *s)
{
	size_t n = strlen(s), used = 0;
	char *clean;
	json_t *v;

	if (n > (SIZE_MAX - 1) / 3)
		return NULL;
	clean = malloc(3 * n + 1);
	if (!clean)
		return NULL;
	while (*s) {
		size_t len = utf8_length((const unsigned char *)s);

		if (len) {
			memcpy(clean + used, s, len);
			used += len;
			s += len;
		} else {
			memcpy(clean + used, "\xef\xbf\xbd", 3);
			used += 3;
			s++;
		}
	}
	v = json_stringn(clean, used);
	free(clean);
	return v;
}

static json_t *new_double(double d)
{
	return isfinite(d) ? json_real(d) : json_null();
}

/* ---- building ----------------------------------------------------------------------------- */

static void put(struct nst_json *object, const char *key, json_t *value)
{
	if (!object)
		json_decref(value);
	else if (json_object_set_new(object->value, key, value))
		object->lost = 1;
}

static void add(struct nst_json *array, json_t *value)
{
	if (!array)
		json_decref(value);
	else if (json_array_append_new(array->value, value))
		array->lost = 1;
}

/* Take the value out of a child; a lost or missing child makes the parent lost. */
static json_t *take(struct nst_json *parent, struct nst_json *child)
{
	json_t *value = child ? json_incref(child->value) : NULL;

	if (parent && (!child || child->lost))
		parent->lost = 1;
	nst_json_free(child);
	return value;
}

void nst_json_set(struct nst_json *object, const char *key, struct nst_json *child)
{
	put(object, key, take(object, child));
}

void nst_json_set_string(struct nst_json *object, const char *key, const char *s)
{
	put(object, key, s ? new_string(s) : json_null());
}

void nst_json_set_double(struct nst_json *object, const char *key, double d)
{
	put(object, key, new_double(d));
}

void nst_json_set_int(struct nst_json *object, const char *key, int64_t i)
{
	put(object, key, json_integer(i));
}

void nst_json_set_bool(struct nst_json *object, const char *key, int b)
{
	put(object, key, json_boolean(b));
}

void nst_json_add(struct nst_json *array, struct nst_json *child)
{
	add(array, take(array, child));
}

void nst_json_add_string(struct nst_json *array, const char *s)
{
	add(array, s ? new_string(s) : json_null());
}

void nst_json_add_double(struct nst_json *array, double d)
{
	add(array, new_double(d));
}

void nst_json_add_int(struct nst_json *array, int64_t i)
{
	add(array, json_integer(i));
}

/* ---- writing ------------------------------------------------------------------------------ */

static int emit(const json_t *v, unsigned depth, struct nst_buf *b, struct nst_err *err);

/* The fewest digits that read back to the same double, with a point or an exponent. */
static int emit_real(double d, struct nst_buf *b, struct nst_err *err)
{
	char text[40];

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	return nst_buf_printf(b, err, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

/* Strings, integers, true, false and null as jansson writes them. */
static int emit_plain(const json_t *v, struct nst_buf *b, struct nst_err *err)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY);
	int r;

	if (!text)
		return nst_fail_mem(err, 64);
	r = nst_buf_printf(b, err, "%s", text);
	free(text);
	return r;
}

static int line_break(unsigned depth, struct nst_buf *b, struct nst_err *err)
{
	return nst_buf_printf(b, err, "\n%*s", (int)(2 * depth), "");
}

static int emit_object(const json_t *v, unsigned depth, struct nst_buf *b, struct nst_err *err)
{
	json_t *object = (json_t *)v, *member; /* iterators are not const in jansson */
	const char *key, *comma = "";
	int r = nst_buf_printf(b, err, "{");

	json_object_foreach(object, key, member) {
		json_t *name = json_string(key);

		if (!r)
			r = nst_buf_printf(b, err, "%s", comma);
		if (!r)
			r = line_break(depth + 1, b, err);
		if (!r)
			r = name ? emit_plain(name, b, err) : nst_fail_mem(err, strlen(key));
		if (!r)
			r = nst_buf_printf(b, err, ": ");
		if (!r)
			r = emit(member, depth + 1, b, err);
		json_decref(name);
		if (r)
			return r;
		comma = ",";
	}
	if (!r && *comma)
		r = line_break(depth, b, err);
	return r ? r : nst_buf_printf(b, err, "}");
}

static int emit_array(const json_t *v, unsigned depth, struct nst_buf *b, struct nst_err *err)
{
	size_t n = json_array_size(v);
	int nested = 0, r = nst_buf_printf(b, err, "[");

	for (size_t i = 0; i < n; i++) {
		const json_t *member = json_array_get(v, i);

		nested |= json_is_object(member) || json_is_array(member);
	}
	for (size_t i = 0; i < n && !r; i++) {
		r = nst_buf_printf(b, err, "%s", !i ? "" : nested ? "," : ", ");
		if (!r && nested)
			r = line_break(depth + 1, b, err);
		if (!r)
			r = emit(json_array_get(v, i), depth + 1, b, err);
	}
	if (!r && nested)
		r = line_break(depth, b, err);
	return r ? r : nst_buf_printf(b, err, "]");
}

static int emit(const json_t *v, unsigned depth, struct nst_buf *b, struct nst_err *err)
{
	if (json_is_object(v))
		return emit_object(v, depth, b, err);
	if (json_is_array(v))
		return emit_array(v, depth, b, err);
	if (json_is_real(v))
		return emit_real(json_real_value(v), b, err);
	return emit_plain(v, b, err);
}

int nst_json_append(const struct nst_json *v, struct nst_buf *b, struct nst_err *err)
{
	int r;

	if (!v || v->lost)
		return nst_fail(err, NST_ENOMEM, "cannot get memory for the JSON text");
	r = emit(v->value, 0, b, err);
	return r ? r : nst_buf_append(b, "\n", 1, err);
}

int nst_json_write(const struct nst_json *v, FILE *f, struct nst_err *err)
{
	struct nst_buf b = {0};
	int r = nst_json_append(v, &b, err);

	if (!r && fwrite(b.data, 1, b.len, f) != b.len)
		r = nst_fail_errno(err, "cannot write the JSON text");
	nst_buf_release(&b);
	return r;
}

/* Strings hold no line breaks once they are encoded: every one in the text is layout. */
int nst_json_write_line(const struct nst_json *v, FILE *f, struct nst_err *err)
{
	struct nst_buf b = {0};
	size_t n = 0;
	int r = nst_json_append(v, &b, err);

	for (size_t i = 0; !r && i < b.len; i++) {
		if (b.data[i] != '\n') {
			b.data[n++] = b.data[i];
			continue;
		}
		if (n > 0 && b.data[n - 1] == ',')
			b.data[n++] = ' ';
		while (i + 1 < b.len && b.data[i + 1] == ' ')
			i++;
	}
	if (!r && (fwrite(b.data, 1, n, f) != n || putc('\n', f) == EOF))
		r = nst_fail_errno(err, "cannot write the JSON text");
	nst_buf_release(&b);
	return r;
}

const char *nst_json_library(void)
{
	return "jansson " JANSSON_VERSION;
}
