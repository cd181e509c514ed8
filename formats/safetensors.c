/* Safetensors through jansson, which parses and writes the header; what the header says is held
 * against the file here, before any of it is used. */
#include "formats/safetensors.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcore/io/atomic.h"
#include "libcore/io/map.h"
#include "libcore/io/rw.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"

enum { PREFIX = 8 }; /* bytes of the length of the header */

static const char metadata_key[] = "__metadata__";

/* ---- types --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t size;
} dtypes[NST_DTYPES] = {
	[NST_DTYPE_F32] = {"F32", 4},         [NST_DTYPE_F16] = {"F16", 2},
	[NST_DTYPE_BF16] = {"BF16", 2},       [NST_DTYPE_F64] = {"F64", 8},
	[NST_DTYPE_F8_E4M3] = {"F8_E4M3", 1}, [NST_DTYPE_F8_E5M2] = {"F8_E5M2", 1},
	[NST_DTYPE_I64] = {"I64", 8},         [NST_DTYPE_I32] = {"I32", 4},
	[NST_DTYPE_I16] = {"I16", 2},         [NST_DTYPE_I8] = {"I8", 1},
	[NST_DTYPE_U64] = {"U64", 8},         [NST_DTYPE_U32] = {"U32", 4},
	[NST_DTYPE_U16] = {"U16", 2},         [NST_DTYPE_U8] = {"U8", 1},
	[NST_DTYPE_BOOL] = {"BOOL", 1},
};

const char *nst_dtype_name(enum nst_dtype t)
{
	return dtypes[t].name;
}

size_t nst_dtype_size(enum nst_dtype t)
{
	return dtypes[t].size;
}

int nst_dtype_is_float(enum nst_dtype t)
{
	return t == NST_DTYPE_F32 || t == NST_DTYPE_F16 || t == NST_DTYPE_BF16 ||
	       t == NST_DTYPE_F64;
}

/* ---- the header ---------------------------------------------------------------------------- */

struct nst_safetensors {
	struct nst_map map;
	char *name;
	json_t *header; /* names and metadata live in it */
	struct nst_safetensor *tensor;
	size_t count;
};

static int refuse(const struct nst_safetensors *st, struct nst_err *err, int code, const char *fmt,
		  ...) NST_PRINTF(4, 5);

/* Fails with "cannot read 'NAME': sentence". */
static int refuse(const struct nst_safetensors *st, struct nst_err *err, int code, const char *fmt,
		  ...)
{
	char text[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return nst_fail(err, code, "cannot read '%s': %s", st->name, text);
}

/* A list of whole numbers that are not negative, at most n of them.  Returns their count or -1. */
static int sizes_of(const json_t *list, size_t *out, size_t n)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list) || count > n)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const json_t *v = json_array_get(list, i);

		if (!json_is_integer(v) || json_integer_value(v) < 0 ||
		    (uint64_t)json_integer_value(v) > SIZE_MAX)
			return -1;
		out[i] = (size_t)json_integer_value(v);
	}
	return (int)count;
}

static int parse_dtype(const char *s, enum nst_dtype *out)
{
	for (int t = 0; s && t < NST_DTYPES; t++)
		if (!strcmp(s, dtypes[t].name)) {
			*out = (enum nst_dtype)t;
			return 0;
		}
	return -1;
}

/* One tensor of the header; `room` bytes stand behind the header, at `data`. */
static int parse_tensor(const struct nst_safetensors *st, const char *name, json_t *v,
			const uint8_t *data, size_t room, struct nst_safetensor *t,
			struct nst_err *err)
{
	const json_t *dtype = json_object_get(v, "dtype"), *shape = json_object_get(v, "shape");
	size_t span[2], size;
	int rank;

	t->name = name;
	if (!dtype || !shape || json_object_size(v) != 3)
		return refuse(st, err, NST_EFORMAT,
			      "tensor '%s' is not described by dtype, shape and data_offsets",
			      name);
	if (parse_dtype(json_string_value(dtype), &t->dtype))
		return refuse(st, err, NST_EFORMAT, "tensor '%s' has an unknown type", name);
	if (json_array_size(shape) > NST_SAFETENSORS_RANK)
		return refuse(st, err, NST_ELIMIT, "tensor '%s' has more than %d dimensions", name,
			      NST_SAFETENSORS_RANK);
	rank = sizes_of(shape, t->shape, NST_SAFETENSORS_RANK);
	if (rank < 0)
		return refuse(st, err, NST_EFORMAT,
			      "the shape of tensor '%s' is not a list of whole numbers", name);
	if (sizes_of(json_object_get(v, "data_offsets"), span, 2) != 2)
		return refuse(st, err, NST_EFORMAT,
			      "the offsets of tensor '%s' are not two whole numbers", name);
	if (span[0] > span[1] || span[1] > room)
		return refuse(st, err, NST_EFORMAT,
			      "tensor '%s' would lie at bytes %zu to %zu of %zu", name, span[0],
			      span[1], room);
	t->rank = (size_t)rank;
	t->count = 1;
	for (size_t d = 0; d < t->rank; d++)
		if (nst_mul_size(t->count, t->shape[d], &t->count))
			return refuse(st, err, NST_ELIMIT,
				      "the shape of tensor '%s' is too large", name);
	if (nst_mul_size(t->count, nst_dtype_size(t->dtype), &size) || size != span[1] - span[0])
		return refuse(st, err, NST_EFORMAT,
			      "tensor '%s' has %zu bytes, its shape and type need another number",
			      name, span[1] - span[0]);
	t->size = size;
	t->data = data + span[0];
	return 0;
}

static int check_metadata(const struct nst_safetensors *st, json_t *meta, struct nst_err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(meta))
		return refuse(st, err, NST_EFORMAT, "its metadata is not an object");
	json_object_foreach(meta, key, value)
		if (!json_is_string(value))
			return refuse(st, err, NST_EFORMAT, "its metadata '%s' is not a text", key);
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct nst_safetensor *x = a, *y = b;

	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct nst_safetensor *)a)->name,
		      ((const struct nst_safetensor *)b)->name);
}

/* Every byte behind the header belongs to exactly one tensor. */
static int check_cover(struct nst_safetensors *st, const uint8_t *data, size_t room,
		       struct nst_err *err)
{
	const struct nst_safetensor *t = st->tensor;
	const uint8_t *at = data;

	if (st->count)
		qsort(st->tensor, st->count, sizeof(*st->tensor), by_place);
	for (size_t i = 0; i < st->count; at = t[i].data + t[i].size, i++) {
		if (t[i].data < at)
			return refuse(st, err, NST_EFORMAT, "tensors '%s' and '%s' overlap",
				      t[i - 1].name, t[i].name);
		if (t[i].data > at)
			return refuse(st, err, NST_EFORMAT,
				      "%zu bytes before tensor '%s' belong to none",
				      (size_t)(t[i].data - at), t[i].name);
	}
	if (at != data + room)
		return refuse(st, err, NST_EFORMAT, "the last %zu bytes belong to no tensor",
			      (size_t)(data + room - at));
	return 0;
}

static int parse_header(struct nst_safetensors *st, const uint8_t *data, size_t room,
			struct nst_err *err)
{
	const char *key;
	json_t *value;
	int r = 0;

	st->tensor = nst_zalloc(json_object_size(st->header), sizeof(*st->tensor), err);
	if (!st->tensor)
		return err->code;
	json_object_foreach(st->header, key, value) {
		if (!strcmp(key, metadata_key))
			r = check_metadata(st, value, err);
		else
			r = parse_tensor(st, key, value, data, room, &st->tensor[st->count++], err);
		if (r)
			return r;
	}
	r = check_cover(st, data, room, err);
	if (!r && st->count)
		qsort(st->tensor, st->count, sizeof(*st->tensor), by_name);
	return r;
}

static int parse(struct nst_safetensors *st, const uint8_t *data, size_t size, struct nst_err *err)
{
	json_error_t where;
	uint64_t n = 0;

	if (size < PREFIX)
		return refuse(st, err, NST_EFORMAT, "%zu bytes are no safetensors file", size);
	for (int i = PREFIX; i-- > 0;)
		n = n << 8 | data[i];
	if (n > NST_SAFETENSORS_HEADER)
		return refuse(st, err, NST_ELIMIT,
			      "as a safetensors file its header would have %llu bytes, at most %d "
			      "are allowed",
			      (unsigned long long)n, NST_SAFETENSORS_HEADER);
	if (n > size - PREFIX)
		return refuse(st, err, NST_EFORMAT,
			      "as a safetensors file its header would have %llu bytes, it ends "
			      "after %zu",
			      (unsigned long long)n, size - PREFIX);
	if (n == 0 || data[PREFIX] != '{')
		return refuse(st, err, NST_EFORMAT, "its header is not a JSON object");
	st->header = json_loadb((const char *)data + PREFIX, (size_t)n, JSON_REJECT_DUPLICATES,
				&where);
	if (!st->header)
		return json_error_code(&where) == json_error_out_of_memory
			       ? nst_fail_mem(err, n)
			       : refuse(st, err, NST_EFORMAT, "its header is not valid JSON: %s",
					where.text);
	return parse_header(st, data + PREFIX + n, size - PREFIX - (size_t)n, err);
}

static int start(struct nst_safetensors **out, const char *name, struct nst_err *err)
{
	*out = nst_zalloc(1, sizeof(**out), err);
	if (!*out)
		return err->code;
	(*out)->name = nst_strdup(name, err);
	if ((*out)->name)
		return 0;
	nst_safetensors_free(*out);
	*out = NULL;
	return err->code;
}

int nst_safetensors_parse(struct nst_safetensors **out, const void *data, size_t size,
			  const char *name, struct nst_err *err)
{
	int r = start(out, name, err);

	if (!r)
		r = parse(*out, data, size, err);
	if (r) {
		nst_safetensors_free(*out);
		*out = NULL;
	}
	return r;
}

int nst_safetensors_open(struct nst_safetensors **out, const char *path, struct nst_err *err)
{
	int r = start(out, path, err);

	if (!r)
		r = nst_map_file(&(*out)->map, path, err);
	if (!r)
		r = parse(*out, (*out)->map.data, (*out)->map.size, err);
	if (r) {
		nst_safetensors_free(*out);
		*out = NULL;
	}
	return r;
}

void nst_safetensors_free(struct nst_safetensors *st)
{
	if (!st)
		return;
	json_decref(st->header);
	nst_map_release(&st->map);
	free(st->tensor);
	free(st->name);
	free(st);
}

/* ---- looking things up --------------------------------------------------------------------- */

const char *nst_safetensors_name(const struct nst_safetensors *st)
{
	return st->name;
}

size_t nst_safetensors_count(const struct nst_safetensors *st)
{
	return st->count;
}

const struct nst_safetensor *nst_safetensors_at(const struct nst_safetensors *st, size_t i)
{
	return &st->tensor[i];
}

const struct nst_safetensor *nst_safetensors_find(const struct nst_safetensors *st,
						  const char *name)
{
	const struct nst_safetensor key = {.name = name};

	return st->count ? bsearch(&key, st->tensor, st->count, sizeof(key), by_name) : NULL;
}

static float float_from_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

void nst_safetensor_floats(const struct nst_safetensor *t, float *out)
{
	const uint8_t *p = t->data;
	uint16_t half;
	double d;

	for (size_t i = 0; i < t->count; i++, p += nst_dtype_size(t->dtype))
		switch (t->dtype) {
		case NST_DTYPE_F32:
			memcpy(&out[i], p, sizeof(*out));
			break;
		case NST_DTYPE_F64:
			memcpy(&d, p, sizeof(d));
			out[i] = (float)d;
			break;
		case NST_DTYPE_F16:
			memcpy(&half, p, sizeof(half));
			out[i] = nst_float_from_half(half);
			break;
		case NST_DTYPE_BF16:
			memcpy(&half, p, sizeof(half));
			out[i] = float_from_bits((uint32_t)half << 16);
			break;
		default:
			out[i] = 0;
			break;
		}
}

const char *nst_safetensors_meta(const struct nst_safetensors *st, const char *key)
{
	return json_string_value(json_object_get(json_object_get(st->header, metadata_key), key));
}

/* The JSON list in the text of a key.  Returns 1, 0 or a code, as the functions below. */
static int meta_list(const struct nst_safetensors *st, const char *key, json_t **list,
		     struct nst_err *err)
{
	const char *text = nst_safetensors_meta(st, key);

	*list = NULL;
	if (!text)
		return 0;
	*list = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_array(*list))
		return 1;
	json_decref(*list);
	return refuse(st, err, NST_EFORMAT, "its metadata '%s' is not a list", key);
}

int nst_safetensors_meta_numbers(const struct nst_safetensors *st, const char *key, double *out,
				 size_t n, struct nst_err *err)
{
	json_t *list;
	int r = meta_list(st, key, &list, err), good = json_array_size(list) == n;

	if (r != 1)
		return r;
	for (size_t i = 0; good && i < n; i++) {
		good = json_is_number(json_array_get(list, i));
		out[i] = json_number_value(json_array_get(list, i));
	}
	json_decref(list);
	if (good)
		return 1;
	return refuse(st, err, NST_EFORMAT, "its metadata '%s' is not a list of %zu numbers", key,
		      n);
}

int nst_safetensors_meta_strings(const struct nst_safetensors *st, const char *key,
				 struct nst_list *out, struct nst_err *err)
{
	json_t *list;
	int r = meta_list(st, key, &list, err);

	for (size_t i = 0; r == 1 && i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (!s)
			r = refuse(st, err, NST_EFORMAT, "its metadata '%s' is not a list of texts",
				   key);
		else if (nst_list_add(out, s, err))
			r = err->code;
	}
	json_decref(list);
	return r;
}

/* ---- writing ------------------------------------------------------------------------------- */

struct announced {
	enum nst_dtype dtype;
	size_t count;
};

struct nst_safetensors_out {
	struct nst_atomic file;
	int fd;
	char *label; /* 'a.safetensors', standard output */
	json_t *header, *meta;
	struct announced *tensor;
	size_t declared, written, cap;
	size_t size; /* bytes declared */
	struct nst_buf bytes;
};

static void out_free(struct nst_safetensors_out *o)
{
	if (!o)
		return;
	json_decref(o->header);
	json_decref(o->meta);
	nst_buf_release(&o->bytes);
	free(o->tensor);
	free(o->label);
	free(o);
}

int nst_safetensors_create(struct nst_safetensors_out **out, const char *path, struct nst_err *err)
{
	int to_stdout = !path || !strcmp(path, "-"), r = 0;
	struct nst_safetensors_out *o = nst_zalloc(1, sizeof(*o), err);

	*out = NULL;
	if (!o)
		return err->code;
	o->file.fd = -1;
	o->fd = STDOUT_FILENO;
	o->header = json_object();
	o->meta = json_object();
	if (asprintf(&o->label, to_stdout ? "standard output" : "'%s'", path) < 0)
		o->label = NULL;
	if (!o->header || !o->meta || !o->label)
		r = nst_fail_mem(err, 64);
	if (!r && !to_stdout) {
		r = nst_atomic_open(&o->file, path, err);
		o->fd = o->file.fd;
	}
	if (r)
		out_free(o);
	else
		*out = o;
	return r;
}

/* A string of the header; NULL with a sentence when it cannot be one. */
static json_t *text_new(const char *s, struct nst_err *err)
{
	json_t *v = json_string(s);

	if (!v)
		nst_fail(err, NST_EINVAL, "'%s' is not UTF-8, which safetensors files need", s);
	return v;
}

/* Hand a value over to an object. */
static int put(json_t *object, const char *key, json_t *value, struct nst_err *err)
{
	if (!value)
		return err->code;
	return json_object_set_new(object, key, value) ? nst_fail_mem(err, strlen(key)) : 0;
}

int nst_safetensors_put_meta(struct nst_safetensors_out *o, const char *key, const char *value,
			     struct nst_err *err)
{
	return put(o->meta, key, text_new(value, err), err);
}

int nst_safetensors_put_strings(struct nst_safetensors_out *o, const char *key,
				const char *const *value, size_t n, struct nst_err *err)
{
	json_t *list = json_array();
	char *text = NULL;
	int r = list ? 0 : nst_fail_mem(err, 64);

	for (size_t i = 0; !r && i < n; i++) {
		json_t *v = text_new(value[i], err);

		r = !v ? err->code : json_array_append_new(list, v) ? nst_fail_mem(err, 64) : 0;
	}
	if (!r) {
		text = json_dumps(list, 0);
		r = text ? nst_safetensors_put_meta(o, key, text, err) : nst_fail_mem(err, n);
	}
	free(text);
	json_decref(list);
	return r;
}

static json_t *list_new(const size_t *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, json_integer((json_int_t)v[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int announce(struct nst_safetensors_out *o, enum nst_dtype dtype, size_t count,
		    struct nst_err *err)
{
	if (o->declared == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 64;
		struct announced *t = realloc(o->tensor, cap * sizeof(*t));

		if (!t)
			return nst_fail_mem(err, cap * sizeof(*t));
		o->tensor = t;
		o->cap = cap;
	}
	o->tensor[o->declared++] = (struct announced){dtype, count};
	return 0;
}

int nst_safetensors_declare(struct nst_safetensors_out *o, const char *name, enum nst_dtype dtype,
			    size_t rank, const size_t *shape, struct nst_err *err)
{
	size_t count = 1, size, span[2] = {o->size, 0};
	json_t *v;

	for (size_t d = 0; d < rank; d++)
		if (nst_mul_size(count, shape[d], &count))
			return nst_fail(err, NST_ELIMIT, "tensor '%s' is too large", name);
	if (nst_mul_size(count, nst_dtype_size(dtype), &size) || size > INT64_MAX - o->size)
		return nst_fail(err, NST_ELIMIT, "tensor '%s' is too large", name);
	if (o->written || !nst_dtype_is_float(dtype) || rank > NST_SAFETENSORS_RANK ||
	    !strcmp(name, metadata_key) || json_object_get(o->header, name))
		return nst_fail(err, NST_EINVAL, "a tensor '%s' cannot be added", name);
	span[1] = o->size + size;
	v = json_pack("{s:s, s:o, s:o}", "dtype", nst_dtype_name(dtype), "shape",
		      list_new(shape, rank), "data_offsets", list_new(span, 2));
	if (!v)
		return nst_fail_mem(err, 64);
	if (json_object_set_new(o->header, name, v))
		return nst_fail(err, NST_EINVAL, "a tensor '%s' cannot be added", name);
	o->size = span[1];
	return announce(o, dtype, count, err);
}

static int emit(struct nst_safetensors_out *o, const void *p, size_t n, struct nst_err *err)
{
	if (nst_write_full(o->fd, p, n) < 0)
		return nst_fail_errno(err, "cannot write %s", o->label);
	return 0;
}

/* Length and header, with blanks behind it so that the numbers begin on a multiple of 8. */
static int write_header(struct nst_safetensors_out *o, struct nst_err *err)
{
	json_t *whole = json_object();
	uint8_t prefix[PREFIX];
	uint64_t n = 0;
	char *text;
	int r;

	if (!whole ||
	    (json_object_size(o->meta) && json_object_set(whole, metadata_key, o->meta)) ||
	    json_object_update(whole, o->header) || !(text = json_dumps(whole, JSON_COMPACT))) {
		json_decref(whole);
		return nst_fail_mem(err, 64);
	}
	json_decref(whole);
	o->bytes.len = 0;
	r = nst_buf_printf(&o->bytes, err, "%s%*s", text, (int)(-strlen(text) % 8), "");
	free(text);
	if (!r && o->bytes.len > NST_SAFETENSORS_HEADER)
		r = nst_fail(err, NST_ELIMIT, "the header of %s would have more than %d bytes",
			     o->label, NST_SAFETENSORS_HEADER);
	if (r)
		return r;
	n = o->bytes.len;
	for (int i = 0; i < PREFIX; i++)
		prefix[i] = (uint8_t)(n >> 8 * i);
	r = emit(o, prefix, sizeof(prefix), err);
	return r ? r : emit(o, o->bytes.data, o->bytes.len, err);
}

/* Round to nearest even: upper half of the bits; a NaN stays one. */
static uint16_t bfloat_from_float(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	if (isnan(f))
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Write one number to p.  Returns -1 when it is finite and its type has no finite one near. */
static int encode(float f, enum nst_dtype dtype, uint8_t *p)
{
	uint16_t half;
	double d = (double)f;
	float back = f;

	switch (dtype) {
	case NST_DTYPE_F64:
		memcpy(p, &d, sizeof(d));
		break;
	case NST_DTYPE_F16:
		half = nst_half_from_float(f);
		back = nst_float_from_half(half);
		memcpy(p, &half, sizeof(half));
		break;
	case NST_DTYPE_BF16:
		half = bfloat_from_float(f);
		back = float_from_bits((uint32_t)half << 16);
		memcpy(p, &half, sizeof(half));
		break;
	default:
		memcpy(p, &f, sizeof(f));
		break;
	}
	return isfinite(f) && !isfinite(back) ? -1 : 0;
}

int nst_safetensors_write(struct nst_safetensors_out *o, const float *data, struct nst_err *err)
{
	const struct announced *t = &o->tensor[o->written];
	size_t size = o->written < o->declared ? nst_dtype_size(t->dtype) : 0;
	int r = 0;

	if (!size)
		return nst_fail(err, NST_EINVAL, "%s has no more tensors", o->label);
	if (!o->written)
		r = write_header(o, err);
	o->bytes.len = 0;
	if (!r)
		r = nst_buf_reserve(&o->bytes, t->count * size, err);
	if (r)
		return r;
	for (size_t i = 0; i < t->count; i++)
		if (encode(data[i], t->dtype, o->bytes.data + i * size))
			return nst_fail(err, NST_ELIMIT, "%g is too large for the type %s",
					(double)data[i], nst_dtype_name(t->dtype));
	o->written++;
	return emit(o, o->bytes.data, t->count * size, err);
}

int nst_safetensors_close(struct nst_safetensors_out *o, struct nst_err *err)
{
	int r = 0;

	if (o->written < o->declared)
		r = nst_fail(err, NST_EINVAL, "%s lacks tensors", o->label);
	else if (!o->declared)
		r = write_header(o, err);
	if (r) {
		nst_safetensors_abort(o);
		return r;
	}
	if (o->file.fd >= 0)
		r = nst_atomic_commit(&o->file, err);
	out_free(o);
	return r;
}

void nst_safetensors_abort(struct nst_safetensors_out *o)
{
	if (!o)
		return;
	nst_atomic_abort(&o->file);
	out_free(o);
}
