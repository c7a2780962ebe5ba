#ifndef _LINUX_STRING_HELPERS_H
#define _LINUX_STRING_HELPERS_H
#include <linux/string.h>
#endif
