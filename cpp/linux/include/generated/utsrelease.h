#ifndef _GENERATED_UTSRELEASE_H
#define _GENERATED_UTSRELEASE_H
#include <linux/version.h>
#endif
