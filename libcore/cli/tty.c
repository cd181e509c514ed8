/* Terminals are for people: see tty.h. */
#include "libcore/cli/tty.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "libcore/cli/opt.h"

int nst_is_stdout(const char *output)
{
	return !output || !strcmp(output, "-");
}

void nst_refuse_terminal(const char *output)
{
	if (nst_is_stdout(output) && isatty(STDOUT_FILENO))
		nst_usage_error("binary data is not written to a terminal: "
				"use -o FILE, a pipe or >");
}

void nst_need_input(int operands, const char *what)
{
	if (operands <= 0 && isatty(STDIN_FILENO))
		nst_usage_error("%s is needed: name a file, or - for standard input", what);
}
