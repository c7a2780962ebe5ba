#ifndef _GENERATED_AUTOCONF_H
#define _GENERATED_AUTOCONF_H
#include <linux/version.h>
#endif
