#ifndef _LINUX_STRING_CHOICES_H
#define _LINUX_STRING_CHOICES_H
#include <linux/string.h>
#endif
