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
#include "libcore/cli/tty.h"
#include "libcore/data/inputs.h"
#include "libcore/data/preset.h"
#include "libcore/data/profiling.h"
#include "libcore/data/settings_options.h"
#include "libcore/io/atomic.h"

static struct train {
	struct nst_common common;
	struct nst_request ask;
	struct nst_words validation, teacher;
	const char *init, *log, *resume, *checkpoint, *profile, *preset;
	int64_t val_every;
	double checkpoint_every; /* seconds */
	uint64_t cache;
	int new_classifier, keep_checkpoint, dry_run, list, list_presets;
} f = {
	.common = NST_COMMON_DEFAULT, .ask = NST_REQUEST_NONE, .val_every = 1,
	.checkpoint_every = 120, .cache = 1 << 30,
};

static const struct nst_opt opts[] = {
	NST_OPT_SECTION("The run"),
	NST_OPT_FLAG(0, "list-archs", &f.list, "list the architectures and end"),
	NST_OPT_FLAG(0, "list-presets", &f.list_presets, "list the presets, and what they set, and end"),
	NST_OPT_PRESET(0, "preset", "NAME", &f.preset, nst_preset_find,
		       "set what was published under this name; other options override it"),
	NST_OPT_FLAG(0, "dry-run", &f.dry_run, "print the plan of the run and end"),
	NST_OPT_STRING(0, "init", "MODEL", &f.init, "start from the weights of MODEL"),
	NST_OPT_FLAG(0, "new-classifier", &f.new_classifier,
		     "with --init, start the last layer anew, for other classes"),
	NST_OPT_LIST(0, "teacher", "MODEL", &f.teacher,
		     "label unlabeled and pseudo-labeled rows with MODEL while training"),
	NST_SETTINGS_OPTIONS(&f.ask),
	NST_OPT_SECTION("Watching and resuming"),
	NST_OPT_LIST(0, "val", "SHARD", &f.validation,
		     "measure accuracy on these rows; nothing is chosen by it"),
	NST_OPT_INT(0, "val-every", "E", &f.val_every, 1, 1 << 24, "epochs between measurements"),
	NST_OPT_STRING(0, "log", "FILE", &f.log, "keep a table of the epochs, tab-separated, in FILE"),
	NST_OPT_OPTIONAL(0, "resume", "FILE", &f.resume,
			 "continue from the checkpoint, where there is one"),
	NST_OPT_STRING(0, "checkpoint", "FILE", &f.checkpoint,
		       "where to save the state; unless given, the output's name with .ckpt"),
	NST_OPT_DOUBLE(0, "checkpoint-every", "SECONDS", &f.checkpoint_every, 0, 1e6, NST_CLOSED,
		       "at the next step after that time; 0 is every step"),
	NST_OPT_FLAG(0, "keep-checkpoint", &f.keep_checkpoint, "do not remove it at the end"),
	NST_OPT_SIZE(0, "cache", "BYTES", &f.cache, 0, UINT64_MAX,
		     "keep small images decoded if they fit in so much memory"),
	NST_PROFILE_OPTION(&f.profile),
	NST_OPT_COMMON(&f.common),
	NST_OPT_END,
};

/* The plan on standard output (--dry-run) or among the messages (-v), warnings always. */
static void show_plan(const struct nst_training *t, struct nst_err *err)
{
	const struct nst_list *warnings = nst_training_warnings(t);
	struct nst_list lines = {0};

	for (size_t i = 0; i < warnings->count; i++)
		nst_warn("%s", warnings->item[i]);
	nst_must(nst_training_plan(t, &lines, err), err);
	for (size_t i = 0; i < lines.count; i++) {
		if (f.dry_run)
			puts(lines.item[i]);
		else
			nst_info("%s", lines.item[i]);
	}
	nst_list_release(&lines);
}

/* A checkpoint that cannot be written is no reason to throw the run away. */
static void save(const struct nst_training *t, struct nst_profile *profile, double *last)
{
	double since = nst_profile_now(profile);
	struct nst_err err;

	if (nst_training_save(t, f.checkpoint, &err) < 0)
		nst_warn("%s; the run goes on without a checkpoint", err.msg);
	nst_profile_add(profile, 0, NST_PHASE_WRITE, 0, since);
	*last = nst_now();
}

static void interrupted(const struct nst_training *t, struct nst_err *err)
{
	if (f.checkpoint)
		nst_must(nst_training_save(t, f.checkpoint, err), err);
	nst_fail(err, NST_EINTERRUPTED, "interrupted at step %llu of %llu, %s%s%s",
		 (unsigned long long)nst_training_step_count(t),
		 (unsigned long long)nst_training_steps(t),
		 f.checkpoint ? "--resume continues from '" : "nothing is saved",
		 f.checkpoint ? f.checkpoint : "", f.checkpoint ? "'" : "");
	nst_die(err);
}

static void run(struct nst_training *t, struct nst_profile *profile, struct nst_err *err)
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
			interrupted(t, err);
		if (f.checkpoint && nst_now() - last_save >= f.checkpoint_every)
			save(t, profile, &last_save);
	}
	nst_progress_end(&progress);
}

/* Go on from the checkpoint, if there is one and that was asked for. */
static void resume(struct nst_training *t, struct nst_err *err)
{
	if (f.checkpoint && access(f.checkpoint, F_OK) == 0) {
		if (!f.resume)
			nst_must(nst_fail(err, NST_EINVAL, "'%s' is there: --resume continues from it; remove "
				      "it to start afresh", f.checkpoint), err);
		nst_must(nst_training_resume(t, f.checkpoint, err), err);
		nst_note("continuing from step %llu of %llu",
			 (unsigned long long)nst_training_step_count(t),
			 (unsigned long long)nst_training_steps(t));
	}
	if (f.log)
		nst_must(nst_training_write_log(t, f.log, err), err);
}

/* Among the messages, or on standard output. */
static void show_preset(const char *name, int message)
{
	struct nst_buf text = {0};
	struct nst_err err;

	nst_must(nst_preset_format(name, &text, &err), &err);
	if (message)
		nst_note("preset %s", (const char *)text.data);
	else
		puts((const char *)text.data);
	nst_buf_release(&text);
}

/* What needs no input. */
static int list(char *line)
{
	for (size_t i = 0; f.list && nst_arch_listed(i); i++)
		puts(nst_arch_listed(i));
	for (size_t i = 0; f.list_presets && nst_preset_name(i); i++)
		show_preset(nst_preset_name(i), 0);
	free(line);
	return nst_finish_stdout();
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
					f.validation.n, f.teacher.n, f.init, f.new_classifier};
	struct nst_inputs in = {0};
	struct nst_training_options o = {.settings = &settings, .cache = f.cache, .plan_only = f.dry_run,
					 .validate_every = (uint64_t)f.val_every};
	struct nst_modelfile_build model;
	struct nst_training *t;
	struct nst_out *probe;

	if (f.list || f.list_presets)
		return list(line);
	nst_need_input(argc - first, "a shard or a mix");
	if (!f.dry_run)
		nst_refuse_terminal(f.common.output);
	f.checkpoint = nst_run_checkpoint(f.checkpoint, f.resume, f.common.output);
	nst_on_fatal_signal(nst_atomic_cleanup);
	nst_must(line ? 0 : err.code, &err);
	out.run = f.common.no_provenance ? NULL : line;
	if (f.preset)
		show_preset(f.preset, 1);
	nst_must(nst_settings_resolve(&f.ask, &settings, &err), &err);
	if (!f.dry_run) { /* whether the model can be written is better known now than at the end */
		nst_must(nst_out_open(&probe, f.common.output, &out, &err), &err);
		nst_out_abort(probe);
	}
	nst_must(nst_run_refuse_input(f.log, paths, out.ninputs, &err), &err);
	nst_must(nst_run_refuse_input(f.profile, paths, out.ninputs, &err), &err);
	nst_must(nst_pool_new((unsigned)f.common.threads, &o.pool, &err), &err);
	nst_must(nst_profiling_start(f.profile, nst_now, o.pool, &o.profile, &err), &err);
	nst_must(nst_inputs_open(&in, &names, &o, &err), &err);
	nst_must(nst_training_new(&t, &o, &err), &err);
	show_plan(t, &err);
	if (!f.dry_run) {
		resume(t, &err);
		run(t, o.profile, &err);
		nst_must(nst_training_build(t, &model, &err), &err);
		nst_must(nst_out_file(f.common.output, &out, model.build, &err), &err);
		nst_modelfile_build_release(&model);
		nst_must(nst_profiling_write(o.profile, tool.name, f.profile, &err), &err);
		if (f.checkpoint && !f.keep_checkpoint)
			unlink(f.checkpoint);
	}
	nst_training_free(t);
	nst_inputs_release(&in);
	nst_profile_free(o.profile);
	nst_pool_free(o.pool);
	nst_words_release(&f.validation);
	nst_words_release(&f.teacher);
	free(line);
	return nst_finish_stdout();
}
