#ifndef _LINUX_SIGNAL_H
#define _LINUX_SIGNAL_H
#include <linux/sched/signal.h>
#endif
