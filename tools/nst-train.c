/* nst-train: train a teacher on labeled shards or a noised student on a mix; see nst-train(1).
 *
 * The run itself is libcore/data/training.h.  Here is what surrounds it: when checkpoints are due,
 * what a signal does, what the user sees, and how the result appears. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcore/cli/clock.h"
#include "libcore/cli/msg.h"
#include "libcore/cli/opt.h"
#include "libcore/cli/progress.h"
#include "libcore/cli/run.h"
#include "libcore/cli/table.h"
#include "libcore/cli/tty.h"
#include "libcore/data/inputs.h"
#include "libcore/data/preset.h"
#include "libcore/data/profiling.h"
#include "libcore/data/settings_options.h"
#include "libcore/data/summary.h"
#include "libcore/io/atomic.h"

static struct train {
	struct nst_common common;
	struct nst_request ask;
	struct nst_words validation, teacher;
	struct nst_checkpoints checkpoints;
	const char *init, *log, *profile;
	int64_t val_every, classes;
	uint64_t cache;
	int new_classifier, dry_run, summary, json, list, list_presets;
} f = {
	.common = NST_COMMON_DEFAULT, .ask = NST_REQUEST_NONE, .checkpoints = NST_CHECKPOINTS_UNSET,
	.cache = 1 << 30,
};

static const struct nst_opt opts[] = {
	NST_OPT_SECTION("The run"),
	NST_OPT_FLAG(0, "list-archs", &f.list, "list the architectures and end"),
	NST_OPT_FLAG(0, "list-presets", &f.list_presets, "list the presets, and what they set, and end"),
	NST_OPT_PRESET(0, "preset", "NAME", &f.ask.preset, nst_preset_find,
		       "set what was published under this name; other options override it"),
	NST_OPT_FLAG(0, "dry-run", &f.dry_run, "print the plan of the run and end"),
	NST_SUMMARY_OPTIONS(&f.summary, &f.json, &f.classes),
	NST_INPUTS_OPTIONS(&f.init, &f.new_classifier, &f.teacher),
	NST_SETTINGS_OPTIONS(&f.ask),
	NST_OPT_SECTION("Watching and resuming"),
	NST_OPT_LIST(0, "val", "SHARD", &f.validation,
		     "measure accuracy on these rows; nothing is chosen by it"),
	NST_OPT_INT(0, "val-every", "E", &f.val_every, 1, 1 << 24, "do so every E epochs; unless given, 1"),
	NST_OPT_STRING(0, "log", "FILE", &f.log, "keep a table of the epochs, tab-separated, in FILE"),
	NST_RUN_CHECKPOINT_OPTIONS(&f.checkpoints),
	NST_OPT_SIZE(0, "cache", "BYTES", &f.cache, 0, UINT64_MAX,
		     "keep small images decoded if they fit in so much memory"),
	NST_PROFILE_OPTION(&f.profile),
	NST_OPT_COMMON(&f.common),
	NST_OPT_END,
};

static void summarize(const struct nst_training *t, const struct nst_settings *s, struct nst_err *e)
{
	struct nst_table table = {0};

	nst_must(t ? nst_training_summary(t, &table, e) :
		     nst_summary_of(&table, s, (size_t)f.classes, (unsigned)f.common.threads, e), e);
	nst_must(nst_table_print(&table, f.json, e), e);
	nst_table_release(&table);
}

/* The plan on standard output (--dry-run) or among the messages (-v), warnings always. */
static void show_plan(const struct nst_training *t, struct nst_err *err)
{
	const struct nst_list *warnings = nst_training_warnings(t);
	struct nst_list lines = {0};

	for (size_t i = 0; i < warnings->count; i++)
		nst_warn("%s", warnings->item[i]);
	if (f.summary)
		summarize(t, NULL, err);
	else
		nst_must(nst_training_plan(t, &lines, err), err);
	nst_put_lines(lines.item, lines.count, f.dry_run);
	nst_list_release(&lines);
}

/* A checkpoint that cannot be written is no reason to throw the run away. */
static void save(const struct nst_training *t, double *last)
{
	struct nst_err err;

	if (nst_training_save(t, f.checkpoints.file, &err) < 0)
		nst_warn("%s; the run goes on without a checkpoint", err.msg);
	*last = nst_now();
}

static void run(struct nst_training *t, struct nst_err *err)
{
	uint64_t from = nst_training_step_count(t), told = from, batch = nst_training_batch(t);
	double epoch_start = nst_now(), last_save = epoch_start;
	struct nst_progress progress;
	struct nst_epoch e;
	char line[300];

	nst_progress_start(&progress, "training", "images", (nst_training_steps(t) - from) * batch);
	nst_catch_interrupts();
	while (!nst_training_done(t)) {
		int r = nst_training_step(t, &e, err);

		nst_must(r, err);
		if (r > 0) {
			nst_note("%s, %.0f images/s", nst_epoch_format(&e, line, sizeof(line)),
				 (double)((e.step - told) * batch) / (nst_now() - epoch_start));
			told = e.step;
			epoch_start = nst_now();
			if (f.log)
				nst_must(nst_training_write_log(t, f.log, err), err);
		}
		nst_progress_at(&progress, (nst_training_step_count(t) - from) * batch);
		if (nst_interrupted() && !nst_training_done(t))
			nst_must(nst_training_interrupted(t, f.checkpoints.file, err), err);
		if (f.checkpoints.file && nst_now() - last_save >= f.checkpoints.every)
			save(t, &last_save);
	}
	nst_progress_end(&progress);
}

/* Go on from the checkpoint, if there is one and that was asked for. */
static void resume(struct nst_training *t, struct nst_err *err)
{
	if (f.checkpoints.file && access(f.checkpoints.file, F_OK) == 0) {
		nst_must(f.checkpoints.resume ? nst_training_resume(t, f.checkpoints.file, err) :
			 nst_fail(err, NST_EINVAL, "'%s' is there: --resume continues from it; remove it "
				  "to start afresh", f.checkpoints.file), err);
		nst_note("continuing from step %llu of %llu",
			 (unsigned long long)nst_training_step_count(t),
			 (unsigned long long)nst_training_steps(t));
	}
	if (f.log)
		nst_must(nst_training_write_log(t, f.log, err), err);
}

/* One among the messages, or all on standard output. */
static void show_presets(const char *name)
{
	struct nst_list lines = {0};
	struct nst_err err;

	nst_must(nst_preset_lines(name, &lines, &err), &err);
	if (name)
		nst_note("preset %s", lines.item[0]);
	else
		nst_put_lines(lines.item, lines.count, 1);
	nst_list_release(&lines);
}

static int end(char *line)
{
	nst_words_release(&f.validation);
	nst_words_release(&f.teacher);
	free(line);
	return nst_finish_stdout();
}

/* What needs no input. */
static int list(char *line)
{
	for (size_t i = 0; f.list && nst_arch_listed(i); i++)
		puts(nst_arch_listed(i));
	if (f.list_presets)
		show_presets(NULL);
	return end(line);
}

static void check_usage(size_t operands)
{
	if (f.ask.arch && f.ask.arch_file && !f.ask.preset)
		nst_usage_error("--arch and --arch-file exclude each other");
	if (f.summary && f.dry_run)
		nst_usage_error("--summary and --dry-run exclude each other");
	if (!f.summary && (f.json || f.classes))
		nst_usage_error("--json and --classes are for --summary");
	if (f.classes && operands)
		nst_usage_error("--classes is for --summary without rows: the classes are theirs");
	f.dry_run |= f.summary;
}

int main(int argc, char **argv)
{
	const struct nst_tool tool = {"nst-train", "[SHARD|MIX ...]",
				      "train a teacher on labels, or a noised student on a mix", NULL};
	struct nst_err err;
	char *line = nst_run_line(tool.name, argc, argv, &err);
	int first = nst_opt_parse(&tool, opts, argc, argv);
	const char *const *paths = (const char *const *)argv + first;
	struct nst_out_options out = {.inputs = paths, .ninputs = (size_t)(argc - first)};
	struct nst_settings settings;
	struct nst_input_names names = {paths, f.validation.word, f.teacher.word, out.ninputs,
		f.validation.n, f.teacher.n, f.init, f.new_classifier, (uint64_t)f.val_every};
	struct nst_inputs in = {0};
	struct nst_training_options o = {.settings = &settings, .cache = f.cache,
		.plan_only = f.dry_run || f.summary};
	struct nst_modelfile_build model;
	struct nst_training *t;

	if (f.list || f.list_presets)
		return list(line);
	check_usage(out.ninputs);
	if (!f.summary)
		nst_need_input(argc - first, "a shard or a mix");
	if (!f.dry_run)
		nst_refuse_terminal(f.common.output);
	nst_run_checkpoints(&f.checkpoints, f.common.output);
	nst_on_fatal_signal(nst_atomic_cleanup);
	nst_must(line ? 0 : err.code, &err);
	out.run = f.common.no_provenance ? NULL : line;
	if (f.ask.preset)
		show_presets(f.ask.preset);
	nst_must(nst_settings_resolve(&f.ask, &settings, &err), &err);
	if (f.summary && !out.ninputs) {
		summarize(NULL, &settings, &err);
		return end(line);
	}
	if (!f.dry_run) /* better known now than at the end */
		nst_must(nst_out_probe(f.common.output, &out, &err), &err);
	nst_must(nst_run_refuse_input(f.common.output, &f.ask.arch_file, !!f.ask.arch_file, &err), &err);
	nst_must(nst_run_refuse_input(f.log, paths, out.ninputs, &err), &err);
	nst_must(nst_run_refuse_input(f.profile, paths, out.ninputs, &err), &err);
	nst_must(nst_pool_new((unsigned)f.common.threads, &o.pool, &err), &err);
	nst_must(nst_profiling_start(f.profile, nst_now, o.pool, &o.profile, &err), &err);
	nst_must(nst_inputs_open(&in, &names, &o, &err), &err);
	nst_must(nst_training_new(&t, &o, &err), &err);
	show_plan(t, &err);
	if (!f.dry_run) {
		resume(t, &err);
		run(t, &err);
		nst_must(nst_training_build(t, &model, &err), &err);
		nst_must(nst_out_file(f.common.output, &out, model.build, &err), &err);
		nst_modelfile_build_release(&model);
		nst_must(nst_profiling_write(o.profile, tool.name, f.profile, &err), &err);
		if (f.checkpoints.file && !f.checkpoints.keep)
			unlink(f.checkpoints.file);
	}
	nst_training_free(t);
	nst_inputs_release(&in);
	nst_profile_free(o.profile);
	nst_pool_free(o.pool);
	return end(line);
}
