#ifndef _LINUX_MM_H
#define _LINUX_MM_H
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
struct vm_area_struct;
#endif
