/* Architectures: published parameter counts, scaling, the text form and what it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "libcore/nn/net.h"

static struct nst_net *net_of(const char *name, size_t size, size_t classes)
{
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_err err = { 0 };

	assert_int_equal(nst_arch_find(name, &arch, &err), 0);
	assert_int_equal(nst_net_new(&arch, size, classes, &net, &err), 0);
	return net;
}

/* Counts of the trained parameters: timm and torchvision for EfficientNet and ResNet at 1000
 * classes, the original papers' repositories for the small nets at 10.  Millions of multiply-adds,
 * at the default size, with so many digits as are published. */
static const struct {
	const char *name;
	size_t classes, count;
	double mmacs, digit; /* half of the last digit is what it may be off */
} published[] = {
	{ "efficientnet-b0", 1000, 5288548, 386, 1 },
	{ "efficientnet-b1", 1000, 7794184, 687, 1 },
	{ "efficientnet-b2", 1000, 9109994, 994, 1 },
	{ "efficientnet-b3", 1000, 12233232, 1827, 1 },
	{ "efficientnet-b4", 1000, 19341616, 4394, 1 },
	{ "efficientnet-b5", 1000, 30389784, 10266, 1 },
	{ "efficientnet-b6", 1000, 43040704, 19068, 1 },
	{ "efficientnet-b7", 1000, 66347960, 37746, 1 },
	{ "efficientnet-b8", 1000, 87413142, 62597, 1 },
	{ "efficientnet-l0", 1000, 140764664, 32846, 1 },
	{ "efficientnet-l1", 1000, 272630564, 64869, 1 },
	{ "efficientnet-l2", 1000, 480309308, 170900, 100 },
	{ "efficientnet-b0-32", 10, 4020358, 102.3, 0.1 },
	{ "efficientnet-b1-32", 10, 6525994, 154.8, 0.1 },
	{ "efficientnet-b2-32", 10, 7715084, 184.1, 0.1 },
	{ "efficientnet-b3-32", 10, 10711602, 258.8, 0.1 },
	{ "resnet18", 1000, 11689512, 1814, 1 },
	{ "resnet34", 1000, 21797672, 3664, 1 },
	{ "resnet50", 1000, 25557032, 4089, 1 },
	{ "resnet101", 1000, 44549160, 7801, 1 },
	{ "resnet152", 1000, 60192808, 11514, 1 },
	{ "resnet20", 10, 269722, 40.55, 0.01 },
	{ "resnet26", 10, 366938, 54.7, 0.1 },
	{ "resnet32", 10, 464154, 68.9, 0.1 },
	{ "resnet38", 10, 561370, 83.0, 0.1 },
	{ "resnet44", 10, 658586, 97.2, 0.1 },
	{ "resnet56", 10, 853018, 125.5, 0.1 },
	{ "resnet110", 10, 1727962, 252.9, 0.1 },
	{ "wrn-28-2", 10, 1467610, 214.4, 0.1 },
	{ "wrn-28-10", 10, 36479194, 5243, 1 },
	{ "wrn-40-2", 10, 2243546, 327.6, 0.1 },
	{ "wrn-10-1", 10, 78106, 12.8, 0.1 },
	{ "wrn-16-1", 10, 175322, 26.9, 0.1 },
};

static void test_published_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(published) / sizeof(*published); i++) {
		struct nst_net *net = net_of(published[i].name, 0, published[i].classes);
		double mmacs = (double)net->macs / 1e6;

		if (net->ncounted != published[i].count)
			fail_msg("%s has %zu parameters", published[i].name, net->ncounted);
		if (!(fabs(mmacs - published[i].mmacs) <= 0.501 * published[i].digit))
			fail_msg("%s has %.3f MMAC", published[i].name, mmacs);
		nst_net_free(net);
	}
}

/* L2 at the size of its last, short training. */
static void test_arithmetic_at_another_size(void **state)
{
	struct nst_net *net = net_of("efficientnet-l2", 800, 1000);

	(void)state;
	assert_true(fabs((double)net->macs / 1e9 - 475.7) <= 0.05);
	nst_net_free(net);
}

/* What the variants of EfficientNet are: size, dropout, blocks, channels of stem and head. */
static const struct {
	const char *name;
	size_t size;
	double dropout;
	size_t blocks, stem, head;
} scaled[] = {
	{ "efficientnet-b0", 224, 0.2, 16, 32, 1280 },
	{ "efficientnet-b1", 240, 0.2, 23, 32, 1280 },
	{ "efficientnet-b2", 260, 0.3, 23, 32, 1408 },
	{ "efficientnet-b3", 300, 0.3, 26, 40, 1536 },
	{ "efficientnet-b4", 380, 0.4, 32, 48, 1792 },
	{ "efficientnet-b5", 456, 0.4, 39, 48, 2048 },
	{ "efficientnet-b6", 528, 0.5, 45, 56, 2304 },
	{ "efficientnet-b7", 600, 0.5, 55, 64, 2560 },
	{ "efficientnet-b8", 672, 0.5, 61, 72, 2816 },
	{ "efficientnet-l0", 380, 0.5, 63, 88, 3584 },
	{ "efficientnet-l1", 380, 0.5, 63, 128, 4992 },
	{ "efficientnet-l2", 475, 0.5, 88, 136, 5504 },
};

static void test_scaled_variants(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scaled) / sizeof(*scaled); i++) {
		struct nst_net *net = net_of(scaled[i].name, 0, 1000);
		const struct nst_arch *a = &net->arch;
		struct nst_arch small;
		struct nst_err err = { 0 };
		char name[NST_ARCH_NAME] = "";

		assert_int_equal(net->size, scaled[i].size);
		assert_true(a->dropout == scaled[i].dropout && a->drop_path == 0.2);
		assert_true(a->bn_eps == 1e-3 && a->bn_momentum == 0.99);
		assert_int_equal(a->pad, NST_PAD_SAME);
		assert_int_equal(net->nblocks, scaled[i].blocks);
		assert_int_equal(a->stage[0].channels, scaled[i].stem);
		assert_int_equal(a->stage[a->nstages - 1].channels, scaled[i].head);

		/* The form for small images differs in the strides of stages 2 and 3 alone. */
		strcat(strcat(name, scaled[i].name), "-32");
		assert_int_equal(nst_arch_find(name, &small, &err), 0);
		assert_int_equal(small.size, 32);
		assert_int_equal(small.nstages, a->nstages);
		for (size_t s = 0; s < a->nstages; s++) {
			int differs = s == 2 || s == 3;

			assert_int_equal(a->stage[s].stride, differs ? 2 : small.stage[s].stride);
			assert_int_equal(small.stage[s].stride, differs ? 1 : a->stage[s].stride);
			small.stage[s].stride = a->stage[s].stride;
			assert_memory_equal(&a->stage[s], &small.stage[s], sizeof(*a->stage));
		}
		nst_net_free(net);
	}
}

/* Repeats and channels of the seven stages after scaling. */
static const struct {
	const char *name;
	size_t repeats[7], channels[7];
} stages[] = {
	{ "efficientnet-b0",
	  { 1, 2, 2, 3, 3, 4, 1 },
	  { 16, 24, 40, 80, 112, 192, 320 } },
	{ "efficientnet-b1",
	  { 2, 3, 3, 4, 4, 5, 2 },
	  { 16, 24, 40, 80, 112, 192, 320 } },
	{ "efficientnet-b2",
	  { 2, 3, 3, 4, 4, 5, 2 },
	  { 16, 24, 48, 88, 120, 208, 352 } },
	{ "efficientnet-b3",
	  { 2, 3, 3, 5, 5, 6, 2 },
	  { 24, 32, 48, 96, 136, 232, 384 } },
	{ "efficientnet-b4",
	  { 2, 4, 4, 6, 6, 8, 2 },
	  { 24, 32, 56, 112, 160, 272, 448 } },
	{ "efficientnet-b5",
	  { 3, 5, 5, 7, 7, 9, 3 },
	  { 24, 40, 64, 128, 176, 304, 512 } },
	{ "efficientnet-b6",
	  { 3, 6, 6, 8, 8, 11, 3 },
	  { 32, 40, 72, 144, 200, 344, 576 } },
	{ "efficientnet-b7",
	  { 4, 7, 7, 10, 10, 13, 4 },
	  { 32, 48, 80, 160, 224, 384, 640 } },
	{ "efficientnet-l2",
	  { 6, 11, 11, 16, 16, 22, 6 },
	  { 72, 104, 176, 344, 480, 824, 1376 } },
};

static void test_scaled_stages(void **state)
{
	static const size_t k[] = { 3, 3, 5, 3, 5, 5, 3 }, stride[] = { 1, 2, 2, 2, 1, 2, 1 },
			    expand[] = { 1, 6, 6, 6, 6, 6, 6 };

	(void)state;
	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
		struct nst_arch a;
		struct nst_err err = { 0 };

		assert_int_equal(nst_arch_find(stages[i].name, &a, &err), 0);
		assert_int_equal(a.nstages, 9);
		for (size_t s = 0; s < 7; s++) {
			const struct nst_stage *t = &a.stage[s + 1];

			assert_int_equal(t->kind, NST_STAGE_MBCONV);
			assert_int_equal(t->repeats, stages[i].repeats[s]);
			assert_int_equal(t->channels, stages[i].channels[s]);
			assert_int_equal(t->k, k[s]);
			assert_int_equal(t->stride, stride[s]);
			assert_int_equal(t->expand, expand[s]);
			assert_true(t->se == 0.25 && t->act == NST_ACT_SWISH);
		}
	}
}

static void test_rounding(void **state)
{
	static const size_t b4[] = { 24, 32, 56, 112, 160, 272, 448 },
			    plain[] = { 16, 24, 40, 80, 112, 192, 320 };

	(void)state;
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(nst_arch_round_channels(plain[i], 1.4), b4[i]);
	assert_int_equal(nst_arch_round_channels(32, 1.1), 32); /* 35.2: 32 is above 90 % of it */
	assert_int_equal(nst_arch_round_channels(10, 1.0), 16); /* 8 would be below 90 % */
	assert_int_equal(nst_arch_round_channels(1, 0.1), 8);
	assert_int_equal(nst_arch_round_repeats(3, 1.1), 4);
	assert_int_equal(nst_arch_round_repeats(4, 1.0), 4);
}

static void test_every_listed_name_prints_and_parses_back(void **state)
{
	struct nst_arch a, b;
	struct nst_err err = { 0 };
	const char *name;

	(void)state;
	for (size_t i = 0; (name = nst_arch_listed(i)); i++) {
		struct nst_buf one = { 0 }, two = { 0 };

		assert_int_equal(nst_arch_find(name, &a, &err), 0);
		assert_int_equal(nst_arch_print(&a, &one, &err), 0);
		assert_int_equal(nst_arch_parse(name, (const char *)one.data, &b, &err), 0);
		assert_int_equal(nst_arch_print(&b, &two, &err), 0);
		assert_string_equal((const char *)one.data, (const char *)two.data);
		assert_string_equal(a.name, name);
		nst_buf_release(&one);
		nst_buf_release(&two);
	}
}

static void test_spec_of_resnet20(void **state)
{
	struct nst_arch a;
	struct nst_err err = { 0 };
	struct nst_buf b = { 0 };

	(void)state;
	assert_int_equal(nst_arch_find("resnet20", &a, &err), 0);
	assert_int_equal(nst_arch_print(&a, &b, &err), 0);
	assert_string_equal((const char *)b.data, "net size=32 pad=symmetric bn-eps=1e-05 "
						  "bn-momentum=0.9 init=he dropout=0 drop-path=0\n"
						  "conv k=3 s=1 c=16 bn=1 act=relu\n"
						  "basic k=3 s=1 c=16 n=3 shortcut=pad act=relu\n"
						  "basic k=3 s=2 c=32 n=3 shortcut=pad act=relu\n"
						  "basic k=3 s=2 c=64 n=3 shortcut=pad act=relu\n");
	nst_buf_release(&b);
}

#define NET  "net size=32 pad=same bn-eps=0.001 bn-momentum=0.99 init=tf dropout=0 drop-path=0\n"
#define STEM "conv k=3 s=2 c=8 bn=1 act=swish\n"

static void test_refused_specs(void **state)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{ "", "does not begin with 'conv'" },
		{ STEM, "does not begin with 'net'" },
		{ NET, "does not begin with 'conv'" },
		{ NET "basic k=3 s=1 c=8 n=1 shortcut=pad act=relu\n",
		  "does not begin with 'conv'" },
		{ NET STEM "pool\n", "line 3: unknown stage 'pool'" },
		{ NET STEM "norm act=relu size=3\n", "line 3: unknown word 'size'" },
		{ NET STEM "norm\n", "line 3: 'act' is missing" },
		{ NET STEM "norm act\n", "line 3: unknown word 'act'" },
		{ NET STEM "norm act=relu act=relu\n", "line 3: 'act' stands twice" },
		{ NET STEM "norm act=tanh\n", "line 3: 'act' cannot be 'tanh'" },
		{ NET "conv k=0 s=1 c=8 bn=1 act=relu\n", "line 2: 'k' cannot be '0'" },
		{ NET "conv k=2 s=1 c=8 bn=1 act=relu\n", "line 2: 'k' must be odd" },
		{ NET "conv k=3 s=1 c=99999999 bn=1 act=relu\n",
		  "line 2: 'c' cannot be '99999999'" },
		{ NET "conv k=3 s=1 c=8x bn=1 act=relu\n", "line 2: 'c' cannot be '8x'" },
		{ NET STEM "norm act=relu\nnorm act=relu\n", "line 3: 'norm' in the middle" },
		{ NET STEM "basic k=3 s=1 c=8 n=1 shortcut=pad act=swish\n",
		  "line 3: 'basic' needs act=relu" },
		{ NET STEM "bottleneck k=3 s=1 c=8 n=1 shortcut=pad act=swish\n",
		  "line 3: 'bottleneck' needs act=relu" },
		{ NET STEM "bottleneck k=3 s=1 c=6 n=1 shortcut=conv act=relu\n",
		  "line 3: 'c' of a bottleneck must be a multiple of 4" },
		{ NET STEM "maxpool k=3 s=2 c=8\n", "line 3: unknown word 'c'" },
		{ NET STEM "maxpool k=2 s=2\n", "line 3: 'k' must be odd" },
		{ NET STEM "basic k=3 s=1 c=8 n=1 shortcut=pad act=relu\nmaxpool k=3 s=2\n",
		  "line 4: 'maxpool' in the middle" },
		{ NET "maxpool k=3 s=2\n" STEM, "does not begin with 'conv'" },
		{ NET STEM "basic k=3 s=1 c=4 n=1 shortcut=pad act=relu\n",
		  "narrower than its input" },
		{ NET STEM "basic k=3 s=1 c=8 n=1 shortcut=pad act=relu\n"
			   "preact k=3 s=1 c=8 n=1 shortcut=pad act=relu\n",
		  "line 4: 'preact' blocks after 'basic' blocks" },
		{ "# mine\n\n" NET "\n" STEM "\n# the end\nnorm act=tanh\n",
		  "line 8: 'act' cannot be 'tanh'" },
		{ "\n" NET "#\n" STEM "\n\nmaxpool k=3 s=2\n#\nnorm act=relu\nnorm act=relu\n",
		  "line 9: 'norm' in the middle" },
		{ "# nothing\n\n", "does not begin with 'conv'" },
		{ "net size=32 pad=same bn-eps=0 bn-momentum=0.99 init=tf dropout=0 "
		  "drop-path=0\n" STEM,
		  "'bn-eps' cannot be '0'" },
		{ "net size=32 pad=same bn-eps=nan bn-momentum=0.99 init=tf dropout=0 "
		  "drop-path=0\n" STEM,
		  "'bn-eps' cannot be 'nan'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct nst_arch a;
		struct nst_err err = { 0 };

		if (nst_arch_parse("test", bad[i].text, &a, &err) == 0)
			fail_msg("accepted: %s", bad[i].text);
		if (!strstr(err.msg, bad[i].sentence))
			fail_msg("'%s' lacks '%s'", err.msg, bad[i].sentence);
	}
}

/* What people write around a spec changes nothing. */
static void test_blanks_and_comments(void **state)
{
	static const char plain[] = NET STEM "norm act=relu\n";
	static const char *const same[] = {
		"\n" NET "\n\n" STEM "norm act=relu\n\n",
		"# net\n" NET "  # conv k=1\n" STEM "#norm act=swish\nnorm act=relu\n#",
		NET STEM " \t norm \t act=relu \t ",
		NET STEM "norm act=relu\r\n\r\n",
	};
	struct nst_arch a, b;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_arch_parse("x", plain, &a, &err), 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		if (nst_arch_parse("x", same[i], &b, &err))
			fail_msg("%s", err.msg);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void test_unknown_names(void **state)
{
	static const char *const bad[] = { "",
					   "resnet",
					   "resnet21",
					   "resnet019",
					   "resnet020",
					   "resnet+20",
					   "resnet2",
					   "resnet1208",
					   "wrn-028-2",
					   "wrn-28-02",
					   "wrn-28",
					   "wrn-27-2",
					   "wrn-28-0",
					   "wrn--2",
					   "efficientnet-b",
					   "efficientnet-b0-64",
					   "efficientnet-b9",
					   "efficientnet-l3",
					   "efficientnet-l2-33",
					   "efficientnet-b01",
					   "vgg16" };
	struct nst_arch a;
	struct nst_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(nst_arch_find(bad[i], &a, &err), NST_EINVAL);
		assert_non_null(strstr(err.msg, "unknown architecture"));
	}
	assert_int_equal(nst_arch_find("resnet21", &a, &err), NST_EINVAL);
	assert_non_null(strstr(err.msg, "resnet20, resnet26"));
	assert_int_equal(nst_arch_find("efficientnet-c0", &a, &err), NST_EINVAL);
	assert_non_null(strstr(err.msg, "efficientnet-l2 and others")); /* the sentence is whole */
}

/* Families without end: what is not listed is there all the same. */
static void test_names_that_are_not_listed(void **state)
{
	static const char *const good[] = { "resnet8", "resnet14", "resnet62", "resnet1202", "wrn-22-8",
					    "wrn-40-10" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct nst_arch a;
		struct nst_err err = { 0 };

		assert_int_equal(nst_arch_find(good[i], &a, &err), 0);
		assert_int_equal(a.size, 32);
		for (size_t j = 0; nst_arch_listed(j); j++)
			assert_string_not_equal(nst_arch_listed(j), good[i]);
	}
}

static void test_net_layout(void **state)
{
	struct nst_net *net = net_of("efficientnet-b0-32", 0, 10);
	size_t seen = 0;

	(void)state;
	assert_int_equal(net->nblocks, 16);
	assert_int_equal(net->tensor[0].h, 32);
	for (size_t i = 0; i < net->nparams; i++) {
		const struct nst_param *p = &net->param[i];
		int norm = p->role == NST_PARAM_GAMMA || p->role == NST_PARAM_BETA;
		int running = p->role == NST_PARAM_MEAN || p->role == NST_PARAM_VAR;

		assert_int_equal(p->offset % 16, 0);
		assert_true(nst_net_find(net, p->name) == p); /* names are unique */
		assert_int_equal(p->offset >= net->ndecay, norm || running);
		assert_int_equal(p->offset >= net->ntrain, running);
		assert_true(p->offset + p->count <= net->nfloats);
		for (size_t j = 0; j < i; j++) {
			const struct nst_param *q = &net->param[j];

			assert_true(p->offset >= q->offset + q->count ||
				    q->offset >= p->offset + p->count);
		}
		seen += running ? 0 : p->count;
	}
	assert_int_equal(seen, net->ncounted);
	assert_non_null(nst_net_find(net, "conv_stem.weight"));
	assert_non_null(nst_net_find(net, "blocks.0.0.conv_dw.weight"));
	assert_non_null(nst_net_find(net, "blocks.0.0.se.conv_reduce.bias"));
	assert_non_null(nst_net_find(net, "blocks.6.0.bn3.running_var"));
	assert_non_null(nst_net_find(net, "classifier.bias"));
	assert_null(nst_net_find(net, "blocks.7.0.bn3.running_var"));
	nst_net_free(net);
}

/* Operations have names of their own, and what they count adds up to the whole. */
static void test_operations(void **state)
{
	static const char *const names[] = { "efficientnet-b0", "resnet18", "resnet20", "wrn-16-2" };

	(void)state;
	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
		struct nst_net *net = net_of(names[n], 0, 10);
		size_t params = 0;
		uint64_t macs = 0;

		for (size_t i = 0; i < net->nops; i++) {
			char name[NST_OP_NAME], other[NST_OP_NAME];

			nst_op_name(net, &net->op[i], name);
			assert_true(*name);
			for (size_t j = 0; j < i; j++) {
				nst_op_name(net, &net->op[j], other);
				assert_string_not_equal(name, other);
			}
			params += nst_op_params(net, &net->op[i]);
			macs += nst_op_macs(net, &net->op[i]);
		}
		assert_int_equal(params, net->ncounted);
		assert_true(macs == net->macs);
		nst_net_free(net);
	}
}

/* One row has batch statistics as long as maps have more than one pixel. */
static void test_least_grain(void **state)
{
	static const struct {
		const char *name;
		size_t size, rows;
	} want[] = {
		{ "efficientnet-b0", 224, 1 }, { "efficientnet-b0", 33, 1 },
		{ "efficientnet-b0", 32, 2 },  { "efficientnet-b0-32", 32, 1 },
		{ "efficientnet-l2", 475, 1 }, { "resnet20", 8, 1 },
		{ "resnet20", 4, 2 },	       { "wrn-10-1", 16, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		struct nst_net *net = net_of(want[i].name, want[i].size, 10);

		assert_int_equal(nst_net_least_grain(net, 0), want[i].rows);
		assert_int_equal(nst_net_least_grain(net, SIZE_MAX), 1);
		nst_net_free(net);
	}
}

/* Asymmetric padding: at stride 2 an even side gets its only padding cell at the far end. */
static void test_padding(void **state)
{
	struct nst_net *same = net_of("efficientnet-b0", 32, 10),
		       *odd = net_of("efficientnet-b0", 33, 10);
	struct nst_net *symmetric = net_of("resnet20", 32, 10);

	(void)state;
	assert_int_equal(same->op[0].geo.pad_top, 0);
	assert_int_equal(same->op[0].geo.ho, 16);
	assert_int_equal(odd->op[0].geo.pad_top, 1);
	assert_int_equal(odd->op[0].geo.ho, 17);
	assert_int_equal(symmetric->op[0].geo.pad_left, 1);
	nst_net_free(same);
	nst_net_free(odd);
	nst_net_free(symmetric);
}

static void test_net_refuses(void **state)
{
	struct nst_arch arch;
	struct nst_net *net;
	struct nst_err err = { 0 };

	(void)state;
	assert_int_equal(nst_arch_find("resnet20", &arch, &err), 0);
	assert_int_equal(nst_net_new(&arch, 0, 0, &net, &err), NST_EINVAL);
	assert_null(net);
	assert_int_equal(nst_net_new(&arch, NST_ARCH_SIDE + 1, 10, &net, &err), NST_ELIMIT);
	assert_int_equal(nst_net_new(&arch, 1, 1, &net, &err), 0); /* tiny, but sound */
	nst_net_free(net);
	assert_int_equal(nst_arch_parse("huge",
					NET "conv k=15 s=1 c=65536 bn=1 act=relu\n"
					    "mbconv k=15 s=1 c=65536 n=1 e=64 se=0 act=relu\n",
					&arch, &err),
			 0);
	assert_int_equal(nst_net_new(&arch, 4096, 10, &net, &err), NST_ELIMIT);
	assert_null(net);
}

static double deviation(const float *w, size_t n, double *mean)
{
	double sum = 0, square = 0;

	for (size_t i = 0; i < n; i++)
		sum += w[i];
	*mean = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		square += (w[i] - *mean) * (w[i] - *mean);
	return square / (double)n;
}

static void test_initial_values(void **state)
{
	struct nst_net *net = net_of("efficientnet-b0-32", 0, 10);
	struct nst_err err = { 0 };
	float *a = nst_zalloc(net->nfloats, sizeof(float), &err),
	      *b = nst_zalloc(net->nfloats, sizeof(float), &err);
	const struct nst_param *head = nst_net_find(net, "conv_head.weight");
	const struct nst_param *dw = nst_net_find(net, "blocks.6.0.conv_dw.weight");
	const struct nst_param *dense = nst_net_find(net, "classifier.weight");
	double mean, var;
	float largest = 0;

	(void)state;
	nst_net_init(net, 7, a);
	nst_net_init(net, 7, b);
	assert_memory_equal(a, b, net->nfloats * sizeof(float));
	nst_net_init(net, 8, b);
	assert_memory_not_equal(a, b, net->nfloats * sizeof(float));

	var = deviation(a + head->offset, head->count, &mean); /* 409,600 values */
	assert_true(var > 2.0 / 1280 * 0.98 && var < 2.0 / 1280 * 1.02 && mean * mean < 1e-7);
	var = deviation(a + dw->offset, dw->count, &mean); /* 10,368 values, one output a channel */
	assert_true(var > 2.0 / 9 * 0.94 && var < 2.0 / 9 * 1.06);
	for (size_t i = 0; i < dense->count; i++)
		largest = a[dense->offset + i] > largest ? a[dense->offset + i] : largest;
	assert_true(largest <= 0.31623f && largest > 0.316f); /* 1/sqrt(10 outputs) */
	assert_true(a[nst_net_find(net, "bn1.weight")->offset] == 1);
	assert_true(a[nst_net_find(net, "bn1.bias")->offset] == 0);
	assert_true(a[nst_net_find(net, "bn1.running_mean")->offset] == 0);
	assert_true(a[nst_net_find(net, "bn1.running_var")->offset] == 1);
	free(a);
	free(b);
	nst_net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_counts),
		cmocka_unit_test(test_arithmetic_at_another_size),
		cmocka_unit_test(test_scaled_variants),
		cmocka_unit_test(test_scaled_stages),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_every_listed_name_prints_and_parses_back),
		cmocka_unit_test(test_spec_of_resnet20),
		cmocka_unit_test(test_refused_specs),
		cmocka_unit_test(test_blanks_and_comments),
		cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_names_that_are_not_listed),
		cmocka_unit_test(test_net_layout),
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_least_grain),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_net_refuses),
		cmocka_unit_test(test_initial_values),
	};

	return cmocka_run_group_tests_name("arch", tests, NULL, NULL);
}
