/* nst-pack: images into shards, and shards back into images; see nst-pack(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/cli/json.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/pack/extract.h"
#include "libcore/pack/inspect.h"
#include "libcore/pack/manifest.h"
#include "libcore/pack/packer.h"
#include "libcore/util/num.h"

enum mode { PACK, LIST, EXTRACT, VERIFY };

struct pack {
	struct nst_common common;
	int mode, json;
	struct nst_manifest_options select;
	struct nst_pack_options options;
	int64_t take, quality;
	const char *directory;
	struct nst_buf path; /* of the file being extracted */
	uint64_t listed;
	struct nst_progress progress;
};

/* --max-bad: "N" or "P%". */
static int parse_bad(const char *word, void *target, struct nst_err *err)
{
	struct nst_pack_options *opt = target;
	size_t n = strlen(word);
	char number[64] = "";

	if (n > 0 && n < sizeof number && word[n - 1] == '%') {
		memcpy(number, word, n - 1);
		if (nst_parse_double(number, &opt->max_bad_percent) == 0 &&
		    opt->max_bad_percent >= 0 && opt->max_bad_percent <= 100)
			return 0;
	} else if (nst_parse_int(word, &opt->max_bad) == 0 && opt->max_bad >= 0) {
		opt->max_bad_percent = -1;
		return 0;
	}
	return nst_fail(err, NST_EINVAL, "'%s' is neither a number of files nor a percentage", word);
}

static void on_progress(void *ctx, uint64_t files)
{
	nst_progress_at(&((struct pack *)ctx)->progress, files);
}

static void on_misnamed(void *ctx, const char *path, const char *type)
{
	(void)ctx;
	nst_info("'%s' is a %s by its content", path, type);
}

static void summarize(const struct nst_pack_report *rep, const struct nst_manifest *m)
{
	nst_note("%llu images of %zu classes packed, %llu left to the rest, %llu broken ones left out",
		 (unsigned long long)rep->taken, m->classes.count, (unsigned long long)rep->rest,
		 (unsigned long long)rep->bad);
	nst_info("%llu kept as JPEG (%llu grey, %llu CMYK, %llu to be turned), %llu stored as pixels",
		 (unsigned long long)rep->jpeg, (unsigned long long)rep->gray,
		 (unsigned long long)rep->cmyk, (unsigned long long)rep->turned,
		 (unsigned long long)rep->other);
	nst_info("%llu reduced, %llu with another format's extension, %zu companions, "
		 "%zu unused labels", (unsigned long long)rep->reduced,
		 (unsigned long long)rep->misnamed, m->companions, m->unused_labels);
	if (rep->stale)
		nst_warn("the shards that follow, from an earlier run, were left in place");
}

static int pack(struct pack *p, const char *const *operand, size_t n, struct nst_err *err)
{
	struct nst_pack_report report;
	struct nst_manifest m;
	struct nst_pool *pool = NULL;
	int r;

	p->select.take = (uint64_t)p->take;
	p->options.convert.quality = p->quality ? (int)p->quality : 95;
	p->options.out.path = p->common.output;
	p->options.out.out.inputs = operand;
	p->options.out.out.ninputs = n;
	p->options.at = on_progress;
	p->options.misnamed = on_misnamed;
	p->options.ctx = p;
	nst_manifest_init(&m);
	r = nst_manifest_read(&m, operand, n, &p->select, err);
	if (r == 0)
		r = nst_pool_new((unsigned)p->common.threads, &pool, err);
	if (r == 0) {
		nst_progress_start(&p->progress, "packing", "files", m.entries);
		r = nst_packer_run(&m, &p->options, pool, &report, err);
		nst_progress_end(&p->progress);
	}
	if (r == 0)
		summarize(&report, &m);
	nst_pool_free(pool);
	nst_manifest_release(&m);
	return r;
}

static int list_one(void *ctx, const struct nst_sample *s, const char *class, struct nst_err *err)
{
	static const char *const codec[] = {"raw", "jpeg"};
	struct pack *p = ctx;
	struct nst_json *o;
	char *key;
	int r;

	if (!p->json) {
		if (!p->listed++)
			puts("key\tclass\tcodec\theight\twidth\tbytes");
		printf("%.*s\t%s\t%s\t%u\t%u\t%zu\n", (int)s->key_len, s->key, class ? class : "-",
		       codec[s->codec], s->height, s->width, s->size);
		return 0;
	}
	key = strndup(s->key, s->key_len);
	o = nst_json_object();
	nst_json_set_string(o, "key", key);
	nst_json_set_string(o, "class", class);
	nst_json_set_string(o, "codec", codec[s->codec]);
	nst_json_set_int(o, "height", s->height);
	nst_json_set_int(o, "width", s->width);
	nst_json_set_int(o, "bytes", (int64_t)s->size);
	r = key ? nst_json_write_line(o, stdout, err) : nst_fail_mem(err, s->key_len);
	nst_json_free(o);
	free(key);
	return r;
}

static int extract_one(void *ctx, const struct nst_sample *s, const char *class,
		       struct nst_err *err)
{
	struct pack *p = ctx;

	return nst_extract(p->directory, s, class, &p->path, err);
}

/* Verify operands, standard input without any; the first fault ends it. */
static int verify(const char *const *operand, size_t n, struct nst_err *err)
{
	static const char *const from_stdin[] = {"-"};
	struct nst_verify_result v;

	if (n == 0)
		return verify(from_stdin, 1, err);
	for (size_t i = 0; i < n; i++) {
		if (nst_inspect(operand[i], &v, err) < 0)
			return err->code;
		nst_info("'%s' is sound: %llu rows", operand[i], (unsigned long long)v.rows);
		if (v.images > 1)
			nst_warn("'%s' holds %llu images, of which other programs see the first",
				 operand[i], (unsigned long long)v.images);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct pack p = {
		.common = NST_COMMON_DEFAULT, .directory = ".",
		.options = {.max_bad_percent = -1}, .select = {.seed = 1},
	};
	struct nst_manifest_options *sel = &p.select;
	struct nst_pack_options *opt = &p.options;
	const struct nst_opt opts[] = {
		NST_OPT_SECTION("Instead of packing"),
		NST_OPT_SET('t', "list", &p.mode, LIST, "list the images of shards"),
		NST_OPT_SET('x', "extract", &p.mode, EXTRACT, "write the images of shards as files"),
		NST_OPT_SET(0, "verify", &p.mode, VERIFY,
			    "check every byte of files of any kind; the exit status tells the result"),
		NST_OPT_STRING('C', "directory", "DIR", &p.directory, "extract into DIR"),
		NST_OPT_FLAG(0, "json", &p.json, "list as one JSON object an image"),
		NST_OPT_SECTION("Which images"),
		NST_OPT_STRING(0, "files-from", "FILE", &sel->files_from,
			       "pack the image files named on the lines of FILE, too"),
		NST_OPT_STRING(0, "files0-from", "FILE", &sel->files0_from,
			       "the same for names ended by NUL characters"),
		NST_OPT_INT(0, "take", "N", &p.take, 1, INT64_MAX,
			    "pack N images, chosen by seed and key"),
		NST_OPT_FLAG(0, "stratify", &sel->stratify, "take equally many of every class"),
		NST_OPT_STRING(0, "rest", "FILE", &opt->rest,
			       "write the images that were not taken to FILE"),
		NST_OPT_FLAG(0, "hide-rest", &opt->hide_rest, "write the rest without labels"),
		NST_OPT_SEED(&sel->seed),
		NST_OPT_SECTION("Classes"),
		NST_OPT_FLAG(0, "unlabeled", &sel->unlabeled, "give the images no classes"),
		NST_OPT_STRING(0, "labels", "FILE", &sel->labels,
			       "take classes from the 'path,class' lines of FILE"),
		NST_OPT_STRING(0, "classes", "FILE", &sel->classes,
			       "number the classes as on the lines of FILE, not by their names"),
		NST_OPT_SECTION("Images and shards"),
		NST_OPT_WORD(0, "max-bad", "N|P%", opt, parse_bad, "0",
			     "leave out up to N or P percent broken files instead of failing"),
		NST_OPT_STRING(0, "rejects", "FILE", &opt->rejects,
			       "write path and reason of every broken file to FILE"),
		NST_OPT_SIZE(0, "resize", "S", &opt->convert.shortest, 1, 65535,
			     "reduce images so that the shorter side has S pixels"),
		NST_OPT_INT(0, "quality", "Q", &p.quality, 1, 100,
			    "JPEG quality of images that were reduced; unless given, 95"),
		NST_OPT_SIZE(0, "shard-size", "SIZE", &opt->out.shard_size, 1 << 16, UINT64_MAX,
			     "start a new shard before one exceeds SIZE bytes"),
		NST_OPT_COMMON(&p.common),
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-pack", "[DIRECTORY | ARCHIVE | IMAGE | SHARD ...]",
				      "pack images into shards", NULL};
	struct nst_err err;
	char *history = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv), r;
	const char *const *operand = (const char *const *)argv + first;
	size_t n = (size_t)(argc - first);

	if (!history)
		nst_die(&err);
	if (p.mode != PACK) {
		nst_need_input(argc - first, "a shard");
		r = p.mode == VERIFY ? verify(operand, n, &err) :
		    nst_each_sample(operand, n, p.mode == LIST,
				    p.mode == LIST ? list_one : extract_one, &p, &err);
	} else {
		if (n == 0 && !sel->files_from && !sel->files0_from)
			nst_usage_error("no images: give a directory, an archive, files or a list");
		if (sel->unlabeled && (sel->labels || sel->classes || sel->stratify))
			nst_usage_error("--unlabeled leaves no classes for --labels, --classes or "
					"--stratify");
		if (p.take == 0 && (sel->stratify || opt->rest))
			nst_usage_error("--stratify and --rest need --take");
		if (opt->hide_rest && !opt->rest)
			nst_usage_error("--hide-rest needs --rest");
		if (p.quality && !opt->convert.shortest)
			nst_usage_error("--quality is that of images that --resize reduces");
		nst_refuse_terminal(p.common.output);
		opt->out.out.run = p.common.no_provenance ? NULL : history;
		r = pack(&p, operand, n, &err);
	}
	if (r < 0)
		nst_die(&err);
	nst_buf_release(&p.path);
	free(history);
	return nst_finish_stdout();
}
