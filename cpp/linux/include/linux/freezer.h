#ifndef _LINUX_FREEZER_H
#define _LINUX_FREEZER_H
#include <linux/kthread.h>
#include <linux/wait.h>
#endif
