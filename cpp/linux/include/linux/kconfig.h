/* Questions about the configuration: a symbol may be defined to 1 (built in), have a symbol with _MODULE behind its name
 * that is (a module), or not be defined at all. All four answer 0 or 1, to the preprocessor, too. */
#ifndef _LINUX_KCONFIG_H
#define _LINUX_KCONFIG_H

#include <generated/autoconf.h>

/* A symbol that is 1 makes of "__bh_comma_if_" and itself one argument more, so that the second one is the 1. */
#define __bh_comma_if_1 0,
#define __bh_second_of(first, second, ...) second
#define __bh_is_one(symbol) ___bh_is_one(symbol)
#define ___bh_is_one(value) ____bh_is_one(__bh_comma_if_##value)
#define ____bh_is_one(perhaps_two) __bh_second_of(perhaps_two 1, 0, 0)

#define IS_BUILTIN(option) __bh_is_one(option)
#define IS_MODULE(option) __bh_is_one(option##_MODULE)
#define IS_ENABLED(option) __bh_either(IS_BUILTIN(option), IS_MODULE(option))
/* A module can call what another module has; what is built in cannot. */
#define IS_REACHABLE(option) __bh_either(IS_BUILTIN(option), __bh_both(IS_MODULE(option), __bh_is_one(MODULE)))

#define __bh_either(a, b) ___bh_either(a, b)
#define ___bh_either(a, b) __bh_either_##a##b
#define __bh_either_00 0
#define __bh_either_01 1
#define __bh_either_10 1
#define __bh_either_11 1
#define __bh_both(a, b) ___bh_both(a, b)
#define ___bh_both(a, b) __bh_both_##a##b
#define __bh_both_00 0
#define __bh_both_01 0
#define __bh_both_10 0
#define __bh_both_11 1

#endif
