/* Parameters of every type. */
#include <linux/module.h>

static bool flag;
static bool unflag;
static unsigned char small;
static short little;
static unsigned short ulittle;
static int number = -1;
static unsigned int unumber;
static long big;
static unsigned long ubig;
static char *word = "unset";
static char line[8];
static int list[4];
static int listed;

module_param(flag, bool, 0644);
module_param(unflag, invbool, 0644);
module_param(small, byte, 0644);
module_param(little, short, 0644);
module_param(ulittle, ushort, 0644);
module_param(number, int, 0644);
module_param(unumber, uint, 0644);
module_param(big, long, 0644);
module_param(ubig, ulong, 0644);
module_param(word, charp, 0644);
module_param_string(line, line, sizeof(line), 0644);
module_param_array(list, int, &listed, 0644);

static int result;
module_param(result, int, 0444);
MODULE_PARM_DESC(result, "what init returns");

static int __init settings_start(void)
{
	pr_info("settings: %d %s %d of %d\n", number, word, list[0], listed);
	return result;
}
static void __exit settings_stop(void)
{
}

module_init(settings_start);
module_exit(settings_stop);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_AUTHOR("The bottomhalf authors");
