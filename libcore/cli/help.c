/* --help and --version. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "libcore/cli/opt.h"
#include "libcore/cli/text.h"
#include "libcore/util/version.h"

#define WIDTH  79 /* columns of the help */
#define INDENT 30 /* where sentences begin */

#ifndef NST_BUILD
#define NST_BUILD "unknown flags"
#endif

void nst_opt_default(const struct nst_opt *o, char *out, size_t size)
{
	const char *s;

	out[0] = '\0';
	switch (o->type) {
	case NST_OPT_T_STRING:
		s = *(const char **)o->target;
		if (s)
			snprintf(out, size, "%s", s);
		break;
	case NST_OPT_T_INT: {
		int64_t v = *(int64_t *)o->target;

		if (v >= o->u.i.lo && v <= o->u.i.hi)
			snprintf(out, size, "%" PRId64, v);
		break;
	}
	case NST_OPT_T_SEED:
		snprintf(out, size, "%" PRIu64, *(uint64_t *)o->target);
		break;
	case NST_OPT_T_SIZE: {
		static const char *const units[] = {"", "K", "M", "G", "T"};
		uint64_t v = *(uint64_t *)o->target;
		size_t unit = 0;

		if (v < o->u.u.lo || v > o->u.u.hi)
			break;
		while (v && v % 1024 == 0 && unit < 4) {
			v /= 1024;
			unit++;
		}
		snprintf(out, size, "%" PRIu64 "%s", v, units[unit]);
		break;
	}
	case NST_OPT_T_DOUBLE: {
		double v = *(double *)o->target;

		if (v >= o->u.d.lo && v <= o->u.d.hi)
			snprintf(out, size, "%g", v);
		break;
	}
	case NST_OPT_T_ENUM: {
		int want = *(int *)o->target, n = 0;

		while (o->u.words[n])
			n++;
		if (want >= 0 && want < n)
			snprintf(out, size, "%s", o->u.words[want]);
		break;
	}
	case NST_OPT_T_WORD:
		if (o->u.w.shown)
			snprintf(out, size, "%s", o->u.w.shown);
		break;
	default:
		break;
	}
}

/* Words of s, wrapped; the cursor stands in column `at`. */
static void wrap(FILE *f, const char *s, size_t at, size_t indent)
{
	int first = 1;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (!first && at + 1 + n > WIDTH) {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', f);
			at++;
		}
		fwrite(s, 1, n, f);
		at += n;
		s += n;
		s += strspn(s, " ");
		first = 0;
	}
	fputc('\n', f);
}

static void print_option(FILE *f, const struct nst_opt *o)
{
	char left[128], text[1024], shown[128], words[400] = "";
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%s --%s", o->letter ? '-' : ' ',
		     o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name);
	if (o->metavar && (size_t)n < sizeof(left))
		snprintf(left + n, sizeof(left) - (size_t)n,
			 o->type == NST_OPT_T_OPTIONAL ? "[=%s]" : "=%s", o->metavar);
	fputs(left, f);
	n = (int)strlen(left);
	if (n + 2 > INDENT)
		fprintf(f, "\n%*s", INDENT, "");
	else
		fprintf(f, "%*s", INDENT - n, "");
	if (o->type == NST_OPT_T_ENUM)
		nst_opt_join(o, ", ", words, sizeof(words));
	nst_opt_default(o, shown, sizeof(shown));
	snprintf(text, sizeof(text), "%s%s%s%s%s%s", o->help, words[0] ? ": " : "", words,
		 shown[0] ? " [" : "", shown, shown[0] ? "]" : "");
	wrap(f, text, INDENT, INDENT);
}

void nst_opt_join(const struct nst_opt *o, const char *between, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; o->u.words[i] && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? between : "",
					 o->u.words[i]);
}

void nst_opt_help(FILE *f, const struct nst_tool *tool, const struct nst_opt *opts)
{
	fprintf(f, "usage: %s [OPTION ...]%s%s\n", tool->name, tool->operands[0] ? " " : "",
		tool->operands);
	wrap(f, tool->about, 0, 0);
	if (opts->type != NST_OPT_T_SECTION)
		fputc('\n', f);
	for (; opts->type != NST_OPT_T_END; opts++) {
		if (opts->type == NST_OPT_T_SECTION)
			fprintf(f, "\n%s:\n", opts->name);
		else
			print_option(f, opts);
	}
	fprintf(f, "\nThe manual is %s(1).\n", tool->name);
}

void nst_opt_version(FILE *f, const struct nst_tool *tool)
{
	fprintf(f, "%s (nst) %s\nbuilt by: %s\n", tool->name, NST_VERSION, NST_BUILD);
#ifdef __VERSION__
	fprintf(f, "compiler: %s\n", __VERSION__);
#endif
	for (size_t i = 0; tool->libraries && tool->libraries[i]; i++)
		fprintf(f, "%s%s", i ? ", " : "libraries: ", tool->libraries[i]);
	if (tool->libraries && tool->libraries[0])
		fputc('\n', f);
}
