/* Architectures: the table of names, the text form, and its strict parser.
 *
 * A name becomes a spec text first and that text is parsed like any other, so what a model file
 * stores, what a user may write and what the table holds can never differ in meaning. */
#include "libcore/nn/arch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/util/num.h"

/* ---- words --------------------------------------------------------------------------------- */

static const char *const kind_word[] = { "conv",       "maxpool", "mbconv", "basic",
					 "bottleneck", "preact",  "norm" };
static const char *const pad_word[] = { "same", "symmetric" };
static const char *const shortcut_word[] = { "pad", "conv" };
static const char *const init_word[] = { "tf", "he" };
static const char *const act_word[] = { "none", "relu", "swish" };

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static int word_find(const char *const *words, size_t n, const char *w)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], w))
			return (int)i;
	return -1;
}

enum value_type { V_SIZE, V_REAL, V_WORD };

/* A key=value pair of a line: its type, range, and where it goes.  Sizes and words go to size_t and
 * int through `to_size` and `to_int`. */
struct key {
	const char *name;
	enum value_type type;
	double lo, hi;
	size_t *to_size;
	double *to_real;
	int *to_int;
	const char *const *words;
	size_t nwords;
};

/* Parse "key=value ..." of one line into the given keys: every one exactly once. */
static int keys_parse(char *line, const struct key *keys, size_t nkeys, const char *name,
		      size_t lineno, struct nst_err *err)
{
	unsigned seen = 0;
	char *save = NULL;

	for (char *w = strtok_r(line, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		char *value = strchr(w, '=');
		const struct key *k = NULL;
		size_t i = 0;
		int64_t n;
		double d;
		int ok = 0;

		if (value) {
			*value++ = 0;
			for (i = 0; i < nkeys && strcmp(keys[i].name, w); i++)
				;
			k = i < nkeys ? &keys[i] : NULL;
		}
		if (!k)
			return nst_fail(err, NST_EFORMAT,
					"architecture '%s', line %zu: unknown word '%s'", name,
					lineno, w);
		if (seen & 1u << i)
			return nst_fail(err, NST_EFORMAT,
					"architecture '%s', line %zu: '%s' stands twice", name,
					lineno, w);
		seen |= 1u << i;
		switch (k->type) {
		case V_SIZE:
			ok = !nst_parse_int(value, &n) && n >= (int64_t)k->lo &&
			     n <= (int64_t)k->hi;
			if (ok)
				*k->to_size = (size_t)n;
			break;
		case V_REAL:
			ok = !nst_parse_double(value, &d) && d >= k->lo && d <= k->hi;
			if (ok)
				*k->to_real = d;
			break;
		case V_WORD:
			*k->to_int = word_find(k->words, k->nwords, value);
			ok = *k->to_int >= 0;
			break;
		}
		if (!ok)
			return nst_fail(err, NST_EFORMAT,
					"architecture '%s', line %zu: '%s' cannot be '%s'", name,
					lineno, w, value);
	}
	for (size_t i = 0; i < nkeys; i++)
		if (!(seen & 1u << i))
			return nst_fail(err, NST_EFORMAT,
					"architecture '%s', line %zu: '%s' is missing", name,
					lineno, keys[i].name);
	return 0;
}

static struct key key_size(const char *name, size_t lo, size_t hi, size_t *to)
{
	struct key k = { .name = name, .type = V_SIZE, .to_size = to };

	k.lo = (double)lo;
	k.hi = (double)hi;
	return k;
}

static struct key key_real(const char *name, double lo, double hi, double *to)
{
	struct key k = { .name = name, .type = V_REAL, .lo = lo, .hi = hi, .to_real = to };

	return k;
}

static struct key key_word(const char *name, const char *const *words, size_t n, int *to)
{
	struct key k = { .name = name, .type = V_WORD, .words = words, .nwords = n, .to_int = to };

	return k;
}

/* ---- lines --------------------------------------------------------------------------------- */

static const double below_one = 0.999999;

static int net_line_parse(char *rest, size_t lineno, struct nst_arch *a, struct nst_err *err)
{
	int pad = 0, init = 0;
	struct key keys[] = {
		key_size("size", 1, NST_ARCH_SIDE, &a->size),
		key_word("pad", pad_word, COUNT(pad_word), &pad),
		key_real("bn-eps", 1e-12, 1, &a->bn_eps),
		key_real("bn-momentum", 0, below_one, &a->bn_momentum),
		key_word("init", init_word, COUNT(init_word), &init),
		key_real("dropout", 0, below_one, &a->dropout),
		key_real("drop-path", 0, below_one, &a->drop_path),
	};
	int r = keys_parse(rest, keys, COUNT(keys), a->name, lineno, err);

	a->pad = (enum nst_pad)pad;
	a->init = (enum nst_init)init;
	return r;
}

/* Kinds that are blocks with a shortcut, and those with an activation behind the sum. */
static int has_shortcut(enum nst_stage_kind kind)
{
	return kind == NST_STAGE_BASIC || kind == NST_STAGE_BOTTLENECK || kind == NST_STAGE_PREACT;
}

static int acts_on_sum(enum nst_stage_kind kind)
{
	return kind == NST_STAGE_BASIC || kind == NST_STAGE_BOTTLENECK;
}

static int stage_line_parse(char *rest, struct nst_stage *s, const char *name, size_t lineno,
			    struct nst_err *err)
{
	int act = 0, shortcut = 0;
	size_t bn = 1, n = 0;
	struct key keys[8];
	int r;

	s->repeats = 1;
	s->stride = 1;
	s->k = 1;
	if (s->kind != NST_STAGE_NORM) {
		keys[n++] = key_size("k", 1, 15, &s->k);
		keys[n++] = key_size("s", 1, 4, &s->stride);
	}
	if (s->kind == NST_STAGE_CONV) {
		keys[n++] = key_size("c", 1, NST_ARCH_CHANNELS, &s->channels);
		keys[n++] = key_size("bn", 0, 1, &bn);
	} else if (nst_stage_is_block(s->kind)) {
		keys[n++] = key_size("c", 1, NST_ARCH_CHANNELS, &s->channels);
		keys[n++] = key_size("n", 1, 1000, &s->repeats);
	}
	if (s->kind == NST_STAGE_MBCONV) {
		keys[n++] = key_size("e", 1, 64, &s->expand);
		keys[n++] = key_real("se", 0, 1, &s->se);
	}
	if (has_shortcut(s->kind))
		keys[n++] = key_word("shortcut", shortcut_word, COUNT(shortcut_word), &shortcut);
	if (s->kind != NST_STAGE_MAXPOOL)
		keys[n++] = key_word("act", act_word, COUNT(act_word), &act);
	r = keys_parse(rest, keys, n, name, lineno, err);
	if (r)
		return r;
	/* The kernels form the activation behind a residual again only for relu. */
	if (acts_on_sum(s->kind) && act != NST_ACT_RELU)
		return nst_fail(err, NST_EFORMAT,
				"architecture '%s', line %zu: '%s' needs act=relu", name, lineno,
				kind_word[s->kind]);
	if (s->kind == NST_STAGE_BOTTLENECK && s->channels % 4)
		return nst_fail(err, NST_EFORMAT,
				"architecture '%s', line %zu: 'c' of a bottleneck must be a "
				"multiple of 4",
				name, lineno);
	if (s->k % 2 == 0)
		return nst_fail(err, NST_EFORMAT, "architecture '%s', line %zu: 'k' must be odd",
				name, lineno);
	s->bn = (int)bn;
	s->shortcut = (enum nst_shortcut)shortcut;
	s->act = (enum nst_act)act;
	return 0;
}

/* Where a stage may stand: a convolution opens the net, with a pool behind it or not, a convolution
 * or a norm may close it, and blocks do not mix kinds (their parameters are numbered per kind). */
static int order_check(const struct nst_arch *a, const size_t *lineno, struct nst_err *err)
{
	enum nst_stage_kind block = NST_STAGE_CONV;
	size_t channels = a->nstages ? a->stage[0].channels : 0;

	if (a->nstages == 0 || a->stage[0].kind != NST_STAGE_CONV)
		return nst_fail(err, NST_EFORMAT, "architecture '%s' does not begin with 'conv'",
				a->name);
	for (size_t i = 1; i < a->nstages; i++) {
		enum nst_stage_kind kind = a->stage[i].kind;

		if (kind == NST_STAGE_MAXPOOL && i == 1)
			continue;
		if (!nst_stage_is_block(kind)) {
			if (i + 1 != a->nstages || kind == NST_STAGE_MAXPOOL)
				return nst_fail(err, NST_EFORMAT,
						"architecture '%s', line %zu: '%s' in the middle "
						"of the net",
						a->name, lineno[i], kind_word[kind]);
			continue;
		}
		if (block != NST_STAGE_CONV && block != kind)
			return nst_fail(
				err, NST_EFORMAT,
				"architecture '%s', line %zu: '%s' blocks after '%s' blocks",
				a->name, lineno[i], kind_word[kind], kind_word[block]);
		if (kind != NST_STAGE_MBCONV && a->stage[i].shortcut == NST_SHORTCUT_PAD &&
		    a->stage[i].channels < channels)
			return nst_fail(err, NST_EFORMAT,
					"architecture '%s', line %zu: shortcut=pad cannot make a "
					"block narrower than its input",
					a->name, lineno[i]);
		channels = a->stage[i].channels;
		block = kind;
	}
	return 0;
}

/* The line that begins at *text, without its end and blanks before it; *text becomes the next one.
 * NULL behind the last. */
static char *line_take(char **text)
{
	char *line = *text, *end;

	if (!line)
		return NULL;
	end = line + strcspn(line, "\n");
	*text = *end ? end + 1 : NULL;
	while (end > line && strchr(" \t\r", end[-1]))
		end--;
	*end = 0;
	return line + strspn(line, " \t");
}

/* A line of a stage. */
static int stage_parse(const char *word, char *rest, size_t lineno, struct nst_arch *a,
		       struct nst_err *err)
{
	int kind = word_find(kind_word, COUNT(kind_word), word);
	struct nst_stage *s;

	if (a->nstages == NST_ARCH_STAGES)
		return nst_fail(err, NST_ELIMIT, "architecture '%s' has more than %d stages",
				a->name, NST_ARCH_STAGES);
	if (kind < 0)
		return nst_fail(err, NST_EFORMAT, "architecture '%s', line %zu: unknown stage '%s'",
				a->name, lineno, word);
	s = &a->stage[a->nstages++];
	s->kind = (enum nst_stage_kind)kind;
	return stage_line_parse(rest, s, a->name, lineno, err);
}

static int lines_parse(char *text, struct nst_arch *a, struct nst_err *err)
{
	size_t lineno = 0, at[NST_ARCH_STAGES] = { 0 };
	int begun = 0;

	for (char *line; (line = line_take(&text));) {
		char *rest = line + strcspn(line, " \t");
		int r;

		lineno++;
		if (!*line || *line == '#')
			continue;
		if (*rest)
			*rest++ = 0;
		if (begun) {
			r = stage_parse(line, rest, lineno, a, err);
			if (!r)
				at[a->nstages - 1] = lineno;
		} else {
			if (strcmp(line, "net"))
				return nst_fail(err, NST_EFORMAT,
						"architecture '%s' does not begin with 'net'",
						a->name);
			r = net_line_parse(rest, lineno, a, err);
			begun = 1;
		}
		if (r)
			return r;
	}
	return order_check(a, at, err);
}

int nst_arch_parse(const char *name, const char *text, struct nst_arch *out, struct nst_err *err)
{
	size_t len = strnlen(text, NST_ARCH_TEXT + 1), name_len = strlen(name);
	char *copy;
	int r;

	memset(out, 0, sizeof(*out));
	if (name_len >= sizeof(out->name))
		return nst_fail(err, NST_ELIMIT,
				"the name of an architecture is longer than %d bytes",
				NST_ARCH_NAME - 1);
	memcpy(out->name, name, name_len + 1);
	if (len > NST_ARCH_TEXT)
		return nst_fail(err, NST_ELIMIT, "architecture '%s' is longer than %d bytes", name,
				NST_ARCH_TEXT);
	copy = nst_strdup(text, err);
	if (!copy)
		return err->code;
	r = lines_parse(copy, out, err);
	free(copy);
	return r;
}

/* ---- text ---------------------------------------------------------------------------------- */

/* Append " key=d" with as few digits as give back the same number. */
static int real_print(struct nst_buf *b, const char *key, double d, struct nst_err *err)
{
	int r = 0;

	for (int digits = 6; digits <= 17; digits++) {
		size_t start = b->len;
		double back;

		r = nst_buf_printf(b, err, " %s=%.*g", key, digits, d);
		if (r || (!nst_parse_double((char *)b->data + start + strlen(key) + 2, &back) &&
			  back == d))
			return r;
		if (digits < 17)
			b->len = start;
	}
	return r;
}

static int stage_print(const struct nst_stage *s, struct nst_buf *b, struct nst_err *err)
{
	int r = nst_buf_printf(b, err, "%s", kind_word[s->kind]);

	if (!r && s->kind != NST_STAGE_NORM)
		r = nst_buf_printf(b, err, " k=%zu s=%zu", s->k, s->stride);
	if (!r && s->kind == NST_STAGE_CONV)
		r = nst_buf_printf(b, err, " c=%zu bn=%d", s->channels, s->bn);
	else if (!r && nst_stage_is_block(s->kind))
		r = nst_buf_printf(b, err, " c=%zu n=%zu", s->channels, s->repeats);
	if (!r && s->kind == NST_STAGE_MBCONV) {
		r = nst_buf_printf(b, err, " e=%zu", s->expand);
		if (!r)
			r = real_print(b, "se", s->se, err);
	}
	if (!r && has_shortcut(s->kind))
		r = nst_buf_printf(b, err, " shortcut=%s", shortcut_word[s->shortcut]);
	if (!r && s->kind != NST_STAGE_MAXPOOL)
		r = nst_buf_printf(b, err, " act=%s", act_word[s->act]);
	if (!r)
		r = nst_buf_printf(b, err, "\n");
	return r;
}

int nst_arch_print(const struct nst_arch *a, struct nst_buf *b, struct nst_err *err)
{
	int r = nst_buf_printf(b, err, "net size=%zu pad=%s", a->size, pad_word[a->pad]);

	if (!r)
		r = real_print(b, "bn-eps", a->bn_eps, err);
	if (!r)
		r = real_print(b, "bn-momentum", a->bn_momentum, err);
	if (!r)
		r = nst_buf_printf(b, err, " init=%s", init_word[a->init]);
	if (!r)
		r = real_print(b, "dropout", a->dropout, err);
	if (!r)
		r = real_print(b, "drop-path", a->drop_path, err);
	if (!r)
		r = nst_buf_printf(b, err, "\n");
	for (size_t i = 0; !r && i < a->nstages; i++)
		r = stage_print(&a->stage[i], b, err);
	return r;
}

/* ---- the table ----------------------------------------------------------------------------- */

size_t nst_arch_round_channels(size_t channels, double width)
{
	double want = (double)channels * width;
	size_t n = (size_t)(want + 4) / 8 * 8;

	if (n < 8)
		n = 8;
	if ((double)n < 0.9 * want)
		n += 8;
	return n;
}

size_t nst_arch_round_repeats(size_t repeats, double depth)
{
	return (size_t)ceil((double)repeats * depth);
}

/* EfficientNet's stages, and the scaling of B0 to B8: google-research/noisystudent
 * efficientnet_builder.py.  L0, L1 and L2: Xie et al. 2020, table 7 of the first version, with the
 * size they were trained at and the dropout of section 3.1. */
static const struct {
	size_t k, stride, expand, channels, repeats;
} mb_stage[] = {
	{ 3, 1, 1, 16, 1 },  { 3, 2, 6, 24, 2 },  { 5, 2, 6, 40, 2 },  { 3, 2, 6, 80, 3 },
	{ 5, 1, 6, 112, 3 }, { 5, 2, 6, 192, 4 }, { 3, 1, 6, 320, 1 },
};

static const struct {
	const char *name;
	double width, depth;
	size_t size;
	double dropout;
} mb_scale[] = {
	{ "efficientnet-b0", 1.0, 1.0, 224, 0.2 }, { "efficientnet-b1", 1.0, 1.1, 240, 0.2 },
	{ "efficientnet-b2", 1.1, 1.2, 260, 0.3 }, { "efficientnet-b3", 1.2, 1.4, 300, 0.3 },
	{ "efficientnet-b4", 1.4, 1.8, 380, 0.4 }, { "efficientnet-b5", 1.6, 2.2, 456, 0.4 },
	{ "efficientnet-b6", 1.8, 2.6, 528, 0.5 }, { "efficientnet-b7", 2.0, 3.1, 600, 0.5 },
	{ "efficientnet-b8", 2.2, 3.6, 672, 0.5 }, { "efficientnet-l0", 2.8, 3.7, 380, 0.5 },
	{ "efficientnet-l1", 3.9, 3.7, 380, 0.5 }, { "efficientnet-l2", 4.3, 5.3, 475, 0.5 },
};

/* He et al. 2015, table 1; blocks, strides and shortcuts as in torchvision's resnet.py. */
static const struct {
	const char *name, *block;
	size_t channels, repeats[4]; /* channels of the first stage; each further one has twice */
} imagenet_resnet[] = {
	{ "resnet18", "basic", 64, { 2, 2, 2, 2 } },
	{ "resnet34", "basic", 64, { 3, 4, 6, 3 } },
	{ "resnet50", "bottleneck", 256, { 3, 4, 6, 3 } },
	{ "resnet101", "bottleneck", 256, { 3, 4, 23, 3 } },
	{ "resnet152", "bottleneck", 256, { 3, 8, 36, 3 } },
};

static const char *const listed[] = {
	"efficientnet-b0",    "efficientnet-b1",    "efficientnet-b2",    "efficientnet-b3",
	"efficientnet-b4",    "efficientnet-b5",    "efficientnet-b6",    "efficientnet-b7",
	"efficientnet-b8",    "efficientnet-l0",    "efficientnet-l1",    "efficientnet-l2",
	"efficientnet-b0-32", "efficientnet-b1-32", "efficientnet-b2-32", "efficientnet-b3-32",
	"efficientnet-b4-32", "efficientnet-b5-32", "efficientnet-b6-32", "efficientnet-b7-32",
	"efficientnet-b8-32", "efficientnet-l0-32", "efficientnet-l1-32", "efficientnet-l2-32",
	"resnet18",           "resnet34",           "resnet50",           "resnet101",
	"resnet152",          "resnet20",           "resnet26",           "resnet32",
	"resnet38",           "resnet44",           "resnet56",           "resnet110",
	"wrn-10-1",           "wrn-16-1",           "wrn-28-2",           "wrn-28-10",
	"wrn-40-2",           NULL,
};

const char *nst_arch_listed(size_t i)
{
	return i < COUNT(listed) ? listed[i] : NULL;
}

/* Spec of an EfficientNet, or 1 when the name is none. */
static int efficientnet_print(const char *name, struct nst_buf *b, struct nst_err *err)
{
	size_t i = 0, base;
	int small, r;

	for (; i < COUNT(mb_scale); i++) {
		base = strlen(mb_scale[i].name);
		if (!strncmp(name, mb_scale[i].name, base) &&
		    (!name[base] || !strcmp(name + base, "-32")))
			break;
	}
	if (i == COUNT(mb_scale))
		return 1;
	small = name[strlen(mb_scale[i].name)] != 0;
	r = nst_buf_printf(b, err,
			   "net size=%zu pad=same bn-eps=0.001 bn-momentum=0.99 init=tf dropout=%g "
			   "drop-path=0.2\n"
			   "conv k=3 s=2 c=%zu bn=1 act=swish\n",
			   small ? (size_t)32 : mb_scale[i].size, mb_scale[i].dropout,
			   nst_arch_round_channels(32, mb_scale[i].width));
	for (size_t s = 0; !r && s < COUNT(mb_stage); s++)
		r = nst_buf_printf(
			b, err, "mbconv k=%zu s=%zu c=%zu n=%zu e=%zu se=0.25 act=swish\n",
			mb_stage[s].k, small && (s == 1 || s == 2) ? 1 : mb_stage[s].stride,
			nst_arch_round_channels(mb_stage[s].channels, mb_scale[i].width),
			nst_arch_round_repeats(mb_stage[s].repeats, mb_scale[i].depth),
			mb_stage[s].expand);
	if (!r)
		r = nst_buf_printf(b, err, "conv k=1 s=1 c=%zu bn=1 act=swish\n",
				   nst_arch_round_channels(1280, mb_scale[i].width));
	return r;
}

static int cifar_print(struct nst_buf *b, const char *block, const char *shortcut, size_t repeats,
		       size_t width, int preact, struct nst_err *err)
{
	int r = nst_buf_printf(
		b, err,
		"net size=32 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 "
		"drop-path=0\n"
		"conv k=3 s=1 c=16 bn=%d act=%s\n",
		!preact, preact ? "none" : "relu");

	for (size_t s = 0; !r && s < 3; s++)
		r = nst_buf_printf(b, err, "%s k=3 s=%d c=%zu n=%zu shortcut=%s act=relu\n", block,
				   s ? 2 : 1, (size_t)16 * width << s, repeats, shortcut);
	if (!r && preact)
		r = nst_buf_printf(b, err, "norm act=relu\n");
	return r;
}

/* Parse a number of a name, as one writes it: "20", not "020" or "+20".  Returns 0 or -1. */
static int number_parse(const char *s, int64_t *out)
{
	return *s < '1' || *s > '9' ? -1 : nst_parse_int(s, out);
}

/* Spec of a CIFAR ResNet of 6n+2 layers (He et al. 2015, section 4.2), or 1. */
static int resnet_print(const char *name, struct nst_buf *b, struct nst_err *err)
{
	int64_t depth;

	if (strncmp(name, "resnet", 6) || number_parse(name + 6, &depth) || depth < 8 ||
	    depth > 1202 || depth % 6 != 2)
		return 1;
	return cifar_print(b, "basic", "pad", (size_t)(depth - 2) / 6, 1, 0, err);
}

/* Spec of a ResNet for ImageNet, or 1. */
static int imagenet_resnet_print(const char *name, struct nst_buf *b, struct nst_err *err)
{
	size_t i = 0;
	int r;

	while (i < COUNT(imagenet_resnet) && strcmp(name, imagenet_resnet[i].name))
		i++;
	if (i == COUNT(imagenet_resnet))
		return 1;
	r = nst_buf_printf(
		b, err,
		"net size=224 pad=symmetric bn-eps=1e-05 bn-momentum=0.9 init=he dropout=0 "
		"drop-path=0\n"
		"conv k=7 s=2 c=64 bn=1 act=relu\n"
		"maxpool k=3 s=2\n");
	for (size_t s = 0; !r && s < COUNT(imagenet_resnet[i].repeats); s++)
		r = nst_buf_printf(b, err, "%s k=3 s=%d c=%zu n=%zu shortcut=conv act=relu\n",
				   imagenet_resnet[i].block, s ? 2 : 1,
				   imagenet_resnet[i].channels << s, imagenet_resnet[i].repeats[s]);
	return r;
}

/* Spec of WRN-depth-width, depth = 6n+4, or 1. */
static int wrn_print(const char *name, struct nst_buf *b, struct nst_err *err)
{
	char depth_text[8] = "";
	size_t n;
	int64_t depth, width;

	if (strncmp(name, "wrn-", 4))
		return 1;
	n = strcspn(name + 4, "-");
	if (n >= sizeof(depth_text) || !name[4 + n])
		return 1;
	memcpy(depth_text, name + 4, n);
	if (number_parse(depth_text, &depth) || number_parse(name + 4 + n + 1, &width))
		return 1;
	if (depth < 10 || depth > 1000 || depth % 6 != 4 || width < 1 || width > 64)
		return 1;
	return cifar_print(b, "preact", "conv", (size_t)(depth - 4) / 6, (size_t)width, 1, err);
}

/* Letters that two names begin with together. */
static size_t common_letters(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

/* The listed names that begin as `name` does for the longest, or all that exist in a word. */
static int unknown_name(const char *name, struct nst_err *err)
{
	enum { LEAST = 3, MOST = 12 }; /* letters, names */
	struct nst_buf near = { 0 };
	struct nst_err ignored;
	size_t longest = LEAST, n = 0;
	int r = 0;

	for (size_t i = 0; listed[i]; i++)
		if (common_letters(name, listed[i]) > longest)
			longest = common_letters(name, listed[i]);
	for (size_t i = 0; !r && listed[i]; i++) {
		if (common_letters(name, listed[i]) < longest)
			continue;
		if (++n <= MOST)
			r = nst_buf_printf(&near, &ignored, "%s%s", n > 1 ? ", " : "", listed[i]);
		else if (n == MOST + 1)
			r = nst_buf_printf(&near, &ignored, " and others");
	}
	if (near.len && !r)
		nst_fail(err, NST_EINVAL, "unknown architecture '%s'; near it are %s", name,
			 near.data);
	else
		nst_fail(err, NST_EINVAL,
			 "unknown architecture '%s'; there are efficientnet-b0 to -b8 and -l0 to -l2 "
			 "(with -32 behind for 32-pixel images), resnet18 to resnet152, resnet20, "
			 "resnet26 and so on for 32-pixel images, and wrn-DEPTH-WIDTH",
			 name);
	nst_buf_release(&near);
	return NST_EINVAL;
}

int nst_arch_find(const char *name, struct nst_arch *out, struct nst_err *err)
{
	struct nst_buf b = { 0 };
	int r = efficientnet_print(name, &b, err);

	if (r == 1)
		r = imagenet_resnet_print(name, &b, err);
	if (r == 1)
		r = resnet_print(name, &b, err);
	if (r == 1)
		r = wrn_print(name, &b, err);
	if (r == 1)
		r = unknown_name(name, err);
	else if (r == 0)
		r = nst_arch_parse(name, (const char *)b.data, out, err);
	nst_buf_release(&b);
	return r;
}
