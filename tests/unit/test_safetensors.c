/* The reader of safetensors files against bytes made by hand, the writer against the bytes that the
 * description of the format asks for, and both against each other. */
#include "tests/unit/formats_util.h"

#include <math.h>

#include "formats/safetensors.h"
#include "libcore/io/map.h"

/* A file: length, header, data. */
static struct nst_buf file_of(const char *header, const void *data, size_t n)
{
	struct nst_buf b = {0};
	uint64_t len = strlen(header);

	OK(nst_buf_append(&b, &len, 8, &err));
	OK(nst_buf_append(&b, header, len, &err));
	OK(nst_buf_append(&b, data, n, &err));
	return b;
}

static struct nst_safetensors *read_bytes(const struct nst_buf *b)
{
	struct nst_safetensors *st;

	OK(nst_safetensors_parse(&st, b->data, b->len, "x", &err));
	return st;
}

/* A header with n bytes of data is refused with a sentence about the file and this. */
static void refused(const char *header, size_t n, const char *why)
{
	static const uint8_t zeros[64];
	struct nst_buf b = file_of(header, zeros, n);
	struct nst_safetensors *st;

	FAILS(nst_safetensors_parse(&st, b.data, b.len, "x", &err), why);
	assert_non_null(strstr(err.msg, "cannot read 'x': "));
	assert_null(st);
	nst_buf_release(&b);
}

static void shapes_and_types(void **state)
{
	static const uint8_t data[] = {
		0, 0, 128, 63,         0, 0, 32, 192,       /* F32 1, -2.5 */
		0, 0, 0, 0, 0, 0, 4, 64,                    /* F64 2.5 */
		0, 60,                 1, 0,                /* F16 1, 2^-24 */
		192, 63,               192, 127,            /* BF16 1.5, NaN */
		7, 0, 0, 0, 0, 0, 0, 0,                     /* I64 7 */
	};
	struct nst_buf b = file_of(
		"{\"half\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[16,20]},"
		"\"__metadata__\":{\"format\":\"pt\",\"n\":\"[1, 2.5]\"},"
		"\"single\":{\"data_offsets\":[0,8],\"shape\":[1,2],\"dtype\":\"F32\"},"
		"\"none\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[8,8]},"
		"\"brain\":{\"dtype\":\"BF16\",\"shape\":[2,1,1],\"data_offsets\":[20,24]},"
		"\"double\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[8,16]},"
		"\"count\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]}}  ",
		data, sizeof(data));
	struct nst_safetensors *st = read_bytes(&b);
	const struct nst_safetensor *t;
	float v[2];

	(void)state;
	assert_int_equal(nst_safetensors_count(st), 6);
	assert_string_equal(nst_safetensors_at(st, 0)->name, "brain");
	assert_string_equal(nst_safetensors_at(st, 5)->name, "single");
	assert_string_equal(nst_safetensors_meta(st, "format"), "pt");
	assert_null(nst_safetensors_meta(st, "formal"));
	assert_null(nst_safetensors_find(st, "triple"));
	assert_null(nst_safetensors_find(st, "__metadata__"));

	t = nst_safetensors_find(st, "single");
	assert_int_equal(t->rank, 2);
	assert_int_equal(t->shape[0], 1);
	assert_int_equal(t->shape[1], 2);
	assert_int_equal(t->count, 2);
	nst_safetensor_floats(t, v);
	assert_true(v[0] == 1 && v[1] == -2.5f);
	t = nst_safetensors_find(st, "double");
	assert_int_equal(t->rank, 0);
	assert_int_equal(t->count, 1);
	nst_safetensor_floats(t, v);
	assert_true(v[0] == 2.5f);
	nst_safetensor_floats(nst_safetensors_find(st, "half"), v);
	assert_true(v[0] == 1 && v[1] == 0x1p-24f);
	nst_safetensor_floats(nst_safetensors_find(st, "brain"), v);
	assert_true(v[0] == 1.5f && isnan(v[1]));
	assert_int_equal(nst_safetensors_find(st, "none")->count, 0);
	assert_int_equal(nst_safetensors_find(st, "count")->dtype, NST_DTYPE_I64);
	assert_false(nst_dtype_is_float(NST_DTYPE_I64));
	nst_safetensors_free(st);
	nst_buf_release(&b);
}

#define T(shape, from, to) \
	"{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static void lying_headers(void **state)
{
	(void)state;
	refused("{\"a\":" T("[2]", "0", "8") "}", 12, "the last 4 bytes belong to no tensor");
	refused("{\"a\":" T("[2]", "4", "12") "}", 12, "4 bytes before tensor 'a' belong to none");
	refused("{\"a\":" T("[2]", "0", "8") ",\"b\":" T("[2]", "4", "12") "}", 12,
		"tensors 'a' and 'b' overlap");
	refused("{\"a\":" T("[2]", "0", "8") ",\"b\":" T("[2]", "0", "8") "}", 8,
		"tensors 'a' and 'b' overlap");
	refused("{\"a\":" T("[1]", "0", "4") ",\"b\":" T("[1]", "8", "12") "}", 12,
		"4 bytes before tensor 'b' belong to none");
	refused("{\"a\":" T("[3]", "0", "8") "}", 8, "tensor 'a' has 8 bytes");
	refused("{\"a\":" T("[2]", "0", "12") "}", 8, "would lie at bytes 0 to 12 of 8");
	refused("{\"a\":" T("[2]", "8", "0") "}", 8, "would lie at bytes 8 to 0 of 8");
	refused("{\"a\":" T("[9223372036854775807,9223372036854775807]", "0", "8") "}", 8,
		"the shape of tensor 'a' is too large");
	refused("{\"a\":" T("[4611686018427387906]", "0", "8") "}", 8, "tensor 'a' has 8 bytes");
	refused("{\"a\":" T("[9223372036854775808]", "0", "8") "}", 8, "not valid JSON");
	refused("{\"a\":" T("[2]", "0", "9223372036854775808") "}", 8, "not valid JSON");
	refused("{\"a\":" T("[2]", "0", "18446744073709551624") "}", 8, "not valid JSON");
	refused("{\"a\":" T("[2]", "-8", "0") "}", 8, "offsets of tensor 'a'");
	refused("{\"a\":" T("[2]", "0", "8.0") "}", 8, "offsets of tensor 'a'");
	refused("{\"a\":" T("[2]", "0", "8e0") "}", 8, "offsets of tensor 'a'");
	refused("{\"a\":" T("[2]", "0", "8,8") "}", 8, "offsets of tensor 'a'");
	refused("{\"a\":" T("[2]", "0", "\"8\"") "}", 8, "offsets of tensor 'a'");
	refused("{\"a\":" T("[-2]", "0", "8") "}", 8, "shape of tensor 'a'");
	refused("{\"a\":" T("[2.0]", "0", "8") "}", 8, "shape of tensor 'a'");
	refused("{\"a\":" T("2", "0", "8") "}", 8, "shape of tensor 'a'");
	refused("{\"a\":" T("[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, "more than 8 dimensions");
}

static void wrong_headers(void **state)
{
	struct nst_buf deep = {0};

	(void)state;
	refused("{\"a\":" T("[1]", "0", "4") ",\"a\":" T("[1]", "4", "8") "}", 8, "duplicate");
	refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
		4, "duplicate");
	refused("{\"a\":{\"dtype\":\"F31\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
		"tensor 'a' has an unknown type");
	refused("{\"a\":{\"dtype\":32,\"shape\":[],\"data_offsets\":[0,4]}}", 4,
		"tensor 'a' has an unknown type");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 4, "tensor 'a' is not described by");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1}}", 4,
		"tensor 'a' is not described by");
	refused("{\"a\":[]}", 0, "tensor 'a' is not described by");
	refused("{\"__metadata__\":[]}", 0, "its metadata is not an object");
	refused("{\"__metadata__\":{\"a\":1}}", 0, "its metadata 'a' is not a text");
	refused("{\"a\":", 0, "not valid JSON");
	refused("{} {}", 0, "not valid JSON");
	refused("{\"a\xff\":1}", 0, "not valid JSON");
	refused("{\"a\\u0000\":1}", 0, "not valid JSON");
	refused(" {}", 0, "its header is not a JSON object");
	refused("[]", 0, "its header is not a JSON object");
	refused("", 4, "its header is not a JSON object");
	OK(nst_buf_printf(&deep, &err, "{\"a\":"));
	for (int i = 0; i < 100000; i++)
		OK(nst_buf_append(&deep, "[", 1, &err));
	OK(nst_buf_append(&deep, "", 1, &err));
	refused((const char *)deep.data, 0, "not valid JSON");
	nst_buf_release(&deep);
}

/* The length in the first 8 bytes, and files that end early. */
static void lengths(void **state)
{
	struct nst_buf b = file_of("{\"a\":" T("[1]", "0", "4") "}", "abcd", 4);
	static const uint64_t lie[] = {1, 100000000, 100000001, UINT64_C(1) << 63, UINT64_MAX};
	struct nst_safetensors *st;
	uint64_t n;

	(void)state;
	for (size_t cut = 0; cut < b.len; cut++)
		FAILS(nst_safetensors_parse(&st, b.data, cut, "x", &err), "cannot read 'x': ");
	for (size_t i = 0; i < sizeof(lie) / sizeof(*lie); i++) {
		memcpy(b.data, &lie[i], 8);
		FAILS(nst_safetensors_parse(&st, b.data, b.len, "x", &err), "cannot read 'x': ");
	}
	FAILS(nst_safetensors_parse(&st, b.data, b.len, "x", &err),
	      "would have 18446744073709551615 bytes, at most 100000000");
	n = b.len - 8 + 1;
	memcpy(b.data, &n, 8);
	FAILS(nst_safetensors_parse(&st, b.data, b.len, "x", &err), "it ends after");
	FAILS(nst_safetensors_open(&st, "absent", &err), "cannot open 'absent'");
	write_file("empty", "", 0);
	FAILS(nst_safetensors_open(&st, "empty", &err), "cannot read 'empty': 0 bytes");
	nst_buf_release(&b);
}

static void lists(void **state)
{
	struct nst_buf b = file_of("{\"__metadata__\":{\"two\":\"[1, 2.5]\","
				   "\"words\":\"[\\\"a\\\", \\\"\\\\u00e9\\\"]\","
				   "\"mixed\":\"[\\\"a\\\", 1]\","
				   "\"open\":\"[1\",\"text\":\"1\"}}", "", 0);
	struct nst_safetensors *st = read_bytes(&b);
	struct nst_list l = {0};
	double v[3];

	(void)state;
	assert_int_equal(nst_safetensors_meta_numbers(st, "two", v, 2, &err), 1);
	assert_true(v[0] == 1 && v[1] == 2.5);
	assert_int_equal(nst_safetensors_meta_numbers(st, "three", v, 3, &err), 0);
	FAILS(nst_safetensors_meta_numbers(st, "two", v, 3, &err),
	      "'two' is not a list of 3 numbers");
	FAILS(nst_safetensors_meta_numbers(st, "words", v, 2, &err), "not a list of 2 numbers");
	FAILS(nst_safetensors_meta_numbers(st, "open", v, 1, &err), "'open' is not a list");
	FAILS(nst_safetensors_meta_numbers(st, "text", v, 1, &err), "'text' is not a list");
	assert_int_equal(nst_safetensors_meta_strings(st, "words", &l, &err), 1);
	assert_int_equal(l.count, 2);
	assert_string_equal(l.item[0], "a");
	assert_string_equal(l.item[1], "\xc3\xa9");
	FAILS(nst_safetensors_meta_strings(st, "mixed", &l, &err),
	      "'mixed' is not a list of texts");
	assert_int_equal(nst_safetensors_meta_strings(st, "absent", &l, &err), 0);
	nst_list_release(&l);
	nst_safetensors_free(st);
	nst_buf_release(&b);
}

/* The whole file, byte by byte. */
static void written(void **state)
{
	static const char header[] =
		"{\"__metadata__\":{\"k\":\"v\",\"l\":\"[\\\"a\\\", \\\"b\\\"]\"},"
		"\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
		"\"h\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[8,10]},"
		"\"b\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[10,16]}}";
	static const uint8_t data[] = {0, 0,  128, 63, 0,   0,  32,  192,
				       0, 60, 192, 63, 129, 63, 128, 63};
	const float w[] = {1, -2.5f}, h[] = {1}, brain[] = {1.5f, 1.0078125f, 1.00390625f};
	const char *const words[] = {"a", "b"};
	struct nst_safetensors_out *out;
	struct nst_buf b;
	size_t n;

	(void)state;
	OK(nst_safetensors_create(&out, "w", &err));
	OK(nst_safetensors_put_meta(out, "k", "v", &err));
	OK(nst_safetensors_put_strings(out, "l", words, 2, &err));
	OK(nst_safetensors_declare(out, "w", NST_DTYPE_F32, 2, (size_t[]){2, 1}, &err));
	OK(nst_safetensors_declare(out, "h", NST_DTYPE_F16, 0, NULL, &err));
	OK(nst_safetensors_declare(out, "b", NST_DTYPE_BF16, 1, (size_t[]){3}, &err));
	FAILS(nst_safetensors_declare(out, "b", NST_DTYPE_F32, 0, NULL, &err),
	      "'b' cannot be added");
	FAILS(nst_safetensors_declare(out, "i", NST_DTYPE_I64, 0, NULL, &err),
	      "'i' cannot be added");
	FAILS(nst_safetensors_declare(out, "__metadata__", NST_DTYPE_F32, 0, NULL, &err), "cannot");
	FAILS(nst_safetensors_declare(out, "\xff", NST_DTYPE_F32, 0, NULL, &err), "cannot");
	FAILS(nst_safetensors_put_meta(out, "x", "\xff", &err), "not UTF-8");
	OK(nst_safetensors_write(out, w, &err));
	OK(nst_safetensors_write(out, h, &err));
	OK(nst_safetensors_write(out, brain, &err));
	FAILS(nst_safetensors_write(out, w, &err), "no more tensors");
	OK(nst_safetensors_close(out, &err));
	b = read_file("w");
	n = sizeof(header) - 1;
	n += -n % 8;
	assert_int_equal(b.data[0] | b.data[1] << 8, n);
	assert_int_equal(b.len, 8 + n + sizeof(data));
	assert_memory_equal(b.data + 8, header, sizeof(header) - 1);
	for (size_t i = sizeof(header) - 1; i < n; i++)
		assert_int_equal(b.data[8 + i], ' ');
	assert_memory_equal(b.data + 8 + n, data, sizeof(data));
	nst_buf_release(&b);
}

static void unfinished(void **state)
{
	const float large[] = {65520}, inf[] = {HUGE_VALF}, huge[] = {3.4e38f};
	struct nst_safetensors_out *out;

	(void)state;
	OK(nst_safetensors_create(&out, "u", &err));
	OK(nst_safetensors_declare(out, "h", NST_DTYPE_F16, 1, (size_t[]){1}, &err));
	FAILS(nst_safetensors_write(out, large, &err), "65520 is too large for the type F16");
	FAILS(nst_safetensors_close(out, &err), "'u' lacks tensors");
	assert_int_equal(access("u", F_OK), -1);
	OK(nst_safetensors_create(&out, "u", &err));
	OK(nst_safetensors_declare(out, "h", NST_DTYPE_BF16, 1, (size_t[]){1}, &err));
	FAILS(nst_safetensors_write(out, huge, &err), "too large for the type BF16");
	nst_safetensors_abort(out);
	assert_int_equal(access("u", F_OK), -1);
	OK(nst_safetensors_create(&out, "u", &err));
	OK(nst_safetensors_declare(out, "h", NST_DTYPE_F16, 1, (size_t[]){1}, &err));
	OK(nst_safetensors_write(out, inf, &err)); /* what is infinite stays so */
	OK(nst_safetensors_close(out, &err));
	OK(nst_safetensors_create(&out, "none", &err));
	OK(nst_safetensors_close(out, &err));
	assert_int_equal(access("none", F_OK), 0);
	FAILS(nst_safetensors_create(&out, "absent/u", &err), "cannot write 'absent/u'");
}

/* Bits of every kind of float come back from a file as they were. */
static void there_and_back(void **state)
{
	const uint32_t bits[] = {0, 0x80000000, 1, 0x7f800000, 0xff800000, 0x7fc00001, 0x3f800001};
	enum { N = sizeof(bits) / sizeof(*bits) };
	struct nst_safetensors_out *out;
	struct nst_safetensors *st;
	float v[N], back[N];

	(void)state;
	memcpy(v, bits, sizeof(v));
	OK(nst_safetensors_create(&out, "v", &err));
	OK(nst_safetensors_declare(out, "v", NST_DTYPE_F32, 1, (size_t[]){N}, &err));
	OK(nst_safetensors_declare(out, "d", NST_DTYPE_F64, 1, (size_t[]){N}, &err));
	OK(nst_safetensors_write(out, v, &err));
	OK(nst_safetensors_write(out, v, &err));
	OK(nst_safetensors_close(out, &err));
	OK(nst_safetensors_open(&st, "v", &err));
	assert_string_equal(nst_safetensors_name(st), "v");
	nst_safetensor_floats(nst_safetensors_find(st, "v"), back);
	assert_memory_equal(back, v, sizeof(v));
	nst_safetensor_floats(nst_safetensors_find(st, "d"), back);
	assert_memory_equal(back, v, sizeof(v));
	nst_safetensors_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_and_types),
		cmocka_unit_test(lying_headers),
		cmocka_unit_test(wrong_headers),
		cmocka_unit_test(lengths),
		cmocka_unit_test(lists),
		cmocka_unit_test(written),
		cmocka_unit_test(unfinished),
		cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
