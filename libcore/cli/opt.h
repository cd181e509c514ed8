/* One table of options per tool: parser, --help, shell completion and the manual's OPTIONS section
 * are made from it, so that they cannot disagree.
 *
 *	struct nst_common common = NST_COMMON_DEFAULT;
 *	double floor = 0;
 *	const struct nst_opt opts[] = {
 *		NST_OPT_DOUBLE('c', "min-confidence", "P", &floor, 0, 1, NST_CLOSED,
 *			       "keep rows whose confidence is at least P"),
 *		NST_OPT_COMMON(&common),
 *		NST_OPT_END
 *	};
 *	int first = nst_opt_parse(&tool, opts, argc, argv);
 *
 * Help sentences start in lower case and end without a full stop; the manual adds both.  What a
 * target holds before parsing is its default, shown as [default] in --help; a default that lies
 * outside the limits, a NaN or a NULL means "not set" and is not shown. */
#ifndef NST_CLI_OPT_H
#define NST_CLI_OPT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "libcore/util/err.h"

enum nst_opt_type {
	NST_OPT_T_END,
	NST_OPT_T_SECTION,
	NST_OPT_T_SET,      /* int: a constant is stored */
	NST_OPT_T_COUNT,    /* int: one more each time */
	NST_OPT_T_STRING,   /* const char *: borrowed from argv */
	NST_OPT_T_OPTIONAL, /* const char *: "" when given without =VALUE */
	NST_OPT_T_LIST,     /* struct nst_words: one more each time */
	NST_OPT_T_INT,      /* int64_t within limits */
	NST_OPT_T_SEED,     /* uint64_t, any */
	NST_OPT_T_SIZE,     /* uint64_t within limits, K M G T */
	NST_OPT_T_DOUBLE,   /* double within limits */
	NST_OPT_T_ENUM,     /* int: index into words */
	NST_OPT_T_WORD,     /* anything, through a callback */
	NST_OPT_T_PRESET,   /* const char *: a name that stands for other options of the table */
	NST_OPT_T_HELP,
	NST_OPT_T_VERSION,
};

/* Which ends of an interval of doubles belong to it. */
enum nst_opt_ends { NST_CLOSED, NST_OPEN, NST_OPEN_LOW, NST_OPEN_HIGH };

/* Words of a repeatable option, in order.  `word` is allocated by the parser: release after use. */
struct nst_words {
	const char **word;
	size_t n;
};
void nst_words_release(struct nst_words *w);

/* Append the words of another list.  Returns 0 or NST_ENOMEM. */
int nst_words_append(struct nst_words *w, const struct nst_words *more, struct nst_err *err)
	NST_MUST_CHECK;

/* Parse the word of a structured option (`n2,m27`) into target.  Returns 0, or a negative code
 * with a sentence about the word ("'n2,q7' has no field 'q'"); the option's name is put before. */
typedef int nst_opt_word_fn(const char *word, void *target, struct nst_err *err);

/* Find the options that a name stands for: words such as "--epochs=350", ended by NULL, which live as
 * long as the program.  Returns 0, or NST_EINVAL with a sentence. */
typedef int nst_opt_preset_fn(const char *name, const char *const **options, struct nst_err *err);

struct nst_opt {
	enum nst_opt_type type;
	char letter;         /* 0: none */
	const char *name;    /* without the dashes; the title of a section */
	const char *metavar; /* what stands for the value in help; NULL: takes none */
	void *target;
	const char *help;
	union {
		int value;                         /* SET */
		struct { int64_t lo, hi; } i;      /* INT */
		struct { uint64_t lo, hi; } u;     /* SIZE */
		struct { double lo, hi; enum nst_opt_ends ends; } d;
		const char *const *words;          /* ENUM, ends with NULL */
		struct { nst_opt_word_fn *parse; const char *shown; } w;
		nst_opt_preset_fn *preset;
	} u;
};

#define NST_OPT_END {.type = NST_OPT_T_END}

/* A heading in --help and in the manual for the rows that follow. */
#define NST_OPT_SECTION(title) {.type = NST_OPT_T_SECTION, .name = title}

/* int target becomes 1 (FLAG), 0 (UNFLAG) or a given value (SET: several options, one target). */
#define NST_OPT_FLAG(l, n, t, h)   NST_OPT_SET(l, n, t, 1, h)
#define NST_OPT_UNFLAG(l, n, t, h) NST_OPT_SET(l, n, t, 0, h)
#define NST_OPT_SET(l, n, t, v, h) \
	{.type = NST_OPT_T_SET, .letter = l, .name = n, .target = (int *){t}, .help = h, \
	 .u.value = v}
#define NST_OPT_COUNT(l, n, t, h) \
	{.type = NST_OPT_T_COUNT, .letter = l, .name = n, .target = (int *){t}, .help = h}

#define NST_OPT_STRING(l, n, m, t, h) \
	{.type = NST_OPT_T_STRING, .letter = l, .name = n, .metavar = m, \
	 .target = (const char **){t}, .help = h}
/* --name or --name=VALUE. */
#define NST_OPT_OPTIONAL(l, n, m, t, h) \
	{.type = NST_OPT_T_OPTIONAL, .letter = l, .name = n, .metavar = m, \
	 .target = (const char **){t}, .help = h}
#define NST_OPT_LIST(l, n, m, t, h) \
	{.type = NST_OPT_T_LIST, .letter = l, .name = n, .metavar = m, \
	 .target = (struct nst_words *){t}, .help = h}

#define NST_OPT_INT(l, n, m, t, min, max, h) \
	{.type = NST_OPT_T_INT, .letter = l, .name = n, .metavar = m, .target = (int64_t *){t}, \
	 .help = h, .u.i = {min, max}}
#define NST_OPT_SIZE(l, n, m, t, min, max, h) \
	{.type = NST_OPT_T_SIZE, .letter = l, .name = n, .metavar = m, .target = (uint64_t *){t}, \
	 .help = h, .u.u = {min, max}}
#define NST_OPT_DOUBLE(l, n, m, t, min, max, open_ends, h) \
	{.type = NST_OPT_T_DOUBLE, .letter = l, .name = n, .metavar = m, .target = (double *){t}, \
	 .help = h, .u.d = {min, max, open_ends}}

/* int target becomes the index of the word in a list that ends with NULL. */
#define NST_OPT_ENUM(l, n, m, t, list, h) \
	{.type = NST_OPT_T_ENUM, .letter = l, .name = n, .metavar = m, .target = (int *){t}, \
	 .help = h, .u.words = list}

/* A structured word, parsed by fn into t; default_shown may be NULL. */
#define NST_OPT_WORD(l, n, m, t, fn, default_shown, h) \
	{.type = NST_OPT_T_WORD, .letter = l, .name = n, .metavar = m, .target = t, .help = h, \
	 .u.w = {fn, default_shown}}

/* The options of a preset count as if they stood before all others, so that these override them. */
#define NST_OPT_PRESET(l, n, m, t, fn, h) \
	{.type = NST_OPT_T_PRESET, .letter = l, .name = n, .metavar = m, \
	 .target = (const char **){t}, .help = h, .u.preset = fn}

/* What every tool shares. */
struct nst_common {
	const char *output; /* -o: NULL or "-" is standard output */
	int64_t threads;    /* -j: 0 is all processors */
	int no_provenance;
	int quiet, verbose; /* taken over by msg.h; here for the curious */
};
#define NST_COMMON_DEFAULT {.threads = 0}

/* Rows for struct nst_common, --help and --version. */
#define NST_OPT_COMMON(c) \
	NST_OPT_SECTION("Common options"), \
	NST_OPT_STRING('o', "output", "FILE", &(c)->output, \
		       "write to FILE, whole or not at all, instead of standard output"), \
	NST_OPT_INT('j', "threads", "N", &(c)->threads, 0, 4096, \
		    "use N threads, 0 for one a processor; results do not depend on N"), \
	NST_OPT_FLAG(0, "no-provenance", &(c)->no_provenance, \
		     "leave out program, command line and parents, so that equal content makes " \
		     "equal files"), \
	NST_OPT_COUNT('q', "quiet", &(c)->quiet, "print nothing but errors"), \
	NST_OPT_COUNT('v', "verbose", &(c)->verbose, "print more about what is done"), \
	NST_OPT_HELP

/* --help and --version alone, for programs without struct nst_common. */
#define NST_OPT_HELP \
	{.type = NST_OPT_T_HELP, .letter = 'h', .name = "help", .help = "print this help"}, \
	{.type = NST_OPT_T_VERSION, .name = "version", \
	 .help = "print the version, how it was built and the libraries in use"}

/* Options that mean the same wherever they occur. */
#define NST_OPT_SEED(t) \
	{.type = NST_OPT_T_SEED, .name = "seed", .metavar = "N", .target = (uint64_t *){t}, \
	 .help = "start every random number from N"}
#define NST_OPT_JSON(t) \
	NST_OPT_FLAG(0, "json", t, "print one JSON object instead of text")

struct nst_tool {
	const char *name;      /* "nst-filter" */
	const char *operands;  /* "[PREDICTION ...]", as in the synopsis; "" for none */
	const char *about;     /* one sentence, without full stop */
	const char *const *libraries; /* "hdf5 1.10.8", ...; ends with NULL, or NULL */
};

/* Make the process ready (nst_start of msg.h), take the default of -j from the environment
 * (NST_THREADS), parse argv, and return the index in argv of the first operand: operands are moved
 * behind the options, `--` ends these.  --help and --version print and exit with 0, a usage error
 * prints one sentence and exits with 2.  -q and -v take effect.  For the build there are also
 * --completion=bash and --options=man, if nothing else is on the line. */
int nst_opt_parse(const struct nst_tool *tool, const struct nst_opt *opts, int argc, char **argv);

/* Print one sentence and where help is, exit with 2. */
void nst_usage_error(const char *fmt, ...) NST_PRINTF(1, 2) __attribute__((noreturn));

/* What is behind nst_opt_parse, without printing or exiting.  nst_opt_scan returns the index of
 * the first operand, or NST_EINVAL with the sentence; when --help or --version is met, *asked is
 * its row (NULL otherwise) and nothing is stored. */
int nst_opt_scan(const struct nst_opt *opts, int argc, char **argv, const struct nst_opt **asked,
		 struct nst_err *err) NST_MUST_CHECK;
void nst_opt_help(FILE *f, const struct nst_tool *tool, const struct nst_opt *opts);
void nst_opt_version(FILE *f, const struct nst_tool *tool);
void nst_opt_completion(FILE *f, const struct nst_tool *tool, const struct nst_opt *opts);
void nst_opt_manual(FILE *f, const struct nst_opt *opts); /* mdoc */

#endif
