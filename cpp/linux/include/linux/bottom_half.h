#ifndef _LINUX_BOTTOM_HALF_H
#define _LINUX_BOTTOM_HALF_H
#include <linux/preempt.h>
void local_bh_disable(void) __bh_symbol(local_bh_disable);
void local_bh_enable(void) __bh_symbol(local_bh_enable);
void _local_bh_enable(void) __bh_symbol(_local_bh_enable);
#endif
