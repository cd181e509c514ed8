/* The one place where the version stands. */
#ifndef NST_UTIL_VERSION_H
#define NST_UTIL_VERSION_H

#define NST_VERSION "0.1.0"

#endif
