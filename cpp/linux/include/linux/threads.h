#ifndef _LINUX_THREADS_H
#define _LINUX_THREADS_H
#define NR_CPUS 1024
#endif
