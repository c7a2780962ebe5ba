#ifndef _LINUX_VERSION_H
#define _LINUX_VERSION_H
/* What these headers follow. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 12, 0)
#define LINUX_VERSION_MAJOR 6
#define LINUX_VERSION_PATCHLEVEL 12
#define LINUX_VERSION_SUBLEVEL 0
#define UTS_RELEASE "6.12.0-bottomhalf"
#endif
