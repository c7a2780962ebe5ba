#ifndef _LINUX_PANIC_H
#define _LINUX_PANIC_H
#include <linux/bug.h>
#define TAINT_USER 6
#define TAINT_WARN 9
#endif
