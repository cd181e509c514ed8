/* nst-mix: labeled and pseudo-labeled rows as one training set; see nst-mix(1). */
#include <stdlib.h>

#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/run.h"
#include "libcore/cli/tty.h"
#include "libcore/data/mixer.h"
#include "libcore/pack/shards.h"

enum { AUTO = -1 };

struct mix {
	struct nst_common common;
	struct nst_words labeled;
	struct nst_mixer_options how;
	int hard, carry; /* AUTO, or what the options say */
	int shuffle, compress;
	uint64_t shard_size, seed;
	int64_t take_labeled, take_pseudo;
};

static const char *const compressions[] = {"none", "gzip", "zstd", NULL};

/* Every soft target of the input must be there when --soft asks for them. */
static int refuse_hard(const struct nst_mixer *m, struct nst_err *err)
{
	for (size_t i = 0; i < m->pseudo.files; i++) {
		const struct nst_held_file *f = &m->pseudo.file[i];

		if (f->prediction.soft.k == 0)
			return nst_fail(err, NST_EINVAL, "%s has hard labels: there are no "
					"probabilities for --soft or --temperature",
					nst_image_name(f->image));
	}
	return 0;
}

/* Write everything as one image, or as several of bounded size in one stream. */
static int write_stream(const struct mix *f, struct nst_mixer *m, struct nst_mixer_options *how,
			const struct nst_out_options *options, struct nst_err *err)
{
	struct nst_out *out;
	uint64_t at = 0;
	int r = nst_out_open(&out, f->common.output, options, err);

	if (r < 0)
		return r;
	how->dir = nst_out_dir(out);
	do {
		struct nst_build *b;

		r = nst_mixer_build(m, how, f->shard_size, &at, &b, err);
		if (r < 0)
			break;
		r = at < m->entries ? nst_out_put(out, b, err) : nst_out_put_last(out, b, err);
		nst_build_free(b);
	} while (r == 0 && at < m->entries);
	if (r < 0) {
		nst_out_abort(out);
		return r;
	}
	return nst_out_close(out, err);
}

/* Write numbered files of bounded size; on failure remove those that are there already. */
static int write_series(const struct mix *f, struct nst_mixer *m, struct nst_mixer_options *how,
			const struct nst_out_options *options, struct nst_err *err)
{
	struct nst_err ignored;
	unsigned files = 0;
	uint64_t at = 0;
	int r = 0;

	do {
		char *name = nst_shards_name(f->common.output, files, err);
		struct nst_build *b;

		r = name ? nst_mixer_build(m, how, f->shard_size, &at, &b, err) : NST_ENOMEM;
		if (r == 0) {
			r = nst_out_file(name, options, b, err);
			nst_build_free(b);
		}
		free(name);
		files += r == 0;
	} while (r == 0 && at < m->entries);
	while (r < 0 && files > 0) {
		char *name = nst_shards_name(f->common.output, --files, &ignored);

		if (name)
			remove(name);
		free(name);
	}
	return r;
}

static int mix(const struct mix *f, struct nst_mixer *m, const struct nst_out_options *options,
	       const char *const *paths, size_t n, int series, struct nst_err *err)
{
	struct nst_mixer_options how = f->how;

	if (nst_mixer_read(m, f->labeled.word, f->labeled.n, paths, n, err) < 0)
		return err->code;
	if ((f->hard == 0 || how.temperature != 1) && refuse_hard(m, err) < 0)
		return err->code;
	if (nst_mixer_arrange(m, (uint64_t)f->take_labeled, (uint64_t)f->take_pseudo, f->shuffle,
			      f->seed, err) < 0)
		return err->code;
	how.hard = f->hard == 1;
	how.carry = f->carry != AUTO ? (enum nst_carry)f->carry :
		    m->referable ? NST_REFER : NST_EMBED;
	return series ? write_series(f, m, &how, options, err) :
			write_stream(f, m, &how, options, err);
}

static void check_usage(const struct mix *f, const char *const *paths, size_t n, int series)
{
	if ((n == 0 || nst_run_reads_stdin(paths, n)) &&
	    nst_run_reads_stdin(f->labeled.word, f->labeled.n))
		nst_usage_error("standard input cannot be both labeled and pseudo-labeled");
	if (f->hard == 1 && f->how.temperature != 1)
		nst_usage_error("--temperature is for soft targets, --hard asks for hard ones");
	if (f->hard == 1 && f->compress)
		nst_usage_error("--compress is for soft targets, --hard asks for hard ones");
	if (f->take_labeled && !f->labeled.n)
		nst_usage_error("--take-labeled chooses rows of --labeled: there are none");
	if (f->shard_size && f->carry != NST_EMBED)
		nst_usage_error("--shard-size needs --embed: without images there is nothing to bound");
	if (f->shard_size && !series && !nst_is_stdout(f->common.output))
		nst_usage_error("--shard-size needs a name with a number, -o 'mix-%%05d.h5'");
	if (series && !f->shard_size)
		nst_usage_error("a name with a number needs --shard-size");
}

int main(int argc, char **argv)
{
	static struct mix f = {
		.common = NST_COMMON_DEFAULT,
		.how = {.temperature = 1, .ratio = 1, .weight = 1},
		.hard = AUTO, .carry = AUTO,
	};
	const struct nst_opt opts[] = {
		NST_OPT_LIST('l', "labeled", "SHARD", &f.labeled, "labeled shard; can be repeated"),
		NST_OPT_DOUBLE('r', "ratio", "R", &f.how.ratio, 0, 1e6, NST_OPEN_LOW,
			       "train on R pseudo-labeled rows for each labeled one"),
		NST_OPT_DOUBLE('w', "weight", "W", &f.how.weight, 0, 1e6, NST_OPEN_LOW,
			       "weigh the loss of pseudo-labeled rows by W, that of labeled ones by 1"),
		NST_OPT_SET(0, "soft", &f.hard, 0,
			    "train on probabilities (the default where there are some)"),
		NST_OPT_SET(0, "hard", &f.hard, 1, "train on the most probable class"),
		NST_OPT_DOUBLE(0, "temperature", "T", &f.how.temperature, 0, 1000, NST_OPEN_LOW,
			       "raise probabilities to the power 1/T and normalise them"),
		NST_OPT_INT(0, "take-labeled", "N", &f.take_labeled, 1, INT64_MAX,
			    "use N labeled rows only, chosen by --seed"),
		NST_OPT_INT(0, "take-pseudo", "N", &f.take_pseudo, 1, INT64_MAX,
			    "use N pseudo-labeled rows only (with their copies), chosen by --seed"),
		NST_OPT_FLAG(0, "shuffle", &f.shuffle, "put the rows into an order set by --seed"),
		NST_OPT_SET(0, "embed", &f.carry, NST_EMBED,
			    "copy the images into the output (the default for piped input)"),
		NST_OPT_SET(0, "refer", &f.carry, NST_REFER,
			    "refer to the input files (the default for files)"),
		NST_OPT_SIZE(0, "shard-size", "SIZE", &f.shard_size, 1, UINT64_MAX,
			     "with --embed, begin a new file or image after SIZE bytes of images"),
		NST_OPT_ENUM(0, "compress", "METHOD", &f.compress, compressions,
			     "how to compress the probabilities"),
		NST_OPT_SEED(&f.seed),
		NST_OPT_COMMON(&f.common),
		NST_OPT_END,
	};
	const struct nst_tool tool = {"nst-mix", "[SELECTION | PREDICTION ...]",
				      "mix labeled and pseudo-labeled rows into a training set", NULL};
	struct nst_err err;
	char *run = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv);
	const char *const *paths = (const char *const *)argv + first;
	size_t n = (size_t)(argc - first);
	struct nst_out_options options = {.run = run};
	struct nst_mixer m = {0};
	const char **inputs;
	int series;

	nst_need_input(argc - first, "a selection");
	series = nst_is_stdout(f.common.output) ? 0 : nst_shards_pattern(f.common.output, &err);
	if (series < 0)
		nst_die(&err);
	check_usage(&f, paths, n, series);
	nst_refuse_terminal(f.common.output);
	if (f.take_labeled == 0)
		f.take_labeled = INT64_MAX;
	if (f.take_pseudo == 0)
		f.take_pseudo = INT64_MAX;
	inputs = run ? nst_run_inputs(paths, n, &f.labeled, &err) : NULL;
	if (!inputs)
		nst_die(&err);
	options.inputs = inputs;
	options.ninputs = n + f.labeled.n;
	options.compress = (enum nst_compress)f.compress;
	if (f.common.no_provenance)
		options.run = NULL;

	if (mix(&f, &m, &options, paths, n, series, &err) < 0)
		nst_die(&err);
	if (m.overlap)
		nst_warn("%llu key%s both labeled and pseudo-labeled",
			 (unsigned long long)m.overlap, m.overlap == 1 ? " is" : "s are");
	nst_note("%llu rows mixed from %llu labeled and %llu pseudo-labeled ones",
		 (unsigned long long)m.entries, (unsigned long long)m.labeled.rows,
		 (unsigned long long)m.pseudo.rows);
	nst_mixer_release(&m);
	nst_words_release(&f.labeled);
	free(inputs);
	free(run);
	return nst_finish_stdout();
}
