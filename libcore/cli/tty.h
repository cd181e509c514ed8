/* Manners towards terminals: no binary data on a screen, no waiting for a keyboard. */
#ifndef NST_CLI_TTY_H
#define NST_CLI_TTY_H

/* 1 when output (-o's value) means standard output: NULL or "-". */
int nst_is_stdout(const char *output);

/* Usage error when output means standard output and that is a terminal. */
void nst_refuse_terminal(const char *output);

/* Usage error when there is no operand and standard input is a terminal; `what` names what is
 * missing ("a prediction"). */
void nst_need_input(int operands, const char *what);

#endif
