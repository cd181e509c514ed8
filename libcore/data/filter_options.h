/* The rows of nst-filter's option table (libcore/cli/opt.h) that fill a request: what can be asked
 * for and what it means.  The tool includes opt.h itself, this room does not know the command
 * line. */
#ifndef NST_DATA_FILTER_OPTIONS_H
#define NST_DATA_FILTER_OPTIONS_H

#include "libcore/data/filter.h"

#define NST_FILTER_OPTIONS(r) \
	NST_OPT_SECTION("Which rows"), \
	NST_OPT_DOUBLE('c', "min-confidence", "P", &(r)->min_confidence, 0, 1, NST_CLOSED, \
		       "drop predictions less confident than P"), \
	NST_OPT_DOUBLE(0, "max-confidence", "P", &(r)->max_confidence, 0, 1, NST_CLOSED, \
		       "drop predictions more confident than P"), \
	NST_OPT_DOUBLE(0, "min-margin", "P", &(r)->min_margin, 0, 1, NST_CLOSED, \
		       "drop predictions whose class is less than P ahead of the next one"), \
	NST_OPT_DOUBLE(0, "max-entropy", "H", &(r)->max_entropy, 0, 1e3, NST_CLOSED, \
		       "drop predictions whose entropy is above H nats"), \
	NST_OPT_INT(0, "min-agree", "N", &(r)->min_agree, 2, INT32_MAX, \
		    "with --agree, keep what N teachers name the same class of; unless given, " \
		    "all"), \
	NST_OPT_SECTION("How many of a class"), \
	NST_OPT_INT('n', "per-class", "N", &(r)->per_class, 1, UINT32_MAX, \
		    "keep the N most confident predictions of each class, and fill smaller " \
		    "classes up to N rows with copies"), \
	NST_OPT_SET(0, "duplicate", &(r)->duplicate, 1, "make these copies (the default)"), \
	NST_OPT_SET(0, "no-duplicate", &(r)->duplicate, 0, "make no copies"), \
	NST_OPT_INT(0, "class-floor", "F", &(r)->class_floor, 1, UINT32_MAX, \
		    "fill classes of fewer than F rows with copies of their best; --per-class is " \
		    "a cap alone"), \
	NST_OPT_INT(0, "class-gap", "G", &(r)->class_gap, 0, UINT32_MAX, \
		    "drop the worst rows of classes with over G rows more than the smallest; " \
		    "--per-class is a cap alone"), \
	NST_OPT_ENUM(0, "rank", "BY", &(r)->rank, nst_filter_rank_words, \
		     "what makes a prediction better than others of its class; unless given, " \
		     "confidence"), \
	NST_OPT_ENUM(0, "mode", "MODE", &(r)->mode, nst_filter_mode_words, \
		     "choose the N most confident exactly, or by thresholds on a grid of " \
		     "0.01 (the default with --stats)"), \
	NST_OPT_SEED(&(r)->seed)

#endif
