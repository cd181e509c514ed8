/* Exchange with PyTorch and timm: the order of dimensions against a plain twin for nets of every
 * kind, timm's names and preprocessing against its published table, and files there and back. */
#include "tests/unit/formats_util.h"

#include <math.h>

#include "libcore/data/exchange.h"
#include "libcore/data/timm.h"
#include "libcore/nn/torch.h"

/* ---- the order of dimensions ---- */

/* Index in our layout of the element (o,i,y,x) over there; what a tensor lacks is 0. */
static size_t twin_index(const struct nst_param *p, size_t o, size_t i, size_t y, size_t x)
{
	switch (p->rank) {
	case 4: /* (KH,KW,Cin,Cout) */
		return ((y * p->shape[1] + x) * p->shape[2] + i) * p->shape[3] + o;
	case 3: /* (KH,KW,C) */
		return (y * p->shape[1] + x) * p->shape[2] + o;
	case 2: /* (Cin,Cout) */
		return i * p->shape[1] + o;
	default:
		return o;
	}
}

static void check_param(const struct nst_net *net, size_t number)
{
	const struct nst_param *p = &net->param[number];
	size_t shape[4] = {1, 1, 1, 1}, rank = nst_torch_shape(net, number, shape), at = 0;
	float *theirs = malloc(p->count * sizeof(float)), *ours = malloc(p->count * sizeof(float));
	float *back = malloc(p->count * sizeof(float));

	assert_non_null(theirs);
	assert_non_null(ours);
	assert_non_null(back);
	if (strstr(p->name, ".se.") && p->rank == 2)
		assert_int_equal(rank, 4);
	else if (p->rank == 2) /* the classifier */
		assert_int_equal(rank, 2);
	else
		assert_int_equal(rank, p->rank == 3 ? 4 : p->rank);
	for (size_t d = rank; d < 4; d++)
		shape[d] = 1;
	assert_int_equal(shape[0] * shape[1] * shape[2] * shape[3], p->count);
	for (size_t i = 0; i < p->count; i++)
		theirs[i] = (float)i;
	nst_torch_import(net, number, theirs, ours);
	for (size_t o = 0; o < shape[0]; o++)
		for (size_t i = 0; i < shape[1]; i++)
			for (size_t y = 0; y < shape[2]; y++)
				for (size_t x = 0; x < shape[3]; x++, at++)
					if (ours[twin_index(p, o, i, y, x)] != (float)at)
						fail_msg("%s: element %zu", p->name, at);
	nst_torch_export(net, number, ours, back);
	assert_memory_equal(back, theirs, p->count * sizeof(float));
	free(theirs);
	free(ours);
	free(back);
}

static void layouts(void **state)
{
	static const char *const names[] = {"efficientnet-b1", "resnet18", "resnet50", "resnet20",
					    "wrn-16-1"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct nst_arch arch;
		struct nst_net *net;

		OK(nst_arch_find(names[i], &arch, &err));
		OK(nst_net_new(&arch, 32, 7, &net, &err));
		for (size_t p = 0; p < net->nparams; p++)
			check_param(net, p);
		nst_net_free(net);
	}
}

/* ---- timm's names and preprocessing ---- */

static void aliases(void **state)
{
	static const char *const same[] = {
		"efficientnet-b3", "tf_efficientnet_b3", "tf_efficientnet_b3_ns",
		"tf_efficientnet_b3.ns_jft_in1k",
	};
	static const char *const other[] = {
		"tf_efficientnet_b3_475", "tf_efficientnet_b3_ns_475", "tf_efficientnet_b3.ap_in1k",
		"tf_efficientnet_b", "tf_efficientnet_", "tf_efficientnet_b3-32", "efficientnet_b3",
		"tf_efficientnet_lite3", "tf_efficientnet_b33",
	};
	struct nst_arch want, arch;

	(void)state;
	OK(nst_arch_find("efficientnet-b3", &want, &err));
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		OK(nst_timm_find(same[i], &arch, &err));
		assert_memory_equal(&arch, &want, sizeof(want));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		FAILS(nst_timm_find(other[i], &arch, &err), "unknown architecture");
	OK(nst_timm_find("resnet50", &arch, &err));
	assert_string_equal(arch.name, "resnet50");
}

static void preprocessing(void **state)
{
	static const struct {
		const char *arch;
		size_t size;
		enum nst_cropping cropping;
		double crop;
		enum nst_filter filter;
	} want[] = {
		{"efficientnet-b0", 224, NST_CROP_SHORTEST, .875, NST_BICUBIC},
		{"efficientnet-b1", 240, NST_CROP_SHORTEST, .882, NST_BICUBIC},
		{"efficientnet-b2", 260, NST_CROP_SHORTEST, .890, NST_BICUBIC},
		{"efficientnet-b3", 300, NST_CROP_SHORTEST, .904, NST_BICUBIC},
		{"efficientnet-b4", 380, NST_CROP_SHORTEST, .922, NST_BICUBIC},
		{"efficientnet-b5", 456, NST_CROP_SHORTEST, .934, NST_BICUBIC},
		{"efficientnet-b6", 528, NST_CROP_SHORTEST, .942, NST_BICUBIC},
		{"efficientnet-b7", 600, NST_CROP_SHORTEST, .949, NST_BICUBIC},
		{"resnet50", 224, NST_CROP_SHORTEST, .875, NST_BILINEAR},
		{"efficientnet-b0-32", 32, NST_CROP_CENTRAL, 1, NST_BICUBIC},
		{"wrn-28-2", 32, NST_CROP_CENTRAL, 1, NST_BICUBIC},
	};
	struct nst_preprocess p;
	struct nst_arch arch;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		OK(nst_arch_find(want[i].arch, &arch, &err));
		nst_timm_preprocess(&arch, &p);
		assert_int_equal(p.size, want[i].size);
		assert_int_equal(p.cropping, want[i].cropping);
		assert_true(p.crop == want[i].crop);
		assert_int_equal(p.filter, want[i].filter);
		assert_true(p.mean[0] == .485f && p.std[2] == .225f);
	}
	/* The two sizes of L2. */
	OK(nst_arch_find("efficientnet-b7", &arch, &err));
	arch.size = 800;
	nst_timm_preprocess(&arch, &p);
	assert_true(p.crop == .960 && p.size == 800);
	arch.size = 475;
	nst_timm_preprocess(&arch, &p);
	assert_true(p.crop == .936 && p.size == 475);
}

/* A file with this metadata alone. */
static struct nst_safetensors *metadata(const char *text)
{
	static struct nst_buf b; /* what st borrows */
	struct nst_safetensors *st;
	char header[800];
	uint64_t n;

	b.len = 0;
	snprintf(header, sizeof(header), "{\"__metadata__\":{%s}}", text);
	n = strlen(header);
	OK(nst_buf_append(&b, &n, 8, &err));
	OK(nst_buf_append(&b, header, n, &err));
	OK(nst_safetensors_parse(&st, b.data, b.len, "x", &err));
	return st;
}

static void configurations(void **state)
{
	static const char *const senseless[][2] = {
		{"\"input_size\":\"[3, 224]\"", "input_size"},
		{"\"input_size\":\"[1, 224, 224]\"", "input_size"},
		{"\"input_size\":\"[3, 224, 225]\"", "input_size"},
		{"\"input_size\":\"[3, 0, 0]\"", "input_size"},
		{"\"input_size\":\"[3, 1.5, 1.5]\"", "input_size"},
		{"\"input_size\":\"[3, 5000, 5000]\"", "input_size"},
		{"\"input_size\":\"big\"", "input_size"},
		{"\"crop_pct\":\"0\"", "crop_pct"},
		{"\"crop_pct\":\"1.01\"", "crop_pct"},
		{"\"crop_pct\":\"nan\"", "crop_pct"},
		{"\"crop_mode\":\"border\"", "crop_mode"},
		{"\"cropping\":\"center\"", "cropping"},
		{"\"interpolation\":\"random\"", "interpolation"},
		{"\"mean\":\"[0.5, 0.5]\"", "mean"},
		{"\"mean\":\"[0.5, 0.5, 1e60]\"", "mean"},
		{"\"std\":\"[0.5, 0, 0.5]\"", "std"},
	};
	struct nst_preprocess p, start;
	struct nst_safetensors *st;
	struct nst_arch arch;

	(void)state;
	OK(nst_arch_find("efficientnet-b0-32", &arch, &err));
	nst_timm_preprocess(&arch, &start);
	p = start;
	st = metadata("\"format\":\"pt\",\"num_classes\":\"10\"");
	OK(nst_timm_read(st, &p, &err));
	assert_memory_equal(&p, &start, sizeof(p));
	nst_safetensors_free(st);
	st = metadata("\"input_size\":\"[3, 288, 288]\",\"crop_pct\":\"0.95\","
		      "\"crop_mode\":\"center\",\"interpolation\":\"bilinear\",\"mean\":\"[0.5, 0.25, 0]\","
		      "\"std\":\"[0.5, 1, 2]\"");
	OK(nst_timm_read(st, &p, &err));
	assert_int_equal(p.size, 288);
	assert_int_equal(p.cropping, NST_CROP_SHORTEST);
	assert_true(p.crop == .95);
	assert_int_equal(p.filter, NST_BILINEAR);
	assert_true(p.mean[0] == .5f && p.mean[1] == .25f && p.mean[2] == 0);
	assert_true(p.std[0] == .5f && p.std[1] == 1 && p.std[2] == 2);
	nst_safetensors_free(st);
	for (size_t i = 0; i < sizeof(senseless) / sizeof(*senseless); i++) {
		st = metadata(senseless[i][0]);
		FAILS(nst_timm_read(st, &p, &err), senseless[i][1]);
		assert_non_null(strstr(err.msg, "cannot read 'x': its metadata"));
		nst_safetensors_free(st);
	}
}

static void configurations_back(void **state)
{
	const struct nst_preprocess some[] = {
		{224, NST_CROP_CENTRAL, 224. / 256, NST_BICUBIC, {.485f, .456f, .406f},
		 {.229f, .224f, .225f}},
		{299, NST_CROP_SHORTEST, 1. / 3, NST_LANCZOS, {1.f / 3, -1e-9f, 0},
		 {1e-7f, 3, 1.f / 7}},
		{1, NST_CROP_WHOLE, 1, NST_BOX, {0, 0, 0}, {1, 1, 1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++) {
		struct nst_safetensors_out *out;
		struct nst_safetensors *st;
		struct nst_preprocess p;
		float *v = p.mean;

		nst_preprocess_init(&p, 64);
		OK(nst_safetensors_create(&out, "p", &err));
		OK(nst_timm_write(out, &some[i], &err));
		OK(nst_safetensors_close(out, &err));
		OK(nst_safetensors_open(&st, "p", &err));
		OK(nst_timm_read(st, &p, &err));
		nst_safetensors_free(st);
		assert_int_equal(p.size, some[i].size);
		assert_int_equal(p.cropping, some[i].cropping);
		assert_true(p.crop == some[i].crop);
		assert_int_equal(p.filter, some[i].filter);
		assert_memory_equal(v, some[i].mean, sizeof(p.mean));
		assert_memory_equal(p.std, some[i].std, sizeof(p.std));
	}
}

/* ---- specs in files ---- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),
		cmocka_unit_test(aliases),
		cmocka_unit_test(preprocessing),
		cmocka_unit_test(configurations),
		cmocka_unit_test(configurations_back),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
