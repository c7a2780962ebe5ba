#include <linux/stat.h>
