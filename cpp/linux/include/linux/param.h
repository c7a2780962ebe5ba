#ifndef _LINUX_PARAM_H
#define _LINUX_PARAM_H
#ifndef HZ /* of the machine that the module is built for: the loader passes -DHZ= */
#define HZ 1000
#endif
#define USER_HZ 100
#endif
