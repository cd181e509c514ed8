/* What the option table is turned into at build time: the manual's OPTIONS section (mdoc) and the
 * bash completion. */
#include <ctype.h>
#include <string.h>

#include "libcore/cli/opt.h"
#include "libcore/cli/text.h"

/* ---- mdoc --------------------------------------------------------------------------------- */

/* Text of a line: backslashes escaped; a control character at the start would make it a request. */
static void put_escaped(FILE *f, const char *s, size_t n)
{
	if (n && (s[0] == '.' || s[0] == '\''))
		fputs("\\&", f);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\')
			fputs("\\e", f);
		else
			fputc(s[i], f);
	}
}

/* Help sentences begin in lower case and have no full stop; the manual's have both. */
static void put_sentence(FILE *f, const char *s)
{
	size_t n = strlen(s);

	if (n && islower((unsigned char)*s)) {
		fputc(toupper((unsigned char)*s), f);
		s++;
		n--;
	}
	put_escaped(f, s, n);
	fputs(".\n", f);
}

static void put_item(FILE *f, const struct nst_opt *o)
{
	char text[400];

	fputs(".It ", f);
	if (o->letter)
		fprintf(f, "Fl %c , ", o->letter);
	fprintf(f, "Fl -%s", o->name);
	if (o->type == NST_OPT_T_OPTIONAL)
		fprintf(f, " Ns Oo = Ns Ar %s Oc", o->metavar);
	else if (o->metavar)
		fprintf(f, " Ns = Ns Ar %s", o->metavar);
	fputc('\n', f);
	put_sentence(f, o->help);
	if (o->type == NST_OPT_T_ENUM) {
		nst_opt_join(o, ", ", text, sizeof(text));
		fprintf(f, "One of %s.\n", text);
	}
	nst_opt_default(o, text, sizeof(text));
	if (text[0]) {
		fputs("The default is ", f);
		put_escaped(f, text, strlen(text));
		fputs(".\n", f);
	}
}

void nst_opt_manual(FILE *f, const struct nst_opt *opts)
{
	int open = 0;

	for (; opts->type != NST_OPT_T_END; opts++) {
		if (opts->type == NST_OPT_T_SECTION && open) {
			fputs(".El\n", f);
			open = 0;
		}
		if (opts->type == NST_OPT_T_SECTION) {
			fprintf(f, ".Ss %s\n", opts->name);
			continue;
		}
		if (!open)
			fputs(".Bl -tag -width Ds\n", f);
		open = 1;
		put_item(f, opts);
	}
	if (open)
		fputs(".El\n", f);
}

/* ---- bash --------------------------------------------------------------------------------- */

/* "nst-filter" as a function name. */
static void put_function(FILE *f, const char *tool)
{
	fputc('_', f);
	for (; *tool; tool++)
		fputc(isalnum((unsigned char)*tool) ? *tool : '_', f);
}

static void put_enums(FILE *f, const struct nst_opt *opts)
{
	char words[400];

	for (; opts->type != NST_OPT_T_END; opts++) {
		if (opts->type != NST_OPT_T_ENUM)
			continue;
		nst_opt_join(opts, " ", words, sizeof(words));
		if (opts->letter)
			fprintf(f, "\t-%c|--%s)", opts->letter, opts->name);
		else
			fprintf(f, "\t--%s)", opts->name);
		fprintf(f, " COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", words);
	}
}

void nst_opt_completion(FILE *f, const struct nst_tool *tool, const struct nst_opt *opts)
{
	fprintf(f, "# bash completion of %s, made from its option table\n", tool->name);
	put_function(f, tool->name);
	fputs("() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\t# bash splits --name=value into three words\n"
	      "\tif [[ $word == = ]]; then word=''\n"
	      "\telif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\tfi\n"
	      "\tCOMPREPLY=()\n"
	      "\tcase $before in\n",
	      f);
	put_enums(f, opts);
	fputs("\tesac\n"
	      "\t[[ $word == -* ]] || return\n"
	      "\tCOMPREPLY=($(compgen -W '",
	      f);
	for (const char *gap = ""; opts->type != NST_OPT_T_END; opts++) {
		if (opts->type == NST_OPT_T_SECTION)
			continue;
		fprintf(f, "%s--%s%s", gap, opts->name,
			opts->metavar && opts->type != NST_OPT_T_OPTIONAL ? "=" : "");
		gap = " ";
	}
	fputs("' -- \"$word\"))\n"
	      "\t[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace\n"
	      "}\n"
	      "complete -o default -F ",
	      f);
	put_function(f, tool->name);
	fprintf(f, " %s\n", tool->name);
}
