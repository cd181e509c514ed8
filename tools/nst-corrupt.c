/* nst-corrupt: corrupted copies of images, to measure robustness with; see nst-corrupt(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/shard.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/io/list.h"
#include "libcore/pack/spoil.h"

struct corrupt {
	struct nst_common common;
	struct nst_spoil_options options;
	struct nst_shards_options out;
	int codec, constants;

	struct nst_spoiler *spoiler;
	struct nst_shards *shards;
	struct nst_list classes;  /* of the first shard */
	struct nst_image **input; /* open until what was made of them is written */
	size_t inputs;
	struct nst_progress progress;
};

static const char *const codecs[] = {"auto", "raw", "jpeg", NULL};
static const char *const constants[] = {"auto", "cifar", "imagenet", NULL};

/* ---- options ------------------------------------------------------------------------------ */

static int add_type(const char *word, unsigned *set)
{
	enum nst_corruption c;

	if (strcmp(word, "all") == 0)
		*set = (1u << NST_CORRUPTIONS) - 1;
	else if (nst_corruption_parse(word, &c) == 0)
		*set |= 1u << c;
	else
		return -1;
	return 0;
}

/* "3" or "1-5". */
static int add_severity(const char *word, unsigned *set)
{
	size_t n = strlen(word);
	int lo = word[0] - '0', hi = n == 3 ? word[2] - '0' : lo;

	if ((n != 1 && (n != 3 || word[1] != '-')) || lo < 1 || hi < lo || hi > NST_SEVERITIES)
		return -1;
	for (; lo <= hi; lo++)
		*set |= 1u << lo;
	return 0;
}

/* Add every word of a list with commas to a set. */
static int parse_set(const char *list, unsigned *set, int (*add)(const char *, unsigned *),
		     const char *what, struct nst_err *err)
{
	char *copy = nst_strdup(list, err), *rest = copy, *word;
	int r = copy ? 0 : err->code;

	*set = 0;
	while (r == 0 && (word = strsep(&rest, ",")))
		if (add(word, set) < 0)
			r = nst_fail(err, NST_EINVAL, "'%s' is not %s", word, what);
	free(copy);
	return r;
}

static int parse_types(const char *word, void *target, struct nst_err *err)
{
	return parse_set(word, target, add_type, "a corruption known here", err);
}

static int parse_severities(const char *word, void *target, struct nst_err *err)
{
	return parse_set(word, target, add_severity, "a severity from 1 to 5", err);
}

/* ---- work --------------------------------------------------------------------------------- */

static void on_progress(void *ctx, uint64_t rows)
{
	nst_progress_at(ctx, rows);
}

/* Open the output with the classes of the first shard; the others must have the same. */
static int open_output(struct corrupt *c, const struct nst_image *im,
		       const struct nst_shard *shard, struct nst_err *err)
{
	if (c->shards)
		return nst_shards_same_classes(c->shards, shard->class_name, shard->classes) ? 0 :
		       nst_fail(err, NST_EINVAL, "%s has other classes than the shards before it",
				nst_image_name(im));
	for (uint64_t k = 0; k < shard->classes; k++)
		if (nst_list_add(&c->classes, shard->class_name[k], err) < 0)
			return err->code;
	c->out.class_name = (const char *const *)c->classes.item;
	c->out.classes = c->classes.count;
	return nst_shards_open(&c->shards, &c->out, err);
}

static void free_inputs(struct corrupt *c)
{
	while (c->inputs > 0)
		nst_image_free(c->input[--c->inputs]);
}

/* Corrupt one input image, which is taken over. */
static int corrupt_image(struct corrupt *c, struct nst_image *im, struct nst_err *err)
{
	struct nst_image **input = realloc(c->input, (c->inputs + 1) * sizeof(struct nst_image *));
	struct nst_shard shard;

	if (!input) {
		nst_image_free(im);
		return nst_fail_mem(err, (c->inputs + 1) * sizeof(struct nst_image *));
	}
	c->input = input;
	c->input[c->inputs++] = im;
	if (nst_shard_view(im, &shard, err) < 0 || open_output(c, im, &shard, err) < 0 ||
	    nst_shards_parent(c->shards, im, err) < 0 ||
	    nst_spoiler_run(c->spoiler, im, c->shards, err) < 0)
		return err->code;
	if (!nst_is_stdout(c->common.output))
		return 0;
	if (nst_shards_flush(c->shards, err) < 0)
		return err->code;
	free_inputs(c);
	return 0;
}

static int corrupt_all(struct corrupt *c, struct nst_in *in, uint64_t *rows, struct nst_err *err)
{
	struct nst_shards *shards;
	struct nst_image *im;
	int r;

	nst_progress_start(&c->progress, "corrupting", "images", 0);
	if (c->progress.enabled)
		c->progress.total = nst_in_count_rows(in) * nst_spoil_copies(&c->options);
	while ((r = nst_in_next(in, &im, err)) > 0)
		if ((r = corrupt_image(c, im, err)) < 0)
			break;
	nst_progress_end(&c->progress);
	shards = c->shards;
	if (r < 0) {
		nst_shards_abort(shards);
		return r;
	}
	*rows = nst_shards_rows(shards);
	return nst_shards_close(shards, err);
}

int main(int argc, char **argv)
{
	static struct corrupt c = {
		.common = NST_COMMON_DEFAULT,
		.options = {.severities = 1u << 3, .seed = 1},
	};
	const struct nst_opt opts[] = {
		NST_OPT_WORD(0, "type", "TYPE[,TYPE...]", &c.options.types, parse_types, NULL,
			     "corrupt by gaussian_noise, gaussian_blur, contrast, brightness, "
			     "jpeg_compression, or all of them"),
		NST_OPT_WORD(0, "severity", "S[,S...]", &c.options.severities, parse_severities, "3",
			     "corrupt with these severities, from 1 (little) to 5; 1-5 means all"),
		NST_OPT_ENUM(0, "constants", "SET", &c.constants, constants,
			     "use the constants of the published set for small (cifar) or large "
			     "(imagenet) images, or choose by the size of each image"),
		NST_OPT_ENUM(0, "codec", "CODEC", &c.codec, codecs,
			     "store raw pixels, or JPEG of quality 85, or raw up to 64 pixels a side "
			     "and JPEG above"),
		NST_OPT_SIZE(0, "shard-size", "SIZE", &c.out.shard_size, 1 << 16, UINT64_MAX,
			     "start a new shard before one exceeds SIZE bytes"),
		NST_OPT_SEED(&c.options.seed),
		NST_OPT_COMMON(&c.common),
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-corrupt", "[SHARD ...]",
				      "make corrupted copies of the images of shards", NULL};
	struct nst_err err;
	char *history = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv);
	const char *const *paths = (const char *const *)argv + first;
	const struct nst_in_options spool = {.spool = !nst_is_stdout(c.common.output)};
	struct nst_pool *pool;
	struct nst_in *in;
	uint64_t rows;

	if (c.options.types == 0)
		nst_usage_error("no corruption: name one with --type");
	nst_need_input(argc - first, "a shard");
	nst_refuse_terminal(c.common.output);
	c.options.codec = (enum nst_spoil_codec)c.codec;
	c.options.constants = (enum nst_spoil_constants)c.constants;
	c.options.at = on_progress;
	c.options.ctx = &c.progress;
	c.out.path = c.common.output;
	c.out.out.run = c.common.no_provenance ? NULL : history;
	c.out.out.inputs = paths;
	c.out.out.ninputs = (size_t)(argc - first);
	if (!history || nst_pool_new((unsigned)c.common.threads, &pool, &err) < 0 ||
	    nst_spoiler_new(&c.spoiler, &c.options, pool, &err) < 0 ||
	    nst_in_open(&in, paths, c.out.out.ninputs, NST_KIND_BIT(NST_SHARD), &spool, &err) < 0 ||
	    corrupt_all(&c, in, &rows, &err) < 0)
		nst_die(&err);
	nst_note("%llu corrupted images written", (unsigned long long)rows);
	nst_in_close(in);
	free_inputs(&c);
	free(c.input);
	nst_list_release(&c.classes);
	nst_spoiler_free(c.spoiler);
	nst_pool_free(pool);
	free(history);
	return nst_finish_stdout();
}
