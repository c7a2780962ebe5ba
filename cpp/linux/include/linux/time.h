#ifndef _LINUX_TIME_H
#define _LINUX_TIME_H
#include <linux/math64.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#endif
