/* The parser behind the option table.  getopt_long does what users expect of GNU options (order,
 * abbreviations, `--`); what it would say about mistakes is said here instead, in whole sentences,
 * and it is run several times: looking for --help and --version alone, which win over everything
 * else on the line and show defaults that nothing has changed yet; looking for a preset; for real. */
#include "libcore/cli/opt.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "libcore/cli/msg.h"
#include "libcore/cli/text.h"
#include "libcore/util/mem.h"
#include "libcore/util/num.h"

#define LONG 256 /* getopt value of row i's long name is LONG + i; letters are below */

/* A table in the form getopt wants. */
struct getopt_form {
	struct option *names;
	char *letters;
};

static int is_option(const struct nst_opt *o)
{
	return o->type != NST_OPT_T_SECTION;
}

static int is_request(const struct nst_opt *o)
{
	return o->type >= NST_OPT_T_HELP;
}

static void form_release(struct getopt_form *f)
{
	free(f->names);
	free(f->letters);
}

static int form_init(struct getopt_form *f, const struct nst_opt *opts, struct nst_err *err)
{
	struct option *name;
	size_t n = 0;
	char *letter;

	while (opts[n].type != NST_OPT_T_END)
		n++;
	f->names = nst_zalloc(n + 1, sizeof(*f->names), err);
	f->letters = nst_zalloc(2 * n + 2, 1, err);
	if (!f->names || !f->letters) {
		form_release(f);
		return err->code;
	}
	name = f->names;
	letter = f->letters;
	*letter++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < n; i++) {
		const struct nst_opt *o = &opts[i];

		if (!is_option(o))
			continue;
		name->name = o->name;
		name->has_arg = !o->metavar ? no_argument
				: o->type == NST_OPT_T_OPTIONAL ? optional_argument
								: required_argument;
		name->val = LONG + (int)i;
		name++;
		if (o->letter) {
			*letter++ = o->letter;
			if (o->metavar && o->type != NST_OPT_T_OPTIONAL)
				*letter++ = ':';
		}
	}
	return 0;
}

/* The row of a getopt value, or NULL. */
static const struct nst_opt *row_of(const struct nst_opt *opts, int value)
{
	if (value >= LONG)
		return &opts[value - LONG];
	for (; value && opts->type != NST_OPT_T_END; opts++)
		if (is_option(opts) && opts->letter == value)
			return opts;
	return NULL;
}

/* ---- what is wrong ------------------------------------------------------------------------ */

/* An option that getopt does not know: a letter, or a name with none or several completions. */
static int fail_unknown(const struct nst_opt *opts, int letter, const char *word,
			struct nst_err *err)
{
	char matches[200] = "";
	size_t len, used = 0;
	int n = 0;

	if (letter)
		return nst_fail(err, NST_EINVAL, "unknown option '-%c'", letter);
	len = strcspn(word, "=");
	for (; opts->type != NST_OPT_T_END; opts++) {
		if (!is_option(opts) || strncmp(opts->name, word + 2, len - 2) != 0)
			continue;
		used += (size_t)snprintf(matches + used, sizeof(matches) - used, "%s'--%s'",
					 n++ ? " or " : "", opts->name);
		if (used >= sizeof(matches))
			used = sizeof(matches) - 1;
	}
	if (n > 1)
		return nst_fail(err, NST_EINVAL, "option '%.*s' is ambiguous: %s", (int)len, word,
				matches);
	return nst_fail(err, NST_EINVAL, "unknown option '%.*s'", (int)len, word);
}

static int is_digits(const char *s)
{
	s += *s == '-';
	return *s && s[strspn(s, "0123456789")] == '\0';
}

/* Limits that are those of the type go without saying. */
static int fail_int_range(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	long long lo = o->u.i.lo, hi = o->u.i.hi;

	if (hi == INT64_MAX && (*word == '-' || strlen(word) < 19))
		return nst_fail(err, NST_EINVAL, "option '--%s' must be at least %lld, not %s",
				o->name, lo, word);
	return nst_fail(err, NST_EINVAL, "option '--%s' must be %lld to %lld, not %s", o->name, lo,
			hi, word);
}

static int fail_double_range(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	int open_lo = o->u.d.ends == NST_OPEN || o->u.d.ends == NST_OPEN_LOW;
	int open_hi = o->u.d.ends == NST_OPEN || o->u.d.ends == NST_OPEN_HIGH;
	char lo[48] = "", hi[48] = "";

	if (isfinite(o->u.d.lo))
		snprintf(lo, sizeof(lo), "%s %g", open_lo ? "more than" : "at least", o->u.d.lo);
	if (isfinite(o->u.d.hi))
		snprintf(hi, sizeof(hi), "%s %g", open_hi ? "less than" : "at most", o->u.d.hi);
	return nst_fail(err, NST_EINVAL, "option '--%s' must be %s%s%s, not %s", o->name, lo,
			*lo && *hi ? " and " : "", hi, word);
}

/* ---- values ------------------------------------------------------------------------------- */

static int put_list(struct nst_words *w, const char *word, struct nst_err *err)
{
	const char **grown = realloc(w->word, (w->n + 1) * sizeof(*grown));

	if (!grown)
		return nst_fail_mem(err, (w->n + 1) * sizeof(*grown));
	grown[w->n++] = word;
	w->word = grown;
	return 0;
}

static int put_int(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	int64_t v;

	if (nst_parse_int(word, &v)) {
		if (is_digits(word))
			return fail_int_range(o, word, err);
		return nst_fail(err, NST_EINVAL, "option '--%s': '%s' is not a whole number",
				o->name, word);
	}
	if (v < o->u.i.lo || v > o->u.i.hi)
		return fail_int_range(o, word, err);
	*(int64_t *)o->target = v;
	return 0;
}

static int put_seed(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	unsigned long long v = 0;
	int good = *word != '-' && is_digits(word);

	errno = 0;
	if (good)
		v = strtoull(word, NULL, 10);
	if (!good || errno)
		return nst_fail(err, NST_EINVAL,
				"option '--%s' must be a whole number of 64 bits, not '%s'",
				o->name, word);
	*(uint64_t *)o->target = v;
	return 0;
}

static int put_size(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	uint64_t v;

	if (nst_parse_size(word, &v))
		return nst_fail(err, NST_EINVAL,
				"option '--%s': '%s' is not a size such as 4096, 64K or 1G",
				o->name, word);
	if (v < o->u.u.lo || v > o->u.u.hi)
		return nst_fail(err, NST_EINVAL, "option '--%s' must be %llu to %llu bytes, not %s",
				o->name, (unsigned long long)o->u.u.lo,
				(unsigned long long)o->u.u.hi, word);
	*(uint64_t *)o->target = v;
	return 0;
}

static int put_double(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	enum nst_opt_ends ends = o->u.d.ends;
	double v;

	if (nst_parse_double(word, &v))
		return nst_fail(err, NST_EINVAL, "option '--%s': '%s' is not a number", o->name,
				word);
	if (v < o->u.d.lo || v > o->u.d.hi ||
	    (v == o->u.d.lo && (ends == NST_OPEN || ends == NST_OPEN_LOW)) ||
	    (v == o->u.d.hi && (ends == NST_OPEN || ends == NST_OPEN_HIGH)))
		return fail_double_range(o, word, err);
	*(double *)o->target = v;
	return 0;
}

static int put_enum(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	char all[300];

	for (int i = 0; o->u.words[i]; i++) {
		if (!strcmp(o->u.words[i], word)) {
			*(int *)o->target = i;
			return 0;
		}
	}
	nst_opt_join(o, ", ", all, sizeof(all));
	return nst_fail(err, NST_EINVAL, "option '--%s': '%s' is not one of %s", o->name, word,
			all);
}

/* Store the value of one option. */
static int put(const struct nst_opt *o, const char *word, struct nst_err *err)
{
	switch (o->type) {
	case NST_OPT_T_SET:
		*(int *)o->target = o->u.value;
		return 0;
	case NST_OPT_T_COUNT:
		++*(int *)o->target;
		return 0;
	case NST_OPT_T_STRING:
	case NST_OPT_T_OPTIONAL:
	case NST_OPT_T_PRESET: /* its options were put before */
		*(const char **)o->target = word ? word : "";
		return 0;
	case NST_OPT_T_LIST:
		return put_list(o->target, word, err);
	case NST_OPT_T_INT:
		return put_int(o, word, err);
	case NST_OPT_T_SEED:
		return put_seed(o, word, err);
	case NST_OPT_T_SIZE:
		return put_size(o, word, err);
	case NST_OPT_T_DOUBLE:
		return put_double(o, word, err);
	case NST_OPT_T_ENUM:
		return put_enum(o, word, err);
	case NST_OPT_T_WORD:
		if (!o->u.w.parse(word, o->target, err))
			return 0;
		err->code = NST_EINVAL;
		return nst_err_prefix(err, "option '--%s'", o->name);
	default:
		return 0;
	}
}

void nst_words_release(struct nst_words *w)
{
	free(w->word);
	*w = (struct nst_words){NULL, 0};
}

int nst_words_append(struct nst_words *w, const struct nst_words *more, struct nst_err *err)
{
	int r = 0;

	for (size_t i = 0; i < more->n && r == 0; i++)
		r = put_list(w, more->word[i], err);
	return r;
}

/* ---- the scan ----------------------------------------------------------------------------- */

/* One getopt result that is an error.  c is ':' or '?'. */
static int fail_getopt(const struct nst_opt *opts, int c, char **argv, struct nst_err *err)
{
	const struct nst_opt *o = row_of(opts, optopt);

	if (!o)
		return fail_unknown(opts, optopt, argv[optind - 1], err);
	if (c == ':')
		return nst_fail(err, NST_EINVAL, "option '--%s' needs a value (%s)", o->name,
				o->metavar);
	return nst_fail(err, NST_EINVAL, "option '--%s' takes no value", o->name);
}

/* Something to do with each option on a line; 0 goes on. */
typedef int option_fn(const struct nst_opt *opts, const struct nst_opt *o, void *ctx,
		      struct nst_err *err);

/* Walk the line; mistakes are an error where strict. */
static int walk(const struct getopt_form *f, const struct nst_opt *opts, int argc, char **argv,
		int strict, option_fn *fn, void *ctx, struct nst_err *err)
{
	int c, r = 0;

	optind = 0; /* glibc: start over */
	while (!r && (c = getopt_long(argc, argv, f->letters, f->names, NULL)) != -1) {
		if (c != ':' && c != '?')
			r = fn(opts, row_of(opts, c), ctx, err);
		else if (strict)
			r = fail_getopt(opts, c, argv, err);
	}
	return r;
}

static int keep_request(const struct nst_opt *opts, const struct nst_opt *o, void *ctx,
			struct nst_err *err)
{
	const struct nst_opt **asked = ctx;

	(void)opts;
	(void)err;
	if (is_request(o) && !*asked)
		*asked = o;
	return 0;
}

static int put_option(const struct nst_opt *opts, const struct nst_opt *o, void *ctx,
		      struct nst_err *err)
{
	(void)opts;
	(void)ctx;
	return put(o, optarg, err);
}

/* The last preset on the line, as words; a mistake is for the walk that is strict to find. */
static int find_preset(const struct nst_opt *opts, const struct nst_opt *o, void *ctx,
		       struct nst_err *err)
{
	const char *const **options = ctx;

	(void)opts;
	if (o->type != NST_OPT_T_PRESET)
		return 0;
	if (!o->u.preset(optarg, options, err))
		return 0;
	return nst_err_prefix(err, "option '--%s'", o->name);
}

static int put_preset(const struct getopt_form *f, const struct nst_opt *opts,
		      const char *const *options, struct nst_err *err)
{
	char **argv;
	int n = 0, r;

	while (options[n])
		n++;
	argv = nst_alloc((size_t)n + 2, sizeof(*argv), err);
	if (!argv)
		return err->code;
	argv[0] = (char[]){""};
	memcpy(argv + 1, options, ((size_t)n + 1) * sizeof(*argv)); /* getopt changes no word */
	r = walk(f, opts, n + 1, argv, 1, put_option, NULL, err);
	free(argv);
	return r;
}

int nst_opt_scan(const struct nst_opt *opts, int argc, char **argv, const struct nst_opt **asked,
		 struct nst_err *err)
{
	const char *const *preset = NULL;
	struct getopt_form f;
	int r;

	r = form_init(&f, opts, err);
	if (r)
		return r;
	opterr = 0;
	*asked = NULL;
	r = walk(&f, opts, argc, argv, 0, keep_request, asked, err);
	if (!r && !*asked)
		r = walk(&f, opts, argc, argv, 0, find_preset, &preset, err);
	if (!r && preset)
		r = put_preset(&f, opts, preset, err);
	if (!r && !*asked)
		r = walk(&f, opts, argc, argv, 1, put_option, NULL, err);
	form_release(&f);
	return r ? r : optind;
}

/* ---- the edge: printing and exiting --------------------------------------------------------- */

void nst_usage_error(const char *fmt, ...)
{
	struct nst_err err;
	char text[sizeof(err.msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nst_fail(&err, NST_EINVAL, "%s; try '%s --help'", text, nst_program());
	nst_die_status(&err, 2);
}

/* -q and -v of struct nst_common, found by their letters. */
static int wanted_verbosity(const struct nst_opt *opts)
{
	const struct nst_opt *quiet = row_of(opts, 'q'), *verbose = row_of(opts, 'v');

	if (quiet && quiet->type == NST_OPT_T_COUNT && *(int *)quiet->target)
		return -1;
	return verbose && verbose->type == NST_OPT_T_COUNT ? *(int *)verbose->target : 0;
}

/* Print what the line asks for, if anything, and exit. */
static void answer(const struct nst_tool *tool, const struct nst_opt *opts, int argc, char **argv,
		   const struct nst_opt *asked)
{
	if (argc == 2 && !strcmp(argv[1], "--completion=bash"))
		nst_opt_completion(stdout, tool, opts);
	else if (argc == 2 && !strcmp(argv[1], "--options=man"))
		nst_opt_manual(stdout, opts);
	else if (asked && asked->type == NST_OPT_T_HELP)
		nst_opt_help(stdout, tool, opts);
	else if (asked)
		nst_opt_version(stdout, tool);
	else
		return;
	exit(nst_finish_stdout());
}

/* The default of -j. */
static int take_threads(const struct nst_opt *opts, struct nst_err *err)
{
	const char *word = getenv("NST_THREADS");
	const struct nst_opt *threads = row_of(opts, 'j');

	if (!word || !*word || !threads || threads->type != NST_OPT_T_INT)
		return 0;
	return put_int(threads, word, err) < 0 ? nst_err_prefix(err, "NST_THREADS") : 0;
}

int nst_opt_parse(const struct nst_tool *tool, const struct nst_opt *opts, int argc, char **argv)
{
	const struct nst_opt *asked = NULL;
	struct nst_err err;
	int first;

	nst_start(tool->name);
	answer(tool, opts, argc, argv, NULL);
	first = take_threads(opts, &err);
	if (first == 0)
		first = nst_opt_scan(opts, argc, argv, &asked, &err);
	if (first < 0 && err.code == NST_ENOMEM)
		nst_die(&err);
	if (first < 0)
		nst_usage_error("%s", err.msg);
	answer(tool, opts, argc, argv, asked);
	nst_set_verbosity(wanted_verbosity(opts));
	return first;
}
