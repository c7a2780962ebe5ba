#ifndef _LINUX_FCNTL_H
#define _LINUX_FCNTL_H
#include <linux/fs.h>
#endif
