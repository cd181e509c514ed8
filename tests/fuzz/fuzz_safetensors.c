/* Safetensors files: any bytes.  What the reader accepts is cut into tensors without holes and
 * overlaps, all inside the file, and every number of them can be read. */
#include "tests/fuzz/fuzz.h"

#include "formats/safetensors.h"
#include "tests/unit/formats_util.h"

static void add_seed(struct nst_buf seed[FUZZ_MAX_SEEDS], size_t *count, const char *header, size_t n)
{
	struct nst_buf b = {0};
	uint64_t len = strlen(header);
	uint8_t data[64];

	memset(data, 0x3f, sizeof(data));
	OK(nst_buf_append(&b, &len, sizeof(len), &err));
	OK(nst_buf_append(&b, header, len, &err));
	OK(nst_buf_append(&b, data, n, &err));
	seed[(*count)++] = b;
}

static void seeds(struct nst_buf seed[FUZZ_MAX_SEEDS], size_t *count)
{
	add_seed(seed, count, "{}", 0);
	add_seed(seed, count, "{\"__metadata__\":{\"k\":\"[1, 2, 3]\",\"l\":\"[\\\"a\\\"]\"}}  ", 0);
	add_seed(seed, count, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24);
	add_seed(seed, count,
		 "{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]},"
		 "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[8,16]},"
		 "\"c\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[16,24]},"
		 "\"d\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[16,16]}}", 24);
}

/* Values must not be thrown away by the compiler. */
static volatile float sink;

static void look_at(const struct nst_safetensors *st, const uint8_t *data, size_t n)
{
	struct nst_list words = {0};
	double v[3];
	size_t total = 0;

	for (size_t i = 0; i < nst_safetensors_count(st); i++) {
		const struct nst_safetensor *t = nst_safetensors_at(st, i);

		if (t->data < data || t->size > n || t->data > data + n - t->size ||
		    t->size != t->count * nst_dtype_size(t->dtype) ||
		    nst_safetensors_find(st, t->name) != t)
			abort();
		total += t->size;
		if (nst_dtype_is_float(t->dtype)) {
			float *out = nst_alloc(t->count, sizeof(*out), &err);

			if (!out)
				abort();
			nst_safetensor_floats(t, out);
			sink = t->count ? out[t->count - 1] : 0;
			free(out);
		}
	}
	if (total > n)
		abort();
	if (nst_safetensors_meta_numbers(st, "k", v, 3, &err) < 0 ||
	    nst_safetensors_meta_strings(st, "l", &words, &err) < 0)
		sink = 0;
	nst_list_release(&words);
}

static void fuzz_one(const uint8_t *data, size_t n)
{
	struct nst_safetensors *st;

	err.msg[0] = '\0';
	if (nst_safetensors_parse(&st, data, n, "fuzzed", &err) == 0) {
		look_at(st, data, n);
		nst_safetensors_free(st);
	} else if (!strstr(err.msg, "cannot read 'fuzzed': ")) {
		abort();
	}
}
