/* Attributes of an object and of a device below /sys, and what else the headers have for files. */
#include <linux/cdev.h>
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/kobject.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/ratelimit.h>
#include <linux/sysfs.h>
#include <linux/utsname.h>
#include <asm/io.h>

static bool forget;
module_param(forget, bool, 0444);

static int level = 3;
static struct kobject *knobs;

static ssize_t level_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	pr_info("attributes: %s of %s is asked for\n", attr->attr.name, kobject_name(kobj));
	return sysfs_emit(buf, "%d\n", level);
}
static ssize_t level_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	int error = kstrtoint(buf, 0, &level);

	return error ? error : count;
}
static struct kobj_attribute level_attr = __ATTR_RW(level);

static ssize_t mark_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	int n = sysfs_emit(buf, "%s", dev_name(dev));

	return n + sysfs_emit_at(buf, n, "!\n");
}
static DEVICE_ATTR_RO(mark);

static struct attribute *attrs[] = {&level_attr.attr, NULL};
static const struct attribute_group group = {.name = "more", .attrs = attrs};

static char path[64];
static int device_open(struct inode *inode, struct file *file)
{
	pr_info("attributes: opened %s, process %d\n", file_path(file, path, sizeof(path)), current->mm != NULL);
	return 0;
}
static const struct file_operations fops = {.owner = THIS_MODULE, .open = device_open};
static struct miscdevice misc = {.minor = MISC_DYNAMIC_MINOR, .name = "marked", .fops = &fops};

static struct debugfs_blob_wrapper blob = {.data = "a blob\n", .size = 7};
static struct dentry *debug;

/* Locks have macros, so variables may have their names. */
static DEFINE_MUTEX(read_lock);
static DEFINE_RWLOCK(rw);
static DEFINE_HASHTABLE(table, 3);
static DEFINE_RATELIMIT_STATE(rate, 5 * HZ, 2);
struct entry {
	int key;
	struct hlist_node node;
};
static struct entry entries[20];

static void count_things(void)
{
	struct entry *entry;
	u32 here = 0;
	int i, bkt, all = 0, found = 0, printed = 0;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		entries[i].key = i;
		hash_add(table, &entries[i].node, entries[i].key);
		printed += __ratelimit(&rate) != 0;
	}
	mutex_lock(&read_lock);
	read_lock(&rw);
	hash_for_each(table, bkt, entry, node)
		all++;
	hash_for_each_possible(table, entry, node, 7)
		found += entry->key == 7;
	read_unlock(&rw);
	mutex_unlock(&read_lock);
	writel(readl(&here) + 1, &here);
	pr_info("attributes: %d entries, %d found, %d printed, %u, %s, root %d\n", all, found, printed, here,
		utsname()->sysname, uid_eq(current_uid(), GLOBAL_ROOT_UID) && capable(CAP_SYS_ADMIN));
}

static int __init attributes_start(void)
{
	count_things();
	proc_mkdir("attributes", NULL);
	debug = debugfs_create_dir("attributes", NULL);
	debugfs_create_blob("blob", 0444, debug, &blob);
	if (debugfs_lookup("attributes", NULL) != debug)
		return -EINVAL;
	knobs = kobject_create_and_add("knobs", kernel_kobj);
	if (knobs == NULL || sysfs_create_file(knobs, &level_attr.attr) || sysfs_create_group(knobs, &group))
		return -ENOMEM;
	if (misc_register(&misc))
		return -EBUSY;
	return device_create_file(misc.this_device, &dev_attr_mark);
}

static void __exit attributes_stop(void)
{
	if (forget)
		return;
	misc_deregister(&misc);
	kobject_put(knobs);
	debugfs_remove(debug);
	remove_proc_entry("attributes", NULL);
}

module_init(attributes_start);
module_exit(attributes_stop);
MODULE_LICENSE("Dual BSD/GPL");
